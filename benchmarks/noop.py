"""`doit` with nothing changed, beside its floor: start Python, import doit, look at the files.

The projects are made up: groups of ten notebooks that share a module, each reading the table of the
one before it. They are brought to the state of "all done" by doit itself, with the three ways into
the workspace replaced (``_all_done``); what is measured is the `doit` that a person types.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, write_table
from benchmarks.processes import Finished, clean_environment, run_process

GROUP = 10
_FLOOR = """
import os, doit
def walk(folder):
    for entry in os.scandir(folder):
        if entry.is_dir():
            walk(entry.path)
        else:
            entry.stat()
walk("notebooks")
"""
_DODO = """
from brickloop.graph import doit_config, notebook_tasks

DOIT_CONFIG = doit_config()


def task_notebooks():
    yield from notebook_tasks("notebooks")
"""
_NOTEBOOK = """# Databricks notebook source
# MAGIC %md
# MAGIC Notebook {number}

# COMMAND ----------

import rules_{group}
from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

frame = spark.{source}
frame.write.mode("overwrite").saveAsTable("made_up.t{number}")
output.add_dataframe("rows", frame)
"""


def read_sizes(
    name: str, description: str | None, argv: list[str], *, repeats: int
) -> tuple[list[int], int]:
    """How many notebooks the projects of a benchmark have, and how often each is measured."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=description)
    parser.add_argument("--notebooks", type=int, nargs="+", default=[100, 1000], metavar="N")
    parser.add_argument("--large", action="store_true", help="10,000 notebooks as well")
    parser.add_argument("--repeats", type=int, default=repeats)
    options = parser.parse_args(argv)
    sizes = options.notebooks + ([10_000] if options.large else [])
    if options.repeats < 1 or min(sizes) < 1:
        parser.error("numbers must be 1 or more")
    return sizes, options.repeats


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    sizes, repeats = read_sizes("noop", __doc__, argv, repeats=7)
    figures = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="brickloop-noop-") as folder:
            root = Path(folder)
            make_project(root, size)
            prepare(root)
            figures.append(measure(root, size, repeats))
    print(write_table("doit with nothing changed", figures))
    return 0


def make_project(root: Path, size: int) -> None:
    """Write a project of ``size`` notebooks."""
    (root / "dodo.py").write_text(_DODO)
    (root / "pyproject.toml").write_text("[tool.brickloop]\n")
    for number in range(size):
        group = number // GROUP
        folder = root / "notebooks" / f"group_{group:04}"
        first = number % GROUP == 0
        if first:
            folder.mkdir(parents=True)
            (folder / f"rules_{group}.py").write_text(f"LIMIT = {group}\n")
        source = "range(10)" if first else f'table("made_up.t{number - 1}")'
        (folder / f"n{number:05}.py").write_text(
            _NOTEBOOK.format(number=number, group=group, source=source)
        )


def measure(root: Path, size: int, repeats: int) -> Figure:
    """The times of `doit` and of its floor, taken in turns; raises RuntimeError if work is done."""
    ours: list[Finished] = []
    floor: list[Finished] = []
    for _ in range(repeats):
        floor.append(run_process([sys.executable, "-c", _FLOOR], root))
        ours.append(run_process([sys.executable, "-m", "doit"], root))
        if f"nothing to do: {size} notebook" not in ours[-1].text:
            raise RuntimeError(f"doit had something to do:\n{ours[-1].text[:2000]}")
    return Figure(
        f"{size:,} notebooks, {3 * size:,} tasks",
        [done.seconds for done in ours],
        "start, import doit, stat files",
        [done.seconds for done in floor],
        peak_bytes=max(done.peak_bytes for done in ours),
        budget={1000: "1.0 s, ratio 3", 10_000: "0.5 s, 50 MB"}.get(size, ""),
    )


def prepare(root: Path, *words: str, **environment: str) -> None:
    """Bring the project to "all done"; raises RuntimeError when doit fails."""
    searched = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "benchmarks._all_done", *words]
    variables = clean_environment(PYTHONPATH=searched.rstrip(os.pathsep), **environment)
    run_process(command, root, variables)
    # files that were written a moment ago are looked at once more, by content
    time.sleep(2.1)
    run_process([sys.executable, "-m", "doit"], root, clean_environment(**environment))
