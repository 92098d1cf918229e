"""What went wrong in tasks of this process: doit has one exit code for all of it, we have four."""

from __future__ import annotations

_shown: dict[str, int] = {}


def record(task: str, code: int) -> None:
    """Remember that a task's failure was shown, and the exit code that it asks for."""
    _shown[task] = code


def was_shown(task: str) -> bool:
    """Whether the failure of a task was shown where it happened."""
    return task in _shown


def exit_code() -> int:
    """The highest exit code that a failure asked for, 0 where there was none."""
    return max(_shown.values(), default=0)
