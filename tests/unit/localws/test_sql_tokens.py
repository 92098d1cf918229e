"""Statements as tokens, commands read from them, parameters put into them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.errors.exceptions.connect import AnalysisException, ParseException

from brickloop.localws.sql_literals import bind, literal
from brickloop.localws.sql_tokens import Cursor, name_chains, read_tokens, string_literal
from brickloop.localws.sql_trees import read_path_versions


def test_tokens_leave_out_comments_and_keep_their_places() -> None:
    text = "SELECT /* a /* nested */ one */ `x y`.b, 'it\\'s' -- end\n, 1.5e3"
    tokens = read_tokens(text)
    assert [token.text for token in tokens] == [
        "SELECT", "`x y`", ".", "b", ",", "'it\\'s'", ",", "1.5e3",
    ]  # fmt: skip
    assert all(text[token.start : token.end] == token.text for token in tokens)
    assert tokens[1].value == "x y"
    assert tokens[5].value == "it's"


@pytest.mark.parametrize("text", ["SELECT 'open", "SELECT `open", "/* open", 'SELECT "open'])
def test_what_never_ends_is_an_error_at_its_place(text: str) -> None:
    try:
        tokens = read_tokens(text)
    except ParseException as error:
        assert "PARSE_SYNTAX_ERROR" in str(error)
    else:
        # a quote alone is a sign, which the engine refuses
        assert tokens[-2].text in {"'", "`", '"'}


def test_names_of_several_parts() -> None:
    chains = [chain.parts for chain in name_chains(read_tokens("SELECT a.b FROM `c d`.e.f, g"))]
    assert chains == [("SELECT",), ("a", "b"), ("FROM",), ("c d", "e", "f"), ("g",)]


def test_a_cursor_says_where_something_else_stands() -> None:
    cursor = Cursor("DROP TABLE a b")
    assert cursor.take("DROP", "TABLE")
    assert cursor.name() == ("a",)
    with pytest.raises(ParseException, match=r"near 'b'.*line 1, pos 13"):
        cursor.end()


@given(st.text())
def test_a_string_literal_is_one_token_of_that_value(value: str) -> None:
    (token,) = read_tokens(string_literal(value))
    assert token.kind == "string"
    assert token.value.replace("\\%", "%").replace("\\_", "_") == value or "\\" in value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (5, "5"),
        (2**40, "1099511627776L"),
        (1.5, "1.5D"),
        (float("nan"), "CAST('nan' AS DOUBLE)"),
        (Decimal("1.50"), "1.50BD"),
        ("it's", r"'it\'s'"),
        (b"\x00\xff", "X'00ff'"),
        (dt.date(2024, 1, 2), "DATE'2024-01-02'"),
        (dt.datetime(2024, 1, 2, 3, 4), "TIMESTAMP_NTZ'2024-01-02 03:04:00'"),
        ([1, "a"], "array(1, 'a')"),
        ({"a": 1}, "map('a', 1)"),
    ],
)
def test_values_as_sql(value: Any, shown: str) -> None:
    assert literal(value) == shown


def test_parameters_are_put_where_they_stand_and_nowhere_else() -> None:
    text = "SELECT ':a', :a, col:a, x[0]:a, `:a` -- :a\n FROM t WHERE b = :b"
    assert bind(text, {"a": 1, "b": "x"}) == (
        "SELECT ':a', 1, col:a, x[0]:a, `:a` -- :a\n FROM t WHERE b = 'x'"
    )
    assert bind("SELECT ?, '?'", [2]) == "SELECT 2, '?'"
    with pytest.raises(AnalysisException, match=r"UNBOUND_SQL_PARAMETER.*: b\b"):
        bind("SELECT :b", {"a": 1})


def test_versions_after_an_at() -> None:
    assert read_path_versions("SELECT * FROM a.t@v12 x") == "SELECT * FROM a.t VERSION AS OF 12 x"
    assert read_path_versions("SELECT 'me@v1'") == "SELECT 'me@v1'"
    assert "TIMESTAMP AS OF '2024-01-02 03:04:05.006'" in read_path_versions(
        "SELECT * FROM t@20240102030405006"
    )
