from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest
from tests.fakes.sql import ME

from brickloop.model.query import Parameter
from brickloop.sql.key import cache_key, change_mark


@pytest.mark.parametrize("name", [one.name for one in fields(ME)])
def test_whatever_is_another_in_who_and_where_is_another_key(name):
    other = ("SET a = 1",) if name == "session" else "another"
    assert cache_key(ME, "SELECT 1") != cache_key(replace(ME, **{name: other}), "SELECT 1")


def test_the_statement_counts_and_what_stands_around_it_does_not():
    key = cache_key(ME, "SELECT 1")
    assert key == cache_key(ME, "\n SELECT 1 ;\n; ")
    assert key != cache_key(ME, "select 1")
    assert key != cache_key(ME, "SELECT  1")
    assert re.fullmatch("[0-9a-f]{64}", key)


def test_parameters_count_by_name_type_and_value_in_any_order():
    a, b = Parameter("a", "INT", "1"), Parameter("b", "STRING", "1")
    key = cache_key(ME, "s", [a, b])
    assert key == cache_key(ME, "s", [b, a])
    for other in ([a], [a, replace(b, text="2")], [a, replace(b, type="INT")], [b, b]):
        assert key != cache_key(ME, "s", other)
    first, second = Parameter("", "int", "1"), Parameter("", "int", "2")
    assert cache_key(ME, "s", [first, second]) != cache_key(ME, "s", [second, first])
    assert cache_key(ME, "s", [replace(a, text=None)]) != cache_key(ME, "s", [replace(a, text="")])


def test_a_limit_and_a_label_count():
    key = cache_key(ME, "s")
    assert key != cache_key(ME, "s", row_limit=10)
    assert cache_key(ME, "s", label="x") == cache_key(ME, "t", label="x") != key
    assert cache_key(ME, "x") != cache_key(ME, "s", label="x")


def test_a_change_mark_is_never_a_key_of_a_result():
    assert re.fullmatch("z[0-9a-f]{63}", change_mark("https://one.example"))
    assert change_mark("a") != change_mark("b")
