"""Runs: their state, their output, their page. https://docs.databricks.com/api/workspace/jobs

Limits: exit value 5 MB (first), logs 5 MB (last), 100 tasks and 25 runs a page.
"""

from __future__ import annotations

from typing import Any

from brickloop.localws.command_log import read_commands
from brickloop.localws.pages.notebook_page import render_notebook_page
from brickloop.localws.run_store import JOB_RUN, TASK_RUN, Run, RunStore
from brickloop.localws.services import CLUSTER_ID, USER, Services
from brickloop.localws.wire import MIB, Answer, Call, Endpoint, invalid, page_of
from brickloop.model.run import LifeCycle, ResultState

_TEXT_LIMIT = 5 * MIB
_TASKS_SHOWN = 100
_CANCELED = {ResultState.CANCELED, ResultState.TIMEDOUT}


def get(services: Services, call: Call) -> Answer:
    """A run with its tasks, or one task of a run by its own id."""
    run = services.runs.run(call.whole("run_id"))
    shaped = shape_run(services, run)
    if run.kind == TASK_RUN:
        shaped["tasks"] = [shape_task(services, run)]
        return _with_page(services, call, shaped, "iterations", services.runs.attempts(run.run_id))
    if call.flag("include_history"):
        shaped["repair_history"] = closed_history(services.runs, run)
    return _with_page(services, call, shaped, "tasks", services.runs.attempts(run.run_id))


def get_output(services: Services, call: Call) -> Answer:
    """What a task run left: exit value, error and trace, logs."""
    run = _task_run(services, call.whole("run_id"))
    outcome = run.outcome
    answer: dict[str, Any] = {"metadata": shape_run(services, run)}
    for name in ("error", "error_trace"):
        if outcome.get(name):
            answer[name] = outcome[name]
    if "error" not in answer and run.ending is not None and not run.ending.succeeded:
        answer["error"] = run.message
    if "notebook_task" in run.spec:
        answer["notebook_output"] = _notebook_output(outcome)
    elif "run_job_task" in run.spec:
        answer |= {key: outcome[key] for key in ("run_job_output",) if key in outcome}
    elif not {"condition_task", "for_each_task"} & run.spec.keys():
        logs = (outcome.get("logs") or "").encode()
        answer["logs"] = logs[-_TEXT_LIMIT:].decode("utf-8", "ignore")
        answer["logs_truncated"] = len(logs) > _TEXT_LIMIT
    return answer


def list_runs(services: Services, call: Call) -> Answer:
    """Runs, newest first, a page at a time."""
    job_id = call.whole("job_id") if call.optional_text("job_id") else None
    size = call.whole("limit", 20)
    if not 1 <= size <= 25:
        raise invalid("limit must be from 1 to 25.")
    if call.flag("active_only") and call.flag("completed_only"):
        raise invalid("active_only and completed_only cannot both be true.")
    found = [run for run in services.runs.runs(job_id) if _is_listed(run, call)]
    token = call.optional_text("page_token") or str(call.whole("offset", 0))
    page, following, before = page_of(found, token, size)
    shaped = [shape_run(services, run) for run in page]
    if call.flag("expand_tasks"):
        for one in shaped:
            attempts = services.runs.attempts(one["run_id"])
            one["tasks"] = [shape_task(services, attempt) for attempt in attempts]
    answer: dict[str, Any] = {"has_more": following is not None}
    if shaped:
        answer["runs"] = shaped
    if following:
        answer["next_page_token"] = following
    if before is not None:
        answer["prev_page_token"] = before
    return answer


def cancel(services: Services, call: Call) -> Answer:
    """Ask a run to end; it has ended when its state says so."""
    services.runner.cancel(call.whole("run_id"))
    return {}


def cancel_all(services: Services, call: Call) -> Answer:
    """Ask all runs of a job, or all there are, to end."""
    job_id = call.whole("job_id") if call.fields.get("job_id") else None
    if job_id is None and not call.flag("all_queued_runs"):
        raise invalid("Missing required field: job_id")
    if job_id is not None:
        services.runs.job(job_id)
    for run in services.runs.runs(job_id):
        queued_only = job_id is None
        if not run.life_cycle.is_final and (not queued_only or run.life_cycle is LifeCycle.QUEUED):
            services.runner.cancel(run.run_id)
    return {}


