"""A project of a test's own, and commands as a person types them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brickloop import launcher

DODO = """from brickloop.graph import doit_config, notebook_tasks

DOIT_CONFIG = doit_config()


def task_notebooks():
    yield from notebook_tasks("notebooks")
"""
TASKS = "from brickloop.tasks import namespace\n\nns = namespace()\n"
Typed = Callable[..., "subprocess.CompletedProcess[str]"]


def type_command(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the tests' own environment in ``folder``; 120 s at most."""
    program = shutil.which(words[0], path=str(Path(sys.executable).parent))
    assert program, words[0]
    return subprocess.run(
        [program, *words[1:]],
        cwd=folder,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A folder with dodo.py, tasks.py and four notebooks that hang together."""
    root = tmp_path / "project"
    notebooks = root / "notebooks"
    notebooks.mkdir(parents=True)
    (root / "dodo.py").write_text(DODO)
    (root / "tasks.py").write_text(TASKS)
    (notebooks / "shared.py").write_text("FACTOR = 10\n")
    write_notebook(
        notebooks / "a_load.py",
        'spark.range(4).write.mode("overwrite").saveAsTable("shop.items")',
        'print("loaded")',
    )
    write_notebook(
        notebooks / "b_sum.py",
        "from shared import FACTOR\nfrom brickloop import NotebookOutput",
        'out = NotebookOutput()\nframe = spark.table("shop.items").selectExpr("sum(id) AS total")\n'
        'out.add_dataframe("Total", frame)\nout.add_section("Factor", f"times {FACTOR}")',
    )
    write_notebook(notebooks / "c_alone.py", "from shared import FACTOR", "print(FACTOR + 1)")
    (notebooks / "d_count.sql").write_text(
        "-- Databricks notebook source\nSELECT count(*) AS n FROM shop.items\n"
    )
    (notebooks / "a_load.py").write_text(
        (notebooks / "a_load.py")
        .read_text()
        .replace("spark.range", 'spark.sql("CREATE SCHEMA IF NOT EXISTS shop")\nspark.range')
    )
    yield root
    launcher.stop(root / ".brickloop" / "local")


def write_notebook(path: Path, *cells: str) -> None:
    """Write a Python notebook in the source format."""
    body = "\n\n# COMMAND ----------\n\n".join(cells)
    path.write_text(f"# Databricks notebook source\n{body}\n")
