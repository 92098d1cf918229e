"""The one writer of stderr: notes, warnings, errors and hints."""

from __future__ import annotations

import os
import sys

from brickloop.display.screen import SCREEN
from brickloop.errors import BrickloopError
from brickloop.model.text import harmless


def note(text: str) -> None:
    """Say something that is worth a line."""
    _write(harmless(text))


def warn(text: str, hint: str | None = None) -> None:
    """Say that something is not as it should be, and that the work goes on."""
    _write(f"{_coloured('warning:', '33')} {harmless(text)}")
    if hint:
        _write(f"  {harmless(hint)}")


def report_error(error: BrickloopError) -> None:
    """Say what was wrong, where, and what to do."""
    say_error(str(error), error.hint)


def say_error(text: str, hint: str | None = None) -> None:
    """Say that the work cannot go on."""
    _write(f"{_coloured('error:', '31')} {harmless(text)}")
    if hint:
        _write(f"  {harmless(hint)}")


def _coloured(text: str, code: str) -> str:
    dumb = os.environ.get("TERM") == "dumb"
    forced = os.environ.get("FORCE_COLOR", "") not in {"", "0"}
    if os.environ.get("NO_COLOR") or dumb or not (forced or sys.stderr.isatty()):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def _write(text: str) -> None:
    SCREEN.write_note(text + "\n")
