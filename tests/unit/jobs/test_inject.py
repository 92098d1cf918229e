"""Putting the framework into a notebook: where it is missing, and without breaking anything."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickloop.errors import NotebookError
from brickloop.jobs.inject import Prepared, inject, mend_imports, prepare, uses_framework
from brickloop.model.notebook import CellKind, Language, parse_ipynb, parse_source

HEADER = "# Databricks notebook source"
MADE = "output = NotebookOutput(output_path='/tmp/x.txt')"


def injected(text: str, path: str = "/nb", language: str | None = None) -> Prepared:
    return inject(prepare(text, path, language), "/tmp/x.txt")


def cells(notebook: Prepared) -> list[str]:
    return [cell.source for cell in parse_source(notebook.text, notebook.language).cells]


@pytest.mark.parametrize(
    ("text", "path", "language", "header", "suffix"),
    [
        ("x = 1", "/nb", None, HEADER, ".py"),
        ("\n\nx = 1", "/nb", None, HEADER, ".py"),
        (f"\n{HEADER}\nx = 1", "/nb", None, HEADER, ".py"),
        (f"\ufeff{HEADER}\nx = 1", "/nb", None, HEADER, ".py"),
        (f"{HEADER}  \nx = 1", "/nb", None, HEADER, ".py"),
        ("SELECT 1", "/nb.sql", None, "-- Databricks notebook source", ".sql"),
        ("SELECT 1", "/nb", "SQL", "-- Databricks notebook source", ".sql"),
        ("-- Databricks notebook source\nSELECT 1", "/nb.py", None,
         "-- Databricks notebook source", ".sql"),
        ("val x = 1", "/nb", "scala", "// Databricks notebook source", ".scala"),
        ("x <- 1", "/nb", "r", HEADER, ".r"),
    ],
)  # fmt: skip
def test_the_header_is_line_1(text, path, language, header, suffix):
    notebook = prepare(text, path, language)
    assert notebook.text.split("\n", 1)[0] == header
    assert notebook.suffix == suffix
    assert notebook.text.count(header) == 1


def test_a_header_and_a_language_that_differ_are_refused():
    with pytest.raises(NotebookError, match="line 1 says that it is in python"):
        prepare(f"{HEADER}\nx = 1", "/nb", "sql")


def test_a_python_notebook_gets_a_first_and_a_last_cell():
    notebook = injected(f"{HEADER}\nx = 1\n\n# COMMAND ----------\n\nprint(x)\n")
    assert notebook.injected
    first, *own, last = cells(notebook)
    assert MADE in first
    assert own == ["x = 1", "print(x)"]
    assert "output.write_to_dbfs()" in last


@pytest.mark.parametrize(
    "source",
    [
        "from brickloop import NotebookOutput\nout = NotebookOutput()",
        "import brickloop\nout = brickloop.NotebookOutput()",
        "from core.notebook_output import NotebookOutput",
        "%pip install x\nfrom brickloop import NotebookOutput",
    ],
)
def test_a_notebook_that_uses_it_stays_as_it_is(source):
    notebook = prepare(f"{HEADER}\n{source}\n", "/nb")
    assert inject(notebook, "/tmp/x.txt") == notebook


@pytest.mark.parametrize("source", ["# NotebookOutput", "x = 'NotebookOutput'", "y = 1"])
def test_a_remark_about_it_is_no_use_of_it(source):
    assert injected(f"{HEADER}\n{source}\n").injected


@pytest.mark.parametrize(
    "text",
    [
        "-- Databricks notebook source\nSELECT 1\n",
        "// Databricks notebook source\nval x = 1\n",
    ],
)
def test_other_languages_stay_as_they_are(text):
    notebook = injected(text)
    assert (notebook.text, notebook.injected) == (text, False)


def test_the_environment_stays_right_below_the_header():
    script = '# /// script\n# [tool.databricks.environment]\n# environment_version = "5"\n# ///'
    notebook = injected(f"{HEADER}\n{script}\nx = 1\n\n# COMMAND ----------\n\ny = 2\n")
    lines = notebook.text.split("\n")
    assert "\n".join(lines[1:5]) == script
    assert "# COMMAND ----------" not in lines[: lines.index(MADE)]
    assert [source for source in cells(notebook) if source in {"x = 1", "y = 2"}] == [
        "x = 1",
        "y = 2",
    ]


@pytest.mark.parametrize(
    "restart",
    ["# MAGIC %pip install tabulate", "%pip install x", "dbutils.library.restartPython()",
     "# MAGIC %restart_python"],
)  # fmt: skip
def test_it_comes_after_the_last_restart_of_python(restart):
    cell = "\n\n# COMMAND ----------\n\n"
    notebook = injected(f"{HEADER}\na = 1{cell}{restart}{cell}b = 2\n")
    sources = cells(notebook)
    assert next(i for i, source in enumerate(sources) if MADE in source) == 2
    assert sources[3] == "b = 2"


def test_line_ends_and_run_cells_are_kept():
    text = f"{HEADER}\r\n# MAGIC %run ./setup\r\n\r\n# COMMAND ----------\r\n\r\nx = 1\r\n"
    notebook = injected(text)
    assert "\n" not in notebook.text.replace("\r\n", "")
    kinds = [cell.kind for cell in parse_source(notebook.text, Language.PYTHON).cells]
    assert kinds == [CellKind.PYTHON, CellKind.RUN, CellKind.PYTHON, CellKind.PYTHON]


def ipynb(*sources: str, language: str = "python") -> str:
    extra = {"application/vnd.databricks.v1+notebook": {"language": language}}
    made = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": s}
        for s in sources
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": extra, "cells": made})


def test_an_ipynb_gets_its_cells_and_stays_one():
    notebook = injected(ipynb("x = 1", "%pip install y", "z = 2"))
    assert notebook.suffix == ".ipynb"
    sources = [cell.command for cell in parse_ipynb(notebook.text).cells]
    assert MADE in sources[2]
    assert "write_to_dbfs" in sources[-1]
    uses = ipynb("from brickloop import NotebookOutput")
    assert injected(uses).text == uses
    sql = ipynb("SELECT 1", language="sql")
    assert injected(sql).text == sql


def test_an_import_that_cannot_resolve_is_mended():
    notebook = mend_imports(
        prepare("if True:\n    from core.notebook_output import NotebookOutput as N  \n", "/nb")
    )
    assert "    from brickloop import NotebookOutput as N\n" in notebook.text
    assert notebook.mended
    same = prepare("-- Databricks notebook source\nSELECT 1", "/nb")
    assert mend_imports(same) is same


LINES = st.sampled_from(
    ["x = 1", "", "    y = 2", "# COMMAND ----------", "# MAGIC %md hello", "# MAGIC %sql SELECT 1",
     "# /// script", "# ///", "%pip install z", "# DBTITLE 1,Title", "'''", "é = '≈'", "# MAGIC"]
)  # fmt: skip


@given(st.lists(LINES, max_size=30))
def test_whatever_the_notebook_its_own_cells_stay_in_their_order(lines):
    notebook = prepare("\n".join([HEADER, *lines]), "/nb")
    before = [cell.command for cell in parse_source(notebook.text, Language.PYTHON).cells]
    after = parse_source(injected("\n".join([HEADER, *lines])).text, Language.PYTHON)
    assert uses_framework(after) or "'''" in lines
    words = "\n".join(cell.command for cell in after.cells)
    place = 0
    for command in before:
        found = words.find(command, place)
        if found < 0 and command.startswith("# /// script"):
            continue
        assert found >= 0
        place = found + len(command)
