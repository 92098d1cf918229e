"""The one writer of stdout: data and what runs put out. Everything else goes to diagnostics."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def write(text: str = "") -> None:
    """Write a line as it is."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def is_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def rich_console() -> Console:
    """A console for tables and panels on a terminal; honours NO_COLOR and the width."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, soft_wrap=False)
