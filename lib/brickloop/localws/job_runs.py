"""Runs of jobs as they are begun: by a caller of the API, by a task of another run, by a repair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from brickloop.localws.job_settings import job_parameters, with_run_parameters
from brickloop.localws.run_store import JOB_RUN, Ending, Job, Run, RunStore
from brickloop.localws.task_order import upstream_of
from brickloop.localws.wire import invalid
from brickloop.model.run import LifeCycle, ResultState

RUN_FIELDS = (
    "notebook_params",
    "python_params",
    "python_named_params",
    "sql_params",
    "job_parameters",
)
"""What a caller may give to one run of a job."""


def job_run_spec(
    job: Job, fields: Mapping[str, Any], only: list[str], queue: Mapping[str, Any]
) -> dict[str, Any]:
    """What a run of a job goes by; ``fields`` may hold RUN_FIELDS."""
    settings = job.settings
    given = {name: fields[name] for name in RUN_FIELDS if fields.get(name)}
    tasks = _selected(settings["tasks"], only)
    if not tasks:
        raise invalid(f"Job {job.job_id} has no tasks to run.")
    queue = queue or settings.get("queue") or {}
    return {
        "tasks": with_run_parameters(tasks, given),
        "environments": settings.get("environments") or [],
        "timeout_seconds": settings.get("timeout_seconds") or 0,
        "parameters": job_parameters(settings, given.get("job_parameters") or {}),
        "job_parameters": settings.get("parameters") or [],
        "overriding_parameters": {k: v for k, v in given.items() if k != "job_parameters"},
        "queue_limit": settings.get("max_concurrent_runs", 1) if queue.get("enabled") else 0,
    }


def begin_job_run(
    runs: RunStore, job: Job, spec: dict[str, Any], token: str | None, start: Callable[[int], None]
) -> int:
    """The id of a run of a job, begun where no other run stands in its way."""
    limit = job.settings.get("max_concurrent_runs", 1)
    return begin_run(
        runs,
        kind=JOB_RUN,
        name=str(job.settings["name"]),
        spec=spec,
        job_id=job.job_id,
        token=token,
        admit=lambda: bool(spec["queue_limit"]) or len(runs.active_runs(job.job_id)) < limit,
        start=start,
    )


def begin_run(
    runs: RunStore,
    *,
    kind: str,
    name: str,
    spec: dict[str, Any],
    job_id: int | None,
    token: str | None,
    admit: Callable[[], bool],
    start: Callable[[int], None],
) -> int:
    """The id of a new run, or of the token's; ``start`` is called with a new one that may run."""
    with runs.transaction():
        scope = f"job:{job_id}" if kind == JOB_RUN else "submit"
        known = runs.run_of_token(scope, token) if token else None
        if known is not None:
            return known
        admitted = admit()
        run_id = runs.create_run(kind=kind, name=name, spec=spec, job_id=job_id, token=token)
        if not admitted:
            _refuse_run(runs, run_id)
            return run_id
    start(run_id)
    return run_id


def latest_attempts(attempts: Iterable[Run]) -> dict[str, Run]:
    """The last attempt at each task, by its key."""
    return {attempt.task_key or "": attempt for attempt in attempts}


def tasks_to_repair(
    tasks: list[dict[str, Any]],
    latest: Mapping[str, Run],
    *,
    all_failed: bool,
    named: list[str],
    dependent: bool,
) -> list[str]:
    """The keys of the tasks that a repair runs once more, in the run's order.

    Refuses names that the run does not have, and a choice of nothing.
    """
    keys = [str(task["task_key"]) for task in tasks]
    if all_failed and named:
        raise invalid("Only one of rerun_all_failed_tasks and rerun_tasks can be given.")
    unknown = sorted(set(named) - set(keys))
    if unknown:
        raise invalid(f"The task '{unknown[0]}' does not exist in the run.")
    chosen = set(named)
    if all_failed:
        chosen = {key for key in keys if key in latest and not _went_well(latest[key])}
    if dependent:
        upstream = {str(task["task_key"]): set(upstream_of(task)) for task in tasks}
        while more := {key for key in keys if upstream[key] & chosen} - chosen:
            chosen |= more
    if not chosen:
        raise invalid("The run has no task to be repaired: name tasks with rerun_tasks.")
    return [key for key in keys if key in chosen]


def _went_well(run: Run) -> bool:
    if run.result is ResultState.EXCLUDED:
        return True
    return run.ending is not None and run.ending.succeeded


def _selected(tasks: list[dict[str, Any]], only: list[str]) -> list[dict[str, Any]]:
    """The tasks that a run-now chose; they do not wait for those that it left out."""
    if not only:
        return tasks
    unknown = sorted(set(only) - {task["task_key"] for task in tasks})
    if unknown:
        raise invalid(f"The task '{unknown[0]}' does not exist in the job.")
    chosen = []
    for task in tasks:
        if task["task_key"] in only:
            waits = [one for one in task.get("depends_on") or [] if one["task_key"] in only]
            chosen.append({**task, "depends_on": waits})
    return chosen


def _refuse_run(runs: RunStore, run_id: int) -> None:
    ending = Ending(
        LifeCycle.SKIPPED,
        ResultState.MAXIMUM_CONCURRENT_RUNS_REACHED,
        "Skipped: the maximum number of concurrent runs of this job has been reached.",
        "MAX_CONCURRENT_RUNS_EXCEEDED",
    )
    for attempt in runs.attempts(run_id):
        runs.end(attempt.run_id, ending)
    runs.end(run_id, ending)
