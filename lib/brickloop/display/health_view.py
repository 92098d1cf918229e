"""What the terminal shows of checks: a line for each part, below it what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Protocol

from brickloop.display import console
from brickloop.model.text import one_line


class Checked(Protocol):
    """What of a check is shown."""

    @property
    def name(self) -> str:
        """The part."""

    @property
    def ok(self) -> bool:
        """Whether it works."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def tried(self) -> str:
        """What was asked."""

    @property
    def detail(self) -> str:
        """What came back."""

    @property
    def hint(self) -> str | None:
        """What to do."""


def show_report(checks: Sequence[Checked], *, at_time: bool = False) -> None:
    """Show checks for people, with ``at_time`` below the time of day."""
    with console.block():
        if at_time:
            console.write(time.strftime("%H:%M:%S"))
        for check in checks:
            word = _coloured("ok    ", "32") if check.ok else _coloured("failed", "31")
            took = f"{check.seconds * 1000:,.0f} ms"
            console.write(f"{check.name:<10} {word} {took:>9}  {one_line(check.detail)}")
            if not check.ok:
                console.write(f"{'':<29}tried: {one_line(check.tried)}")
                if check.hint:
                    console.write(f"{'':<29}{one_line(check.hint)}")


def show_report_json(checks: Sequence[Checked], *, indent: int | None) -> None:
    """Show checks as one JSON document; without ``indent`` on one line."""
    facts = {
        "ok": all(check.ok for check in checks),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "checks": {
            check.name: {
                "ok": check.ok,
                "seconds": round(check.seconds, 4),
                "tried": check.tried,
                "detail": check.detail,
                "hint": check.hint,
            }
            for check in checks
        },
    }
    console.write(json.dumps(facts, indent=indent))


def _coloured(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if console.has_colour() else text
