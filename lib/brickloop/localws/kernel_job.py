"""What the server hands to a kernel, and what a kernel hands back: plain values, sent as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class KernelJob:
    """One task run, ready to execute."""

    run_id: int
    """The task run's id; its folder is ``layout.runs / str(run_id)``."""
    root: str
    """Root of the store layout."""
    engine: str
    """Spark Connect address, ``sc://127.0.0.1:port``."""
    task: dict[str, Any]
    """The task as the Jobs API took it: ``notebook_task``, ``spark_python_task``, ..."""
    parameters: dict[str, str] = field(default_factory=dict)
    """Job parameters and the task's own, joined; widgets in a notebook."""
    libraries: tuple[str, ...] = ()
    """Workspace paths of wheels, in the order they were asked for."""
    requirements: tuple[str, ...] = ()
    """PyPI requirements that must be met by what is installed."""
    user: str = "local@brickloop.test"
    host: str = ""
    token: str = ""
    job_id: int = 0
    task_key: str = "main"
    parent_run_id: int = 0
    keeps: bool = False
    """Whether the process leaves snapshots of itself, from which later runs may go on."""
    task_values: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Task values of upstream tasks: task key, then key."""

    def to_json(self) -> dict[str, Any]:
        """The job as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> KernelJob:
        """The job that ``to_json`` wrote."""
        lists = {key: tuple(data[key]) for key in ("libraries", "requirements")}
        return cls(**{**data, **lists})


@dataclass(frozen=True)
class KernelOutcome:
    """How a kernel's work ended."""

    status: str
    """``success``, ``failed`` (the user's code raised), ``canceled``, ``timedout`` or ``died``."""
    exit_value: str | None = None
    error: str | None = None
    """One line: class and message."""
    error_trace: str | None = None
    logs: str = ""
    """What a Python file, wheel or SQL task printed (the last 5 MB)."""
    task_values: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
