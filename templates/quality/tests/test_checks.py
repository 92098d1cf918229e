"""Checks on small tables whose answers are known."""

import pytest
from brickloop.testing import assert_table
from checks import Check, evaluate, offenders, unique


@pytest.fixture(scope="module")
def table(spark):
    return spark.createDataFrame([(1, 5.0), (2, None), (2, 50.0), (3, 7.0)], "id INT, n DOUBLE")


def test_a_rule_is_broken_by_what_it_is_not_true_for(table):
    (small, known) = evaluate(table, [Check("small", "n < 10"), Check("known", "n IS NOT NULL")])
    assert (small.rows, small.broken, small.percent, small.verdict) == (4, 2, 50.0, "error")
    assert (known.broken, known.verdict) == (1, "error")


def test_rows_that_are_there_twice(table):
    check = Check("unique", unique("id"))
    assert evaluate(table, [check])[0].broken == 2
    assert_table(offenders(table, check), [{"id": 2, "n": None}, {"id": 2, "n": 50.0}])


def test_some_may_be_tolerated_and_some_only_warn(table):
    found = evaluate(
        table,
        [Check("a", "n IS NOT NULL", tolerated=25.0), Check("b", "n IS NOT NULL", "warning", tolerated=24.9)],
    )
    assert [one.verdict for one in found] == ["holds", "warning"]


def test_an_empty_table_breaks_nothing(table):
    assert [one.verdict for one in evaluate(table.where("false"), [Check("a", "n > 0")])] == ["holds"]


def test_a_severity_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="severity is 'fatal'"):
        Check("a", "true", "fatal")
