"""All that is known of a run that has ended: of each task the cells, the output and the error."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from brickloop.clients.workspace import translate
from brickloop.errors import OutputUnavailable, WorkFailed
from brickloop.jobs.cells import export_cells
from brickloop.jobs.patience import patiently
from brickloop.model.document import Document
from brickloop.model.run import (
    CellResult,
    ResultState,
    RunResult,
    RunStatus,
    TaskResult,
    TaskStatus,
    TextOutput,
)
from brickloop.model.text import harmless

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_AT_ONCE = 8
_BAD = {ResultState.FAILED, ResultState.TIMEDOUT}
_NEVER_RAN = {
    ResultState.EXCLUDED,
    ResultState.UPSTREAM_FAILED,
    ResultState.UPSTREAM_CANCELED,
    ResultState.DISABLED,
    ResultState.MAXIMUM_CONCURRENT_RUNS_REACHED,
}


def gather(
    client: WorkspaceClient, host: str, status: RunStatus, document: Document | None = None
) -> RunResult:
    """The result of a run: of its one task, or of the task that says most about how it ended.

    Where the run has several tasks each one's own result is in ``tasks``, and ``cells`` has those
    of all, each under its task's key. The log of a program counts as its one cell. What the
    workspace does not give is said in ``cells_missing``; only a failing connection raises.
    """
    tasks = status.tasks or (_alone(status),)
    with ThreadPoolExecutor(min(_AT_ONCE, len(tasks))) as pool:
        found = list(pool.map(lambda task: _task_result(client, host, task), tasks))
    task, cut = next((one for one in found if one[0].status.result in _BAD), found[-1])
    several = [one for one, _ in found] if len(found) > 1 else []
    missing = [f"{one.status.key}: {one.cells_missing}" for one in several if one.cells_missing]
    return RunResult(
        status=status,
        exit_value=task.exit_value,
        exit_value_truncated=cut.exit_value,
        error=task.error or (None if status.succeeded else status.message or None),
        error_trace=task.error_trace,
        cells=_all_cells(several) if several else task.cells,
        cells_missing="; ".join(missing) or None if several else task.cells_missing,
        document=document,
        logs=task.logs,
        logs_truncated=cut.logs,
        tasks=tuple(several),
    )


def _all_cells(tasks: list[TaskResult]) -> tuple[CellResult, ...]:
    """The cells of all tasks in one row, each named after its task."""
    named = [
        replace(cell, title=f"{task.status.key}: {cell.first_line}")
        for task in tasks
        for cell in task.cells
    ]
    return tuple(replace(cell, index=index) for index, cell in enumerate(named))


class _Cut:
    """Which texts of a task were longer than the workspace gives."""

    def __init__(self, *, exit_value: bool = False, logs: bool = False) -> None:
        self.exit_value = exit_value
        self.logs = logs


def _task_result(client: WorkspaceClient, host: str, task: TaskStatus) -> tuple[TaskResult, _Cut]:
    if task.result in _NEVER_RAN:
        return TaskResult(task, cells_missing=None), _Cut()
    cells: tuple[CellResult, ...] = ()
    missing = None
    if task.kind == "notebook":
        try:
            cells = export_cells(client, task.run_id)
        except OutputUnavailable as error:
            missing = str(error)
    try:
        with translate(host):
            output = patiently(lambda: client.jobs.get_run_output(task.run_id))
    except WorkFailed as error:
        # a task of a kind without output, or one that may not be seen
        why = missing or f"the workspace gives no output: {error}"
        return TaskResult(task, cells=cells, cells_missing=None if cells else why), _Cut()
    notebook, sql = output.notebook_output, output.sql_output
    if output.logs and not cells:
        state = "finished" if task.succeeded else "error"
        printed = TextOutput(harmless(output.logs))
        cells = (CellResult(0, task.source or task.key, "log", state, (printed,)),)
    if sql is not None and not output.logs:
        page = sql.query_output.output_link if sql.query_output else None
        missing = f"the results of a SQL file are on its page: {page or task.page_url}"
    result = TaskResult(
        status=task,
        exit_value=notebook.result if notebook else None,
        error=output.error,
        error_trace=output.error_trace,
        logs=output.logs or None,
        cells=cells,
        cells_missing=missing,
    )
    cut = _Cut(exit_value=bool(notebook and notebook.truncated), logs=bool(output.logs_truncated))
    return result, cut


def _alone(status: RunStatus) -> TaskStatus:
    """The one task of a run whose shape has no tasks."""
    return TaskStatus(
        key="main",
        run_id=status.task_run_id,
        kind="notebook",
        source="",
        attempt=0,
        life_cycle=status.life_cycle,
        result=status.result,
        message=status.message,
        page_url=status.page_url,
    )
