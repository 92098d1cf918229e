"""How quickly commands that ask nobody answer: the list, completion, info, doctor.

Each is a process as a person or a shell starts it, in a project of a hundred notebooks, beside
starting Python and importing invoke. No workspace is asked.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure, write_table
from benchmarks.noop import make_project
from benchmarks.processes import Finished, clean_environment, run_process

_NOTEBOOKS = 100
_TASKS = "from brickloop.tasks import namespace\n\nns = namespace()\n"
_FLOOR = "start, import invoke"
_COMPLETE = {"_BRICKLOOP_COMPLETE": "fish"}


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks commands", description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args(argv)
    if options.repeats < 1:
        parser.error("numbers must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="brickloop-commands-") as folder:
        root = Path(folder)
        make_project(root, _NOTEBOOKS)
        (root / "tasks.py").write_text(_TASKS)
        print(write_table("commands that ask nobody", measure(root, options.repeats)))
    return 0


def measure(root: Path, repeats: int) -> list[Figure]:
    """The times of each command and of its floor or peer, taken in turns.

    Raises RuntimeError where a command does not say what it should.
    """
    invoke, brickloop = _program("invoke"), _program("brickloop")
    floor = _one([sys.executable, "-c", "import invoke"], root, "")
    cases: list[tuple[str, Callable[[], Finished], str, Callable[[], Finished]]] = [
        ("invoke --list", _one([invoke, "--list"], root, "sync.push"), _FLOOR, floor),
        (
            "complete a command",
            _one([brickloop, "invoke", "sync.pu"], root, "sync.push", **_COMPLETE),
            "invoke's own --complete",
            _one([invoke, "--complete", "--", "invoke", "sync.pu"], root, "sync.push"),
        ),
        (
            f"complete one of {_NOTEBOOKS} notebooks",
            _one([brickloop, "invoke", "why", ""], root, "n00042", **_COMPLETE),
            _FLOOR,
            floor,
        ),
        (
            "complete a task of doit",
            _one([brickloop, "doit", "run:"], root, "n00042", **_COMPLETE),
            "doit list --all",
            _one([_program("doit"), "list", "--all"], root, "n00042"),
        ),
        ("invoke version", _one([invoke, "version"], root, "pysail"), _FLOOR, floor),
        (
            "invoke info --json",
            _one([invoke, "info", "--json"], root, "n00042"),
            "invoke plan",
            _one([invoke, "plan"], root, "never run here"),
        ),
        (
            "invoke doctor --offline",
            _one([invoke, "doctor", "--offline"], root, "findings"),
            _FLOOR,
            floor,
        ),
    ]
    figures = []
    for what, ours, beside, theirs in cases:
        ours(), theirs()
        pairs = [(ours(), theirs()) for _ in range(repeats)]
        figures.append(
            Figure(
                what,
                [one.seconds for one, _ in pairs],
                beside,
                [other.seconds for _, other in pairs],
                peak_bytes=max(one.peak_bytes for one, _ in pairs),
            )
        )
    return figures


def _one(command: list[str], root: Path, said: str, **environment: str) -> Callable[[], Finished]:
    def run() -> Finished:
        done = run_process(command, root, clean_environment(**environment))
        if said not in done.text:
            raise RuntimeError(f"{' '.join(command)} does not say '{said}':\n{done.text[:2000]}")
        return done

    return run


def _program(name: str) -> str:
    """A program of this environment."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise RuntimeError(f"there is no {name} beside {sys.executable}")
    return found
