"""The one writer of stdout: data and what runs put out. Everything else goes to diagnostics."""

from __future__ import annotations

import io
import os
import shutil
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from brickloop.display.screen import SCREEN

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_NARROWEST = 20


def write(text: str = "") -> None:
    """Write a line as it is."""
    SCREEN.write(text + "\n")


def block() -> AbstractContextManager[None]:
    """Keep together what is written meanwhile: nothing of another notebook comes between."""
    return SCREEN.block()


def is_terminal() -> bool:
    """Whether a person reads stdout; FORCE_COLOR says so where it is a pipe."""
    if os.environ.get("TERM") == "dumb":
        return False
    forced = os.environ.get("FORCE_COLOR", "")
    return sys.stdout.isatty() or forced not in {"", "0"}


def has_colour() -> bool:
    """Whether stdout takes colours: a terminal, and NO_COLOR is not set."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def width() -> int:
    """Columns of the terminal: COLUMNS, else its own size, else 80."""
    return max(shutil.get_terminal_size((80, 24)).columns, _NARROWEST)


def rich_console() -> Console:
    """A console for tables and panels on a terminal, which writes into the open block."""
    from rich.console import Console

    return Console(
        file=_Stdout(),
        force_terminal=is_terminal(),
        no_color=not has_colour(),
        color_system="auto" if has_colour() else None,
        width=width(),
        highlight=False,
        legacy_windows=False,
    )


def show(*renderables: RenderableType) -> None:
    """Write what rich renders."""
    console = rich_console()
    for each in renderables:
        console.print(each)


class _Stdout(io.StringIO):
    """What rich writes to; it goes the way of every other line."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return sys.stdout.encoding or "ascii"

    def write(self, text: str) -> int:
        SCREEN.write(text)
        return len(text)
