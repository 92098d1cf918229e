"""What came of a run, as callers of JobRunner get it: a frozen value that is also a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from brickloop.model.run import CellResult, RunResult, exit_code_of, reason_of


@dataclass(frozen=True)
class JobResult(Mapping[str, Any]):
    """The result of a run; ``result["success"]``, ``result.get("success")``, ``result.success``."""

    success: bool
    """Whether the run has ended, and ended well."""
    run_id: int
    run_url: str
    """The run's page."""
    state: str
    """The result, such as ``SUCCESS`` or ``TIMEDOUT``; while it goes on its place in life."""
    message: str
    """Why it did not succeed, empty where it did."""
    duration: float
    """Seconds from start to end, 0 while it goes on."""
    exit_code: int
    """What a command should end with: 0, 1, or 4 for a time limit."""
    notebook_path: str
    """The notebook, file or package that was run."""
    output_path: str | None = None
    """Where the notebook was to write its text."""
    output: str | None = None
    """The text that is there, where this run wrote it."""
    document: Any = None
    """The NotebookOutput document (``brickloop.model.document.Document``), None without one."""
    exit_value: str | None = None
    error: str | None = None
    error_trace: str | None = None
    cells: tuple[CellResult, ...] = ()
    cells_missing: str | None = None
    """Why there are no cells, where there are none."""
    logs: str | None = None
    """What a Python file, wheel or SQL file printed."""
    tasks: tuple[Any, ...] = ()
    saved: tuple[str, ...] = ()
    """The files that the output was saved in."""
    run: RunResult | None = field(default=None, repr=False)
    """All that is known of the run."""

    def __getitem__(self, name: str) -> Any:
        if name not in _NAMES:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


_NAMES = tuple(each.name for each in fields(JobResult))


def job_result(
    result: RunResult,
    notebook_path: str,
    *,
    output_path: str | None = None,
    output: str | None = None,
    saved: tuple[str, ...] = (),
) -> JobResult:
    """The result of a run in the shape that callers get."""
    status = result.status
    ended = status.life_cycle.is_final
    return JobResult(
        success=status.succeeded,
        run_id=status.run_id,
        run_url=status.page_url,
        state=status.state,
        message="" if status.succeeded or not ended else reason_of(status),
        duration=status.seconds,
        exit_code=exit_code_of(status) if ended else 0,
        notebook_path=notebook_path,
        output_path=output_path,
        output=output,
        document=result.document,
        exit_value=result.exit_value,
        error=result.error,
        error_trace=result.error_trace,
        cells=result.cells,
        cells_missing=result.cells_missing,
        logs=result.logs,
        tasks=result.tasks,
        saved=saved,
        run=result,
    )
