"""What came of one use of doit: notebook by notebook, with times, and the way that took longest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class State(str, Enum):
    """What became of a notebook."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It was to run, and something that it needs failed."""
    NOT_REACHED = "not reached"
    """It was to run, and the work stopped before."""
    UP_TO_DATE = "up to date"


@dataclass(frozen=True)
class NotebookOutcome:
    """What became of one notebook."""

    name: str
    state: State
    seconds: float = 0.0
    """From asking for the run to its end; as a job's task, how long it was at work."""
    message: str = ""
    """Why it failed, or what it needs that failed."""
    file: str = ""
    """The notebook's file, below the project's folder."""
    line: int = 0
    """Where in the file it failed; 0 where that is not known."""


@dataclass(frozen=True)
class Summary:
    """All of it."""

    outcomes: tuple[NotebookOutcome, ...]
    seconds: float
    critical_path: tuple[str, ...] = ()
    """The chain of runs, each needed by the next, that took longest together."""
    left_out: int = 0
    """How many notebooks more were up to date and not even looked at."""

    def count(self, state: State) -> int:
        """How many notebooks are in a state."""
        found = sum(outcome.state is state for outcome in self.outcomes)
        return found + (self.left_out if state is State.UP_TO_DATE else 0)

    @property
    def worked(self) -> tuple[NotebookOutcome, ...]:
        """The notebooks that were run, or should have been."""
        return tuple(one for one in self.outcomes if one.state is not State.UP_TO_DATE)

    @property
    def path_seconds(self) -> float:
        """How long the runs of the critical path took together."""
        times = {one.name: one.seconds for one in self.outcomes}
        return sum(times[name] for name in self.critical_path)

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON types."""
        return {
            "version": 1,
            "seconds": round(self.seconds, 3),
            "counts": {state.value: self.count(state) for state in State},
            "critical_path": list(self.critical_path),
            "notebooks": [
                {
                    "name": one.name,
                    "state": one.state.value,
                    "seconds": round(one.seconds, 3),
                    "message": one.message or None,
                    "file": one.file or None,
                    "line": one.line or None,
                }
                for one in self.outcomes
            ],
        }


def critical_path(
    seconds: Mapping[str, float], upstream: Mapping[str, Iterable[str]]
) -> tuple[str, ...]:
    """The chain of runs that took longest together, first to last; ``upstream`` in its order."""
    longest: dict[str, tuple[float, str | None]] = {}
    for name, before in upstream.items():
        if name not in seconds:
            continue
        total, slowest = 0.0, None
        for other in before:
            if other in longest and longest[other][0] > total:
                total, slowest = longest[other][0], other
        longest[name] = (total + seconds[name], slowest)
    if not longest:
        return ()
    found: list[str] = []
    following: str | None = max(longest, key=lambda one: longest[one][0])
    while following is not None:
        found.append(following)
        following = longest[following][1]
    return tuple(reversed(found))
