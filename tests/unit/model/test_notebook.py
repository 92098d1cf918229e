"""Notebook text to cells: the forms that real notebooks come in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickloop.errors import NotebookError
from brickloop.model.notebook import (
    CellKind,
    Language,
    NotebookFormat,
    header_line,
    language_of_source,
    parse_notebook,
    parse_source,
)

HEADER = "# Databricks notebook source\n"
SEPARATOR = "\n# COMMAND ----------\n\n"


def cells(*bodies, header=HEADER, language=Language.PYTHON):
    return parse_source(header + SEPARATOR.join(bodies), language).cells


@pytest.mark.parametrize(
    ("body", "kind", "source"),
    [
        ("x = 1", CellKind.PYTHON, "x = 1"),
        (
            "# MAGIC %md\n# MAGIC # Title\n# MAGIC\n# MAGIC text",
            CellKind.MARKDOWN,
            "# Title\n\ntext",
        ),
        ("# MAGIC %md hello", CellKind.MARKDOWN, "hello"),
        ("# MAGIC %md-sandbox\n# MAGIC <b>", CellKind.MARKDOWN, "<b>"),
        ("# MAGIC %md\n# MAGIC %sql is a magic", CellKind.MARKDOWN, "%sql is a magic"),
        ("# MAGIC %sql\n# MAGIC select 1;\n# MAGIC select 2", CellKind.SQL, "select 1;\nselect 2"),
        ("# MAGIC %sql select 1", CellKind.SQL, "select 1"),
        ("# a remark\n# MAGIC %sql\n# MAGIC select 1", CellKind.SQL, "select 1"),
        ('# MAGIC %run "./~Configs/x" $name="v"', CellKind.RUN, '"./~Configs/x" $name="v"'),
        ("%run ./setup", CellKind.RUN, "./setup"),
        ("# MAGIC %sh\n# MAGIC ls -l", CellKind.SHELL, "ls -l"),
        ("# MAGIC %fs ls /tmp", CellKind.FS, "ls /tmp"),
        ("# MAGIC %pip install six", CellKind.PIP, "pip install six"),
        ("%pip install six", CellKind.PIP, "pip install six"),
        ("# MAGIC %uv pip install six", CellKind.PIP, "uv pip install six"),
        ("# MAGIC %scala\n# MAGIC val x = 1", CellKind.SCALA, "val x = 1"),
        ("# MAGIC %skip\n# MAGIC %sql\n# MAGIC select 1", CellKind.SKIP, "%sql\nselect 1"),
        ("# MAGIC no magic word", CellKind.MARKDOWN, "no magic word"),
        ("x = 1\n# MAGIC %restart_python", CellKind.PYTHON, "x = 1\n%restart_python"),
        ("%matplotlib inline\nx = 1", CellKind.PYTHON, "%matplotlib inline\nx = 1"),
        ("# MAGIC %sql", CellKind.SQL, ""),
        ('# MAGIC %environment\n# MAGIC "client": "1"', CellKind.EMPTY, '"client": "1"'),
    ],
)
def test_a_cell_means_what_the_workspace_takes_it_for(body, kind, source):
    (cell,) = cells(body)
    assert (cell.kind, cell.source) == (kind, source)


def test_titles_lines_and_order():
    found = cells(
        "# DBTITLE 1,Load, then 🚀\n# MAGIC %sql\n# MAGIC select 1",
        "",
        "# DBTITLE 0,hidden\nx = 1\ny = 2",
    )
    assert [(c.index, c.title, c.line) for c in found] == [
        (0, "Load, then 🚀", 4),
        (1, "hidden", 11),
    ]
    text = (HEADER + "x = 1\n").split("\n")
    (cell,) = parse_source("\n".join(text), Language.PYTHON).cells
    assert text[cell.line - 1] == "x = 1"


def test_script_metadata_glued_to_the_first_cell_stays_python():
    (cell,) = cells("# /// script\n# environment_version = '5'\n# ///\nx = 1")
    assert cell.kind is CellKind.PYTHON
    assert cell.source.endswith("x = 1")


def test_crlf_and_the_other_languages():
    notebook = parse_source(
        "-- Databricks notebook source\r\nselect 1\r\n\r\n-- COMMAND ----------\r\n\r\n"
        "-- MAGIC %python\r\n-- MAGIC print(1)\r\n",
        Language.SQL,
    )
    assert [(c.kind, c.source) for c in notebook.cells] == [
        (CellKind.SQL, "select 1"),
        (CellKind.PYTHON, "print(1)"),
    ]


def test_ipynb_cells_and_language():
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"application/vnd.databricks.v1+notebook": {"language": "sql"}},
        "cells": [
            {"cell_type": "markdown", "source": ["# Title\n", "text"], "metadata": {}},
            {"cell_type": "code", "source": "select 1", "metadata": {}},
            {"cell_type": "code", "source": ["%python\n", "print(1)"], "metadata": {}},
        ],
    }
    notebook = parse_notebook(json.dumps(document).encode(), ".ipynb")
    assert (notebook.language, notebook.format) == (Language.SQL, NotebookFormat.JUPYTER)
    assert [(c.kind, c.source) for c in notebook.cells] == [
        (CellKind.MARKDOWN, "# Title\ntext"),
        (CellKind.SQL, "select 1"),
        (CellKind.PYTHON, "print(1)"),
    ]


@pytest.mark.parametrize(
    ("data", "suffix", "said"),
    [
        (b"x = 1\n", ".py", "line 1 is not '# Databricks notebook source'"),
        (b"", ".sql", "line 1 is not"),
        (b"\xff\xfe", ".py", "not UTF-8"),
        (b"{", ".ipynb", "no valid .ipynb"),
        (b"[]", ".ipynb", "'cells', 'metadata' and 'nbformat'"),
        (b'{"cells": [], "metadata": {}, "nbformat": 3}', ".ipynb", "nbformat"),
        (b"hello", ".txt", "no notebook suffix"),
    ],
)
def test_what_is_no_notebook_is_named_with_its_file(data, suffix, said):
    with pytest.raises(NotebookError, match=r"^here: ") as caught:
        parse_notebook(data, suffix, where="here")
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("suffix", "head", "language"),
    [
        (".py", b"# Databricks notebook source\nx", Language.PYTHON),
        (".PY", b"# Databricks notebook source\r\n", Language.PYTHON),
        (".r", b"# Databricks notebook source", Language.R),
        (".scala", b"// Databricks notebook source\n", Language.SCALA),
        (".py", b"\xef\xbb\xbf# Databricks notebook source\n", None),
        (".py", b"# Databricks notebook source \n", None),
        (".py", b"import x\n", None),
        (".txt", b"# Databricks notebook source\n", None),
    ],
)
def test_a_notebook_is_known_by_its_first_line_exactly(suffix, head, language):
    assert language_of_source(suffix, head) is language


@given(st.sampled_from(list(Language)), st.text(max_size=300))
def test_any_text_after_the_header_parses(language, text):
    notebook = parse_source(f"{header_line(language)}\n{text}", language)
    assert [cell.index for cell in notebook.cells] == list(range(len(notebook.cells)))
