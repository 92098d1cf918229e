"""Whatever a notebook holds, the workspace's two forms of it mean the same."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from brickloop.localws.conversion import canonical_source, ipynb_to_source, source_to_ipynb
from brickloop.model.notebook import CellKind, Language, parse_ipynb, parse_source

LINES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=30)
CELLS = st.lists(LINES, min_size=1, max_size=4).map("\n".join)
MAGICS = st.sampled_from(["", "%sql\n", "%md\n", "%python\n", "%sh\n", "%run ./x"])


@given(st.lists(st.tuples(MAGICS, CELLS), max_size=5))
def test_an_ipynb_means_the_same_as_its_source(parts: list[tuple[str, str]]) -> None:
    cells = [
        {"cell_type": "code", "metadata": {}, "source": magic + body, "outputs": []}
        for magic, body in parts
        # what starts as a comment of ours is another cell in the source form, as in a workspace
        if not any(line.lstrip().startswith(("#", "%", "!")) for line in body.split("\n"))
    ]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    one = [cell for cell in parse_ipynb(text).cells if cell.command.strip()]
    source = ipynb_to_source(text)
    two = [cell for cell in parse_source(source, Language.PYTHON).cells if cell.command.strip()]
    assert [(c.kind, c.source.strip()) for c in one if c.kind is not CellKind.EMPTY] == [
        (c.kind, c.source.strip()) for c in two if c.kind is not CellKind.EMPTY
    ]


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=200))
def test_keeping_a_source_twice_changes_nothing(text: str) -> None:
    once = canonical_source(text, Language.SQL)
    assert canonical_source(once, Language.SQL) == once
    assert once.startswith("-- Databricks notebook source")
    exported = source_to_ipynb(once, Language.SQL, "nb")
    assert source_to_ipynb(once, Language.SQL, "nb") == exported
    parse_ipynb(exported)