def delete(services: Services, call: Call) -> Answer:
    """Remove a run that has ended."""
    run = services.runs.run(call.whole("run_id"))
    if run.kind == TASK_RUN:
        raise invalid(f"Run {run.run_id} is a task run; delete the run it belongs to.")
    if not run.life_cycle.is_final:
        raise invalid(f"Run {run.run_id} is active and cannot be deleted; cancel it first.")
    services.forget_runs(services.runs.delete_run(run.run_id))
    return {}


def export(services: Services, call: Call) -> Answer:
    """The page of a notebook task's run, which holds every cell and its results."""
    views = call.text("views_to_export", "CODE")
    if views not in {"CODE", "DASHBOARDS", "ALL"}:
        raise invalid(f"Unknown views_to_export: {views}")
    run = _task_run(services, call.whole("run_id"))
    if "notebook_task" not in run.spec:
        raise invalid("Only notebook runs can be exported in HTML format.")
    if not run.life_cycle.is_final:
        raise invalid(f"Run {run.run_id} has not ended yet; it can be exported when it has.")
    if views == "DASHBOARDS":
        return {"views": []}
    path = str(run.spec["notebook_task"]["notebook_path"])
    name = path.rstrip("/").rpartition("/")[2]
    found = services.tree.find(path) if path.startswith("/") else None
    language = found.language.value.lower() if found and found.language else "python"
    commands = read_commands(services.layout.runs / str(run.run_id))
    content = render_notebook_page(name, language, commands)
    return {"views": [{"content": content, "name": name, "type": "NOTEBOOK"}]}


def shape_run(services: Services, run: Run) -> dict[str, Any]:
    """A run as the API shows it, without its tasks."""
    shaped: dict[str, Any] = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "creator_user_name": USER,
        "run_as_user_name": USER,
        "number_in_job": run.number_in_job or run.run_id,
        "original_attempt_run_id": run.first_run_id,
        "attempt_number": run.attempt,
        "run_name": run.name,
        "run_page_url": services.identity.run_page_url(run.run_id),
        "run_type": "SUBMIT_RUN" if run.kind != JOB_RUN else "JOB_RUN",
        "format": "MULTI_TASK",
        "trigger": "ONE_TIME",
        **_times(run),
        **show_states(run),
    }
    if run.kind == TASK_RUN:
        parent = services.runs.root_of(run)
        shaped |= {"job_run_id": parent.run_id, "task_key": run.task_key}
        shaped["run_type"] = "JOB_RUN" if parent.kind == JOB_RUN else "SUBMIT_RUN"
        return shaped
    shaped["job_run_id"] = run.run_id
    if run.spec.get("overriding_parameters"):
        shaped["overriding_parameters"] = run.spec["overriding_parameters"]
    if run.spec.get("parameters"):
        defaults = {one["name"]: one["default"] for one in run.spec.get("job_parameters") or []}
        shaped["job_parameters"] = [
            {"name": name, "default": defaults.get(name, ""), "value": value}
            for name, value in run.spec["parameters"].items()
        ]
    return shaped


def shape_task(services: Services, run: Run) -> dict[str, Any]:
    """An attempt at a task as the API shows it inside its run."""
    shaped = {
        "run_if": "ALL_SUCCESS",
        **run.spec,
        "run_id": run.run_id,
        "attempt_number": run.attempt,
        "run_page_url": services.identity.run_page_url(run.run_id),
        **_times(run),
        **show_states(run),
    }
    if "condition_task" in run.spec:
        outcome = run.outcome.get("condition_outcome")
        if outcome:
            shaped["condition_task"] = {**run.spec["condition_task"], "outcome": outcome}
            shaped["resolved_values"] = {"condition_task": run.outcome["resolved"]}
    elif "for_each_task" in run.spec:
        stats = {"task_run_stats": _iteration_stats(services.runs.attempts(run.run_id))}
        shaped["for_each_task"] = {**run.spec["for_each_task"], "stats": stats}
    elif run.started_ms and "run_job_task" not in run.spec:
        shaped["cluster_instance"] = {"cluster_id": CLUSTER_ID, "spark_context_id": "local"}
    return shaped


def closed_history(runs: RunStore, run: Run) -> list[dict[str, Any]]:
    """The original run and its repairs, the last one as the run stands now."""
    history = run.spec.get("repair_history")
    if not history:
        ids = [one.run_id for one in runs.attempts(run.run_id)]
        history = [{"type": "ORIGINAL", "start_time": run.created_ms, "task_run_ids": ids}]
    last = {**history[-1], "end_time": run.ended_ms, **show_states(run)}
    return [*history[:-1], last]


