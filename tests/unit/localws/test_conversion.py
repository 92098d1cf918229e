from __future__ import annotations

import json

import pytest

from brickloop.errors import NotebookError
from brickloop.localws.conversion import (
    canonical_ipynb,
    canonical_source,
    ipynb_to_source,
    source_to_ipynb,
)
from brickloop.model.notebook import Language, parse_ipynb, parse_source

HEADER = "# Databricks notebook source"
SEPARATOR = "\n\n# COMMAND ----------\n\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", HEADER),
        ("print(1)", f"{HEADER}\nprint(1)"),
        (f"{HEADER}\nprint(1)\n", f"{HEADER}\nprint(1)"),
        (f"{HEADER}\n", HEADER),
        (f"\ufeff{HEADER}\r\nprint(1)\r\n\r\n", f"{HEADER}\nprint(1)"),
        (f"{HEADER}  \nprint(1)", f"{HEADER}\nprint(1)"),
        (f"{HEADER} x\nprint(1)", f"{HEADER}\n{HEADER} x\nprint(1)"),
        ("a\rb", f"{HEADER}\na\nb"),
    ],
)
def test_source_is_kept_with_one_header_and_no_last_newline(text: str, expected: str) -> None:
    assert canonical_source(text, Language.PYTHON) == expected
    assert canonical_source(expected, Language.PYTHON) == expected


@pytest.mark.parametrize(
    "blocks",
    [
        ["print(1)"],
        ["print(1)\n\nprint(2)", "# MAGIC %sql\n# MAGIC select 1"],
        ["# MAGIC %md\n# MAGIC # Title\n# MAGIC\n# MAGIC text"],
        ["# DBTITLE 1,The title\nprint(1)"],
        ["# DBTITLE 1,The title\n# MAGIC %sql\n# MAGIC select 1"],
        ['# MAGIC %run ./other $a="1"', "# MAGIC %pip install x"],
        ["# MAGIC %sh\n# MAGIC ls"],
        ["x = '''\n  kept   \n'''"],
    ],
)
def test_source_goes_to_ipynb_and_back(blocks: list[str]) -> None:
    source = f"{HEADER}\n{SEPARATOR.join(blocks)}"
    assert ipynb_to_source(source_to_ipynb(source, Language.PYTHON, "nb")) == source


@pytest.mark.parametrize(
    ("language", "header", "comment"),
    [
        (Language.SQL, "-- Databricks notebook source", "--"),
        (Language.SCALA, "// Databricks notebook source", "//"),
        (Language.R, "# Databricks notebook source", "#"),
    ],
)
def test_each_language_goes_to_ipynb_and_back(
    language: Language, header: str, comment: str
) -> None:
    source = (
        f"{header}\nselect 1\n\n{comment} COMMAND ----------\n\n"
        f"{comment} MAGIC %python\n{comment} MAGIC print(1)"
    )
    text = source_to_ipynb(source, language, "nb")
    assert parse_ipynb(text).language is language
    assert ipynb_to_source(text) == source


def test_cells_mean_the_same_in_both_forms() -> None:
    blocks = ["# DBTITLE 1,One\nprint(1)", "# MAGIC %md hello", "# MAGIC %sql select 1"]
    source = f"{HEADER}\n{SEPARATOR.join(blocks)}"
    one = parse_source(source, Language.PYTHON)
    two = parse_ipynb(source_to_ipynb(source, Language.PYTHON, "nb"))
    assert [(c.kind, c.source, c.title) for c in one.cells] == [
        (c.kind, c.source, c.title) for c in two.cells
    ]


def test_outputs_are_left_out_of_source() -> None:
    cell = {
        "cell_type": "code",
        "metadata": {},
        "source": ["a = 1\n", "a"],
        "outputs": [{"output_type": "stream", "text": "secret"}],
    }
    raw = {"cell_type": "raw", "metadata": {}, "source": "as it is"}
    text = json.dumps({"cells": [cell, raw], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    assert ipynb_to_source(text) == (f"{HEADER}\na = 1\na{SEPARATOR}# MAGIC %md\n# MAGIC as it is")


def test_no_cells_make_a_header() -> None:
    text = json.dumps({"cells": [], "metadata": {}, "nbformat": 4})
    assert ipynb_to_source(text) == HEADER
    assert json.loads(source_to_ipynb(HEADER, Language.PYTHON, "nb"))["cells"] == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"cells": {}, "metadata": {}}'])
def test_what_is_no_notebook_is_refused(text: str) -> None:
    with pytest.raises(NotebookError):
        canonical_ipynb(text)
