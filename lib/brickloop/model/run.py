"""What a job run is and what came out of its cells: plain values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class LifeCycle(str, Enum):
    """Where a run is in its life, by the names of the Jobs API."""

    BLOCKED = "BLOCKED"
    PENDING = "PENDING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    SKIPPED = "SKIPPED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    WAITING_FOR_RETRY = "WAITING_FOR_RETRY"

    @property
    def is_final(self) -> bool:
        """Whether a run in this state will not change any more."""
        return self in {LifeCycle.TERMINATED, LifeCycle.SKIPPED, LifeCycle.INTERNAL_ERROR}

    @property
    def is_waiting(self) -> bool:
        """Whether the run has not begun, or waits to begin again."""
        return self in {
            LifeCycle.BLOCKED,
            LifeCycle.PENDING,
            LifeCycle.QUEUED,
            LifeCycle.WAITING_FOR_RETRY,
        }


class ResultState(str, Enum):
    """How a run ended, by the names of the Jobs API."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    TIMEDOUT = "TIMEDOUT"
    CANCELED = "CANCELED"
    MAXIMUM_CONCURRENT_RUNS_REACHED = "MAXIMUM_CONCURRENT_RUNS_REACHED"
    UPSTREAM_CANCELED = "UPSTREAM_CANCELED"
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    EXCLUDED = "EXCLUDED"
    SUCCESS_WITH_FAILURES = "SUCCESS_WITH_FAILURES"
    DISABLED = "DISABLED"


@dataclass(frozen=True)
class TaskStatus:
    """One task of a run, as its last attempt stands."""

    key: str
    run_id: int
    """The run of this attempt: what get-output and export ask for."""
    kind: str
    """``notebook``, ``python``, ``wheel``, ``sql``, or the API's own name of another kind."""
    source: str
    """The notebook, file or package that is run."""
    attempt: int
    """0 for the first attempt."""
    life_cycle: LifeCycle
    result: ResultState | None
    message: str = ""
    page_url: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the task ended, and ended well."""
        return self.result in _GOOD


@dataclass(frozen=True)
class RunStatus:
    """One look at a run; equal statuses are not worth a second line on the screen."""

    run_id: int
    task_run_id: int
    """The run of its last task: what get-output and export ask for."""
    life_cycle: LifeCycle
    result: ResultState | None
    message: str
    page_url: str
    started_ms: int
    ended_ms: int
    """0 while the run goes on."""
    busy_ms: int = 0
    """Of a task: how long its own work took, without waiting for others or for compute; or 0."""
    name: str = ""
    creator: str = ""
    """The user who started it."""
    tasks: tuple[TaskStatus, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether the run ended, and ended well."""
        return self.result in _GOOD

    @property
    def state(self) -> str:
        """The one word for where the run stands: its result, else its place in life."""
        return self.result.value if self.result else self.life_cycle.value

    @property
    def attempt(self) -> int:
        """How often a task of the run was tried again."""
        return max((task.attempt for task in self.tasks), default=0)

    @property
    def seconds(self) -> float:
        """How long the run took, 0 while it goes on."""
        return max(self.ended_ms - self.started_ms, 0) / 1000 if self.ended_ms else 0.0


_GOOD = {ResultState.SUCCESS, ResultState.SUCCESS_WITH_FAILURES}
_TIMED_OUT_CODE = 4
_REASONS = {
    ResultState.FAILED: "it failed",
    ResultState.TIMEDOUT: "it reached its time limit",
    ResultState.CANCELED: "it was cancelled",
    ResultState.MAXIMUM_CONCURRENT_RUNS_REACHED: "the job runs as often at once as it may",
    ResultState.UPSTREAM_CANCELED: "a task before it was cancelled",
    ResultState.UPSTREAM_FAILED: "a task before it failed",
    ResultState.EXCLUDED: "the condition for running it was not met",
    ResultState.DISABLED: "the task is switched off",
}


def exit_code_of(status: RunStatus) -> int:
    """The exit code that says how a run ended: 0, 1, or 4 for a time limit."""
    if status.succeeded:
        return 0
    return _TIMED_OUT_CODE if status.result is ResultState.TIMEDOUT else 1


def reason_of(status: RunStatus) -> str:
    """Why a run did not succeed, in a few words; what the workspace says of it comes first."""
    if status.result is None:
        known = "it was skipped" if status.life_cycle is LifeCycle.SKIPPED else "it gave no result"
    else:
        known = _REASONS.get(status.result, "")
    return status.message.strip() or known


@dataclass(frozen=True)
class TextOutput:
    """What a cell printed."""

    text: str
    stream: str = "stdout"


@dataclass(frozen=True)
class TableOutput:
    """A table that a cell displayed."""

    columns: tuple[tuple[str, str], ...]
    """Name and Spark type of each column."""
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False
    """Whether the cell had more rows than these."""


@dataclass(frozen=True)
class HtmlOutput:
    """HTML that a cell displayed; untrusted."""

    html: str


@dataclass(frozen=True)
class ImageOutput:
    """A figure that a cell displayed."""

    mime: str
    data: bytes


@dataclass(frozen=True)
class ErrorOutput:
    """The error that ended a cell."""

    name: str
    """The class of the error, such as ``ZeroDivisionError``."""
    message: str
    trace: str
    """Plain text; terminal colours are off."""


CellOutput = TextOutput | TableOutput | HtmlOutput | ImageOutput | ErrorOutput


@dataclass(frozen=True)
class CellResult:
    """One cell of a run's notebook with what came out of it."""

    index: int
    command: str
    """The cell as the editor shows it, magic word included."""
    title: str | None
    state: str
    """``finished``, ``error``, ``skipped`` (never reached) or ``running``."""
    outputs: tuple[CellOutput, ...] = ()
    started_ms: int = 0
    ended_ms: int = 0
    kept: bool = False
    """Whether it was not run again: it is as an earlier run left it."""

    @property
    def error(self) -> ErrorOutput | None:
        """The error that ended this cell, if one did."""
        return next((out for out in self.outputs if isinstance(out, ErrorOutput)), None)

    @property
    def first_line(self) -> str:
        """The cell's title, or its first line that says something."""
        if self.title:
            return self.title
        return next((line for line in self.command.split("\n") if line.strip()), "")


@dataclass(frozen=True)
class RunResult:
    """All that is known of a run that ended."""

    status: RunStatus
    exit_value: str | None = None
    """What the notebook gave to ``dbutils.notebook.exit``."""
    error: str | None = None
    error_trace: str | None = None
    cells: tuple[CellResult, ...] = ()
    cells_missing: str | None = None
    """Why there are no cells, where there are none."""
    document: Any = field(default=None)
    """The NotebookOutput document (``model.document.Document``), where the run wrote one."""
    logs: str | None = None
    """What a Python file, wheel or SQL file printed (the last 5 MB)."""
    logs_truncated: bool = False
    exit_value_truncated: bool = False
    tasks: tuple[TaskResult, ...] = ()
    """What each task gave, where the run had several."""


@dataclass(frozen=True)
class TaskResult:
    """What one task of a run with several gave."""

    status: TaskStatus
    exit_value: str | None = None
    error: str | None = None
    error_trace: str | None = None
    logs: str | None = None
    cells: tuple[CellResult, ...] = ()
    cells_missing: str | None = None