def _with_page(
    services: Services, call: Call, shaped: dict[str, Any], name: str, attempts: list[Run]
) -> dict[str, Any]:
    """The run with a page of its tasks, or of a loop's iterations."""
    page, following, _ = page_of(attempts, call.optional_text("page_token"), _TASKS_SHOWN)
    if page or name == "tasks":
        shaped[name] = [shape_task(services, attempt) for attempt in page]
    return {**shaped, "next_page_token": following} if following else shaped


def _iteration_stats(attempts: list[Run]) -> dict[str, int]:
    """How many iterations of a loop stand where, each by its last attempt."""
    last = list({attempt.first_run_id: attempt for attempt in attempts}.values())
    ended = [attempt.ending for attempt in last if attempt.ending is not None]
    good = sum(ending.succeeded for ending in ended)
    return {
        "total_iterations": len(last),
        "scheduled_iterations": len(last),
        "active_iterations": sum(one.started_ms > 0 and one.ending is None for one in last),
        "completed_iterations": len(ended),
        "succeeded_iterations": good,
        "failed_iterations": len(ended) - good,
    }


def _task_run(services: Services, run_id: int) -> Run:
    run = services.runs.run(run_id)
    if run.kind == TASK_RUN:
        return run
    attempts = services.runs.attempts(run_id)
    if len({attempt.task_key for attempt in attempts}) != 1:
        raise invalid(
            "Retrieving the output of runs with multiple tasks is not supported. "
            "Please retrieve the output of each individual task run instead."
        )
    return attempts[-1]


def _notebook_output(outcome: dict[str, Any]) -> dict[str, Any]:
    value = outcome.get("exit_value")
    if value is None:
        return {"truncated": False}
    data = value.encode()
    result = data[:_TEXT_LIMIT].decode("utf-8", "ignore")
    return {"result": result, "truncated": len(data) > _TEXT_LIMIT}


def _is_listed(run: Run, call: Call) -> bool:
    if call.flag("active_only") and run.life_cycle.is_final:
        return False
    if call.flag("completed_only") and not run.life_cycle.is_final:
        return False
    kind = call.text("run_type", "")
    if kind and kind != run.kind:
        return False
    earliest = call.whole("start_time_from", 0)
    latest = call.whole("start_time_to", 2**62)
    return earliest <= run.created_ms <= latest


def _times(run: Run) -> dict[str, Any]:
    started = run.started_ms or run.ended_ms
    spent = max(0, run.ended_ms - started) if run.ended_ms else 0
    times = {
        "start_time": run.created_ms,
        "setup_duration": max(0, started - run.created_ms) if started else 0,
        "execution_duration": spent,
        "cleanup_duration": 0,
    }
    if run.ended_ms:
        times |= {"end_time": run.ended_ms, "run_duration": run.ended_ms - run.created_ms}
    return times


def show_states(run: Run) -> dict[str, Any]:
    """The state of a run, in the older shape and in the newer one."""
    state: dict[str, Any] = {
        "life_cycle_state": run.life_cycle.value,
        "state_message": run.message,
        "user_cancelled_or_timedout": run.result in _CANCELED,
    }
    is_final = run.life_cycle.is_final
    status: dict[str, Any] = {"state": "TERMINATED" if is_final else run.life_cycle.value}
    if run.result is not None:
        state["result_state"] = run.result.value
    if is_final:
        kinds = {"SUCCESS": "SUCCESS", "SUCCESS_WITH_FAILURES": "SUCCESS"}
        kinds |= {"INTERNAL_ERROR": "INTERNAL_ERROR", "DRIVER_ERROR": "INTERNAL_ERROR"}
        status["termination_details"] = {
            "code": run.code,
            "type": kinds.get(run.code, "CLIENT_ERROR"),
            "message": run.message,
        }
    return {"state": state, "status": status}


ENDPOINTS = tuple(
    endpoint
    for version in ("2.0", "2.1", "2.2")
    for endpoint in (
        Endpoint("GET", f"/api/{version}/jobs/runs/get", get),
        Endpoint("GET", f"/api/{version}/jobs/runs/get-output", get_output),
        Endpoint("GET", f"/api/{version}/jobs/runs/list", list_runs),
        Endpoint("GET", f"/api/{version}/jobs/runs/export", export),
        Endpoint("POST", f"/api/{version}/jobs/runs/cancel", cancel),
        Endpoint("POST", f"/api/{version}/jobs/runs/cancel-all", cancel_all),
        Endpoint("POST", f"/api/{version}/jobs/runs/delete", delete),
    )
)
