"""Makes docs/session.svg: a real session with `doit` on a copy of the example project.

python docs/record_session.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ("doit", "doit")
SHOWN_LINES = 46
WIDTH = 100


def main() -> None:
    """Run the commands and write the picture."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(ROOT / "projects", copy / "projects")
        for name in ("dodo.py", "tasks.py"):
            shutil.copy(ROOT / name, copy / name)
        try:
            for command in COMMANDS:
                console.print(Text(f"$ {command}", style="bold green"))
                for line in shortened(run(copy, command)):
                    console.print(Text(line[:WIDTH]))
                console.print()
        finally:
            run(copy, "invoke local.stop")
    console.save_svg(str(ROOT / "docs" / "session.svg"), title="brickloop")


def run(folder: Path, command: str) -> list[str]:
    """The lines that a command prints."""
    program, *words = command.split()
    path = Path(sys.executable).parent / program
    result = subprocess.run(
        [str(path), *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.stdout.rstrip().splitlines()


def shortened(lines: list[str]) -> list[str]:
    """The lines, the middle of a long output left out and counted."""
    if len(lines) <= SHOWN_LINES:
        return lines
    head, tail = SHOWN_LINES - 8, 7
    left_out = len(lines) - head - tail
    return [*lines[:head], f"... {left_out} lines more ...", *lines[-tail:]]


if __name__ == "__main__":
    main()
