"""What a person sees on a terminal, as a picture: commands in a copy of the example project."""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from docs.make.pages import ROOT

WIDTH = 100
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_LINK_TOKEN = re.compile(r"\?t=\w+")
_REMOTE_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One command of a session and how much of its output is shown."""

    command: str
    head: int = 0
    tail: int = 0


@contextmanager
def example_project() -> Iterator[Path]:
    """A copy of the example project, whose local workspace is stopped at the end."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "projects", copy / "projects", ignore=ignored)
        for name in ("dodo.py", "tasks.py", "pyproject.toml"):
            shutil.copy(ROOT / name, copy / name)
        try:
            yield copy
        finally:
            run(copy, "invoke local.stop")


def picture(folder: Path, steps: Sequence[Step]) -> str:
    """The steps run one after the other, as an SVG that asks no other host for anything."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for step in steps:
        console.print(Text.assemble(("$ ", "bold green"), (step.command, "bold")))
        for line in shorten(run(folder, step.command), step):
            text = Text.from_ansi(line)
            text.truncate(WIDTH, overflow="ellipsis")
            console.print(text)
        console.print()
    return _REMOTE_FONTS.sub("", console.export_svg(title="brickloop"))


def run(folder: Path, command: str) -> list[str]:
    """The lines that a command shows on a terminal, colours kept; stops when it fails."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        shell=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment(),
    )
    os.close(theirs)
    shown = b""
    while block := read(ours):
        shown += block
    os.close(ours)
    if process.wait():
        sys.exit(f"{command} ended with {process.returncode}:\n{shown.decode()}")
    text = _LINK_TOKEN.sub("", _CONTROL.sub("", shown.decode().replace("\r\n", "\n")))
    # what a spinner wrote over is not there any more
    return [line.rsplit("\r", 1)[-1] for line in text.rstrip().split("\n") if line]


def read(handle: int) -> bytes:
    """The next bytes of a pseudo-terminal, none at its end."""
    try:
        return os.read(handle, 65536)
    except OSError:
        # Linux reports the end of a pseudo-terminal as an error
        return b""


def environment() -> dict[str, str]:
    """The environment of a person who has set nothing up yet."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DATABRICKS_", "BRICKLOOP_")) and name != "NO_COLOR"
    }
    programs = Path(sys.executable).parent
    return {
        **kept,
        "PATH": f"{programs}{os.pathsep}{kept.get('PATH', '')}",
        "DATABRICKS_CONFIG_FILE": os.devnull,
        "TERM": "xterm-256color",
        "COLUMNS": str(WIDTH),
        "LINES": "50",
    }


def shorten(lines: list[str], step: Step) -> list[str]:
    """The first and last lines, and how many are left out between them."""
    if len(lines) <= step.head + step.tail + 1:
        return lines
    left_out = f"\x1b[2m... {len(lines) - step.head - step.tail} lines ...\x1b[0m"
    return [*lines[: step.head], left_out, *lines[len(lines) - step.tail :]]
