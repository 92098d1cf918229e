"""Where runs stand: one look at a run with all its tasks, and the runs there were lately."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from brickloop.clients.workspace import translate
from brickloop.errors import OutputUnavailable, WorkFailed
from brickloop.jobs.submit import RUN_ID
from brickloop.model.run import LifeCycle, ResultState, RunStatus, TaskStatus

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_KINDS = {
    "notebook_task": ("notebook", "notebook_path"),
    "spark_python_task": ("python", "python_file"),
    "python_wheel_task": ("wheel", "package_name"),
    "sql_task": ("sql", ""),
}
_PAGE = 25


def run_status(client: WorkspaceClient, host: str, run_id: int) -> RunStatus:
    """One look at a run; one request covers all its tasks (100 of them).

    Raises OutputUnavailable for a run that is not there or may not be seen.
    """
    return status_of(_get(client, host, run_id))


def look_at_tasks(
    client: WorkspaceClient, host: str, run_id: int
) -> tuple[RunStatus, dict[str, RunStatus]]:
    """One look at a run, and each of its tasks by its key as if it were a run of its own.

    A request for each 100 tasks. A task of a run that has ended has ended too.
    """
    run = _get(client, host, run_id)
    whole = status_of(run)
    times = {int(task.run_id or 0): task for task in run.tasks or []}
    found: dict[str, RunStatus] = {}
    for task in whole.tasks:
        raw = times[task.run_id]
        if whole.life_cycle.is_final and not task.life_cycle.is_final:
            result = whole.result if not whole.succeeded else ResultState.CANCELED
            task = replace(task, life_cycle=whole.life_cycle, result=result, message=whole.message)
        found[task.key] = RunStatus(
            run_id=task.run_id,
            task_run_id=task.run_id,
            life_cycle=task.life_cycle,
            result=task.result,
            message=task.message,
            page_url=task.page_url,
            started_ms=int(raw.start_time or 0),
            ended_ms=int(raw.end_time or 0),
            busy_ms=_busy_ms(raw),
            name=whole.name,
            creator=whole.creator,
            tasks=(task,),
        )
    return whole, found


def look_up(
    client: WorkspaceClient, host: str, run_id: int, key: str
) -> tuple[RunStatus, dict[str, str]]:
    """As ``run_status``, with the output folder that each task was given, by the task's key.

    ``key`` is the parameter that names it: of the run's own, or else of the task's.
    """
    run = _get(client, host, run_id)
    return status_of(run), _output_folders(run, key)


def _get(client: WorkspaceClient, host: str, run_id: int) -> Any:
    from databricks.sdk import errors as sdk

    with translate(host):
        try:
            return client.jobs.get_run(run_id)
        except (sdk.NotFound, sdk.InvalidParameterValue):
            raise OutputUnavailable(
                f"there is no run {run_id}",
                where=host,
                hint="invoke runs shows the latest; a workspace forgets a run after 60 days",
            ) from None
        except sdk.PermissionDenied as error:
            text = str(error).split(". Config:", 1)[0].split(" Config: ", 1)[0]
            if "token" in text.lower():
                raise
            raise OutputUnavailable(
                f"run {run_id} may not be seen: {text}",
                where=host,
                hint="it belongs to somebody else: ask its owner for 'Can view' on the job",
            ) from None


def recent_runs(
    client: WorkspaceClient,
    host: str,
    limit: int,
    *,
    active_only: bool = False,
    job_id: int | None = None,
) -> list[RunStatus]:
    """The runs that the workspace lets us see, newest first, at most ``limit``."""
    with translate(host):
        runs: Iterator[Any] = client.jobs.list_runs(
            limit=min(limit, _PAGE), active_only=active_only or None, job_id=job_id
        )
        return [status_of(run) for run in islice(runs, limit)]


def status_of(run: Any) -> RunStatus:
    """The status in a Run or BaseRun of the SDK."""
    life, result, message = _state(run.state, ended=bool(run.end_time))
    tasks = _latest(run.tasks or [])
    return RunStatus(
        run_id=int(run.run_id or 0),
        task_run_id=tasks[-1].run_id if tasks else int(run.run_id or 0),
        life_cycle=life,
        result=result,
        message=message,
        page_url=run.run_page_url or "",
        started_ms=int(run.start_time or 0),
        ended_ms=int(run.end_time or 0),
        name=run.run_name or "",
        creator=run.creator_user_name or "",
        tasks=tuple(tasks),
    )


def is_gone(error: Exception) -> bool:
    """Whether a refusal says that the run of an idempotency token was deleted."""
    return isinstance(error, WorkFailed) and "deleted" in str(error).lower()


def _output_folders(run: Any, key: str) -> dict[str, str]:
    given = run.overriding_parameters
    own = ((given.notebook_params or {}) if given else {}).get(key)
    found: dict[str, str] = {}
    for task in run.tasks or []:
        parameters = (task.notebook_task.base_parameters or {}) if task.notebook_task else {}
        folder = own or parameters.get(key)
        if folder and task.notebook_task:
            whole = str(run.job_run_id or run.run_id)
            found[str(task.task_key)] = folder.replace(RUN_ID, whole)
    return found


def _latest(tasks: Iterable[Any]) -> list[TaskStatus]:
    """Each task once: where it was tried again, as its last attempt stands."""
    found: dict[str, TaskStatus] = {}
    for task in sorted(tasks, key=lambda one: int(one.attempt_number or 0)):
        kind, source = _kind(task)
        life, result, message = _state(task.state, ended=bool(task.end_time))
        key = str(task.task_key or "")
        found[key] = TaskStatus(
            key=key,
            run_id=int(task.run_id or 0),
            kind=kind,
            source=source,
            attempt=int(task.attempt_number or 0),
            life_cycle=life,
            result=result,
            message=message,
            page_url=task.run_page_url or "",
        )
    order = {str(task.task_key or ""): place for place, task in reversed(list(enumerate(tasks)))}
    return sorted(found.values(), key=lambda task: order[task.key])


def _busy_ms(task: Any) -> int:
    # setting up is left out: it waits for compute, or for the tasks before
    return int(task.execution_duration or 0) + int(task.cleanup_duration or 0)


def _kind(task: Any) -> tuple[str, str]:
    for name, (kind, source) in _KINDS.items():
        work = getattr(task, name, None)
        if work is not None:
            if kind == "sql":
                return kind, str(work.file.path if work.file else "")
            return kind, str(getattr(work, source) or "")
    given = (name for name in vars(task) if name.endswith("_task") and getattr(task, name))
    return next(given, "unknown").removesuffix("_task"), ""


def _state(state: Any, *, ended: bool) -> tuple[LifeCycle, ResultState | None, str]:
    """Life cycle, result and message; what has no name that we know goes on until it has an end."""
    life = state.life_cycle_state.value if state and state.life_cycle_state else ""
    result = state.result_state.value if state and state.result_state else None
    unnamed = LifeCycle.TERMINATED if ended else LifeCycle.PENDING
    return (
        LifeCycle(life) if life in LifeCycle.__members__ else unnamed,
        ResultState(result) if result in ResultState.__members__ else None,
        (state.state_message if state else None) or "",
    )
