"""Repairs: tasks of a run that has ended, run once more within it.

https://docs.databricks.com/api/workspace/jobs/repairrun. The tasks go by the job's settings as they
are now; those that are not run again keep their results. A run of a deleted job, and a one-time
run, go by their own.
"""

from __future__ import annotations

from typing import Any

from brickloop.localws.api.runs import closed_history
from brickloop.localws.job_runs import RUN_FIELDS, latest_attempts, tasks_to_repair
from brickloop.localws.job_settings import text_map, with_run_parameters
from brickloop.localws.run_store import JOB_RUN, TASK_RUN, Run
from brickloop.localws.services import Services
from brickloop.localws.state import now_ms
from brickloop.localws.wire import Answer, ApiError, Call, Endpoint, invalid, malformed


def repair(services: Services, call: Call) -> Answer:
    """The id of a repair, which has begun."""
    runs = services.runs
    with runs.transaction():
        run = runs.run(call.whole("run_id"))
        _check_run(run, call)
        latest = latest_attempts(runs.attempts(run.run_id))
        chosen = tasks_to_repair(
            run.spec["tasks"],
            latest,
            all_failed=call.flag("rerun_all_failed_tasks"),
            named=_names(call),
            dependent=call.flag("rerun_dependent_tasks"),
        )
        tasks = _tasks_now(services, run, chosen, call)
        made = [
            runs.create_attempt(latest[task["task_key"]], task).run_id
            for task in tasks
            if task["task_key"] in chosen
        ]
        repair_id = services.state.next_id("run")
        begun = {
            "type": "REPAIR", "id": repair_id, "start_time": now_ms(), "task_run_ids": made
        }  # fmt: skip
        given = text_map(call.mapping("job_parameters"), "job_parameters")
        spec = {
            **run.spec,
            "tasks": tasks,
            "parameters": {**(run.spec.get("parameters") or {}), **given},
            "repair_history": [*closed_history(services.runs, run), begun],
        }
        runs.reopen(run.run_id, spec)
    services.runner.start(run.run_id)
    return {"repair_id": repair_id}


def _check_run(run: Run, call: Call) -> None:
    if run.kind == TASK_RUN:
        raise invalid(f"Run {run.run_id} is a task run; repair the run it belongs to.")
    if not run.life_cycle.is_final:
        raise invalid(f"Run {run.run_id} is active; it can be repaired when it has ended.")
    history = run.spec.get("repair_history")
    named = call.whole("latest_repair_id", 0)
    latest = history[-1]["id"] if history else 0
    if named != latest:
        known = f"the latest repair is {latest}" if latest else "it was not repaired yet"
        raise invalid(f"latest_repair_id is not that of run {run.run_id}: {known}.")


def _names(call: Call) -> list[str]:
    names = call.fields.get("rerun_tasks") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise malformed("Could not parse request object: 'rerun_tasks' must be a list of strings")
    return names


def _tasks_now(services: Services, run: Run, chosen: list[str], call: Call) -> list[dict[str, Any]]:
    """The run's tasks, the chosen ones as the job has them now, with the parameters given."""
    current: dict[str, dict[str, Any]] = {}
    if run.kind == JOB_RUN:
        try:
            settings = services.runs.job(run.job_id).settings
            current = {task["task_key"]: task for task in settings["tasks"]}
        except ApiError:
            # the job was deleted
            current = {}
    keys = {task["task_key"] for task in run.spec["tasks"]}
    given = {name: call.fields[name] for name in RUN_FIELDS if call.fields.get(name)}
    before = run.spec.get("overriding_parameters") or {}
    tasks = []
    for task in run.spec["tasks"]:
        if task["task_key"] in chosen:
            found = current.get(task["task_key"])
            if found is not None:
                waits = [one for one in found.get("depends_on") or [] if one["task_key"] in keys]
                found = with_run_parameters([{**found, "depends_on": waits}], before)[0]
            task = with_run_parameters([found or task], given)[0]
        tasks.append(task)
    return tasks


ENDPOINTS = tuple(
    Endpoint("POST", f"/api/{version}/jobs/runs/repair", repair)
    for version in ("2.0", "2.1", "2.2")
)
