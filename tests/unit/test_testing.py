"""The helpers that users compare tables with."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickloop.model.document import Document, Section
from brickloop.model.job_result import JobResult
from brickloop.model.run import TableOutput
from brickloop.testing import assert_table, rows, section

EXPECTED = [{"name": "a", "n": 1}, {"name": "b", "n": None}]
COLUMNS = (("name", "string"), ("n", "int"))
VALUES = (("a", 1), ("b", None))


def result(*sections: Section) -> JobResult:
    document = Document(sections=sections) if sections else None
    return JobResult(True, 1, "", "SUCCESS", "", 0.0, 0, "n", document=document)


@pytest.mark.parametrize(
    "table",
    [
        EXPECTED,
        pd.DataFrame(EXPECTED),
        pd.DataFrame(EXPECTED).astype({"n": "Int64"}),
        pa.Table.from_pylist(EXPECTED),
        Section("table", "t", columns=COLUMNS, rows=VALUES),
        TableOutput(COLUMNS, VALUES),
    ],
)
def test_tables_of_every_kind_are_the_same(table):
    assert_table(table, EXPECTED)
    assert_table(EXPECTED, table)
    with pytest.raises(AssertionError, match="the tables differ"):
        assert_table(table, [{"name": "a", "n": 2}, {"name": "b", "n": None}])


def test_rows_in_another_order_are_the_same_unless_order_counts():
    assert_table(EXPECTED[::-1], EXPECTED)
    assert_table(EXPECTED, EXPECTED, ordered=True)
    with pytest.raises(AssertionError):
        assert_table(EXPECTED[::-1], EXPECTED, ordered=True)


def test_the_difference_names_the_rows():
    with pytest.raises(AssertionError) as raised:
        assert_table([{"n": 1}, {"n": 3}], [{"n": 1}, {"n": 2}, {"n": 4}])
    lines = str(raised.value).splitlines()
    assert lines[0] == "the tables differ: 2 rows, expected 3"
    assert lines[2:5] == ["  - (2,)", "  - (4,)", "  + (3,)"]
    with pytest.raises(AssertionError, match="and 90 more"):
        assert_table([], [{"n": number} for number in range(100)])


def test_a_row_that_is_there_twice_is_not_there_once():
    with pytest.raises(AssertionError, match="1 rows, expected 2"):
        assert_table([{"n": 1}], [{"n": 1}, {"n": 1}])
    with pytest.raises(AssertionError):
        assert_table([{"n": 1}, {"n": 1}, {"n": 2}], [{"n": 1}, {"n": 2}, {"n": 2}])


def test_numbers_differ_by_the_tolerance_and_no_more():
    assert_table([{"n": 0.1 + 0.2}], [{"n": 0.3}])
    assert_table([{"n": decimal.Decimal("1.50")}], [{"n": 1.5}])
    assert_table([{"n": 100.0}], [{"n": 101.0}], tolerance=0.02)
    for wrong in (100.1, "100", True, None):
        with pytest.raises(AssertionError):
            assert_table([{"n": 100}], [{"n": wrong}])
    with pytest.raises(AssertionError):
        assert_table([{"n": 1}], [{"n": True}])


def test_dates_are_what_a_document_writes_them_as():
    day = datetime.date(2024, 5, 1)
    assert_table([{"day": day}], [{"day": "2024-05-01"}])
    assert_table(pd.DataFrame({"t": [pd.Timestamp("2024-05-01 12:00")]}),
                 [{"t": datetime.datetime(2024, 5, 1, 12)}])  # fmt: skip
    assert_table(pd.DataFrame({"t": [pd.NaT, 1.5]}), [{"t": None}, {"t": 1.5}])


def test_columns_count_all_or_those_that_are_named():
    with pytest.raises(AssertionError, match="the columns differ"):
        assert_table([{"a": 1, "b": 2}], [{"a": 1}])
    with pytest.raises(AssertionError, match="the columns differ"):
        assert_table([{"a": 1}], [{"a": 1, "b": 2}])
    assert_table([{"a": 1, "b": 2}], [{"a": 1, "b": 3}], columns=["a"])
    with pytest.raises(AssertionError, match="the columns differ"):
        assert_table([{"a": 1}], [{"a": 1}], columns=["c"])


def test_nested_values_are_compared_by_value():
    assert_table([{"a": [1, {"b": 2.0}]}], [{"a": [1, {"b": 2}]}])
    assert_table(pa.table({"a": [[1, 2]]}), [{"a": [1, 2]}])


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_two_tables_are_the_same_when_they_hold_the_same_rows(left, right):
    def compare() -> None:
        assert_table([{"n": n} for n in left], [{"n": n} for n in right])

    if sorted(left) == sorted(right):
        compare()
    else:
        with pytest.raises(AssertionError):
            compare()


def test_what_is_no_table_is_named():
    for wrong in (1, "text", [1, 2]):
        with pytest.raises(TypeError, match="is no table that can be compared"):
            rows(wrong)


def test_a_section_is_found_by_its_title():
    found = Section("table", "Rows", columns=COLUMNS, rows=VALUES)
    assert section(result(found, Section("text", "Other")), "Rows") is found
    with pytest.raises(AssertionError, match="0 sections are called 'Row'; there are: 'Rows'"):
        section(result(found), "Row")
    with pytest.raises(AssertionError, match="2 sections are called 'Rows'"):
        section(result(found, found), "Rows")
    with pytest.raises(AssertionError, match="there are: none"):
        section(result(), "Rows")


def test_the_plugin_is_light():
    script = (
        "import sys\nimport brickloop.testing\n"
        "heavy = {'databricks.sdk', 'pandas', 'pyarrow', 'pyspark', 'sqlglot', 'rich', 'grpc'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr
