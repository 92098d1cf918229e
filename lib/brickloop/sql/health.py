"""Checks that run side by side, each with a time limit, and what they found."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from brickloop.errors import BrickloopError


@dataclass(frozen=True)
class Check:
    """What was found of one part; true where it works."""

    name: str
    ok: bool
    seconds: float
    """How long the answer took, or how long it was waited for."""
    tried: str
    """What was asked."""
    detail: str
    """What came back, or the reason why nothing did."""
    hint: str | None = None

    def __bool__(self) -> bool:
        """Whether the part works."""
        return self.ok


@dataclass(frozen=True)
class Probe:
    """How one part is asked."""

    tried: str
    """In words, for people."""
    ask: Callable[[], str]
    """Gives what came back, as a phrase; raises BrickloopError where the part does not work."""


class HealthReport(Mapping[str, Check]):
    """The checks by name; true where all parts work."""

    def __init__(self, checks: tuple[Check, ...]) -> None:
        self.checks = checks

    @property
    def failed(self) -> tuple[Check, ...]:
        """The parts that do not work."""
        return tuple(check for check in self.checks if not check.ok)

    def __bool__(self) -> bool:
        """Whether all parts work."""
        return not self.failed

    def __getitem__(self, name: str) -> Check:
        """The check of a part."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """The names of the parts."""
        return (check.name for check in self.checks)

    def __len__(self) -> int:
        """How many parts were asked."""
        return len(self.checks)


def run_checks(probes: Mapping[str, Probe], seconds: float) -> HealthReport:
    """Ask all parts at once; one that does not answer within ``seconds`` has failed.

    What does not answer is left to itself in a thread that does not keep the process alive.
    """
    found: dict[str, Check] = {}

    def ask(name: str, probe: Probe) -> None:
        begun = time.monotonic()
        try:
            ok, detail, hint = True, probe.ask(), None
        except BrickloopError as error:
            ok, detail, hint = False, str(error), error.hint
        except Exception as error:  # noqa: BLE001  a check that fails must not hide the others
            ok, detail, hint = False, f"{type(error).__name__}: {error}", None
        found[name] = Check(name, ok, time.monotonic() - begun, probe.tried, detail, hint)

    threads = {
        name: threading.Thread(target=ask, args=(name, probe), daemon=True)
        for name, probe in probes.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads.values():
        thread.join(max(deadline - time.monotonic(), 0.0))
    return HealthReport(
        tuple(
            found[name]
            if name in found
            else Check(
                name,
                False,
                seconds,
                probe.tried,
                f"no answer within {seconds:.0f} s",
                "look at the network and the proxy; a warehouse that starts may need minutes",
            )
            for name, probe in probes.items()
        )
    )
