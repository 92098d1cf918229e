"""Tables of every library as plain rows, within their limits."""

from __future__ import annotations

import datetime
import decimal
import json
from types import SimpleNamespace

import pandas
import pyarrow
import pytest

from brickloop.runtime.frames import TABLE_BYTES, plain, read_table


def test_pandas_rows_keep_values_and_what_they_were_grouped_by():
    frame = pandas.DataFrame(
        {
            "key": ["a", "b", "a"],
            "n": [1, 2, 3],
            "f": [0.5, float("nan"), float("inf")],
            "t": pandas.to_datetime(["2024-01-02 03:04:05", None, "2024-01-03 00:00:00"]),
        }
    )
    table = read_table(frame, 2)
    assert table.columns == [
        ("key", "object"),
        ("n", "int64"),
        ("f", "float64"),
        ("t", "datetime64[ns]"),
    ]
    assert table.rows == [["a", 1, 0.5, "2024-01-02 03:04:05"], ["b", 2, None, None]]
    assert (table.total, table.truncated) == (3, True)
    grouped = read_table(frame.groupby("key")["n"].sum(), 10)
    assert (grouped.columns[0][0], grouped.rows) == ("key", [["a", 4], ["b", 2]])
    counted = read_table(frame.groupby("key").agg({"n": ["min", "max"]}), 10)
    assert [name for name, _ in counted.columns] == ["key / ", "n / min", "n / max"]
    # what a filter leaves of a plain index says nothing
    assert [name for name, _ in read_table(frame[["n"]][frame["n"] > 1], 10).columns] == ["n"]
    double = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    assert read_table(double, 10).rows == [[1, 2]]


def test_arrow_tables_keep_what_json_would_change():
    table = pyarrow.table(
        {
            "big": [2**60],
            "price": [decimal.Decimal("1.50")],
            "day": [datetime.date(9999, 12, 31)],
            "none": pyarrow.array([None], pyarrow.int64()),
            "nan": [float("nan")],
            "raw": [b"\x00\xff"],
            "list": [[{"a": None, "b": 1}]],
        }
    )
    (row,) = read_table(table, 10).rows
    assert row[:5] == [str(2**60), "1.50", "9999-12-31", None, "nan"]
    assert row[5].startswith("<2 bytes, sha256 ")
    assert row[6] == [{"a": None, "b": 1}]
    beyond = pyarrow.table({"t": pyarrow.array([2**62], pyarrow.timestamp("us"))})
    assert isinstance(read_table(beyond, 10).rows[0][0], str)
    twice = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], ["a", "a"])
    assert read_table(twice, 10).rows == [[1, 2]]


class Fetched:
    """A Spark frame that was limited, of a version without toArrow."""

    taken: int
    jobs: list[str]

    def __getattr__(self, name: str) -> str:
        return f"column {name}"

    def collect(self):
        self.jobs.append(f"collect {self.taken}")
        return [(number,) for number in range(self.taken)]


class FetchedArrow(Fetched):
    def toArrow(self):
        self.jobs.append(f"fetch {self.taken}")
        return pyarrow.table({"n": list(range(self.taken))})


class FakeSpark:
    """As much of a Spark frame as is asked for; notes each job."""

    def __init__(self, rows: int, *, arrow: bool = True, counts: bool = True) -> None:
        self.rows, self.jobs, self.counts = rows, [], counts
        field = SimpleNamespace(name="n", dataType=SimpleNamespace(simpleString=lambda: "bigint"))
        self.schema = SimpleNamespace(fields=[field])
        self.isStreaming = False
        self.arrow = arrow

    def __getattr__(self, name: str) -> str:
        """Spark takes any other name for a column's."""
        return f"column {name}"

    def limit(self, count: int) -> Fetched:
        fetched = FetchedArrow() if self.arrow else Fetched()
        fetched.taken, fetched.jobs = min(count, self.rows), self.jobs
        return fetched

    def count(self) -> int:
        self.jobs.append("count")
        if not self.counts:
            raise RuntimeError("no")
        return self.rows


FakeSpark.__module__ = "pyspark.sql.connect.dataframe"


def test_spark_frames_are_fetched_once_and_counted_only_when_they_are_longer():
    short, long = FakeSpark(3), FakeSpark(5000)
    table = read_table(short, 3)
    assert (len(table.rows), table.total, table.truncated) == (3, 3, False)
    assert short.jobs == ["fetch 3"]
    table = read_table(long, 3)
    assert (table.rows, table.total, table.truncated) == ([[0], [1], [2]], 5000, True)
    assert long.jobs == ["fetch 4", "count"]
    uncounted = FakeSpark(5000, arrow=False)
    table = read_table(uncounted, 3, count_rows=False)
    assert (table.total, table.truncated, uncounted.jobs) == (None, True, ["collect 4"])
    table = read_table(FakeSpark(5000, counts=False), 3)
    assert (table.total, table.notes) == (None, ("The rows could not be counted: RuntimeError.",))
    stream = FakeSpark(3)
    stream.isStreaming = True
    with pytest.raises(ValueError, match="a stream has no end"):
        read_table(stream, 3)


def test_limits_are_kept_and_said():
    table = read_table([{"a": "x" * 5000, "b": ["y" * 5000], "c": 1}], 10)
    assert len(table.rows[0][0]) == len(table.rows[0][1]) == 1001
    assert table.notes == ("2 values are cut to 1,000 characters.",)
    wide = read_table([{f"c{number}": number for number in range(1500)}], 10)
    assert (len(wide.columns), len(wide.rows[0])) == (1000, 1000)
    assert wide.notes == ("1,000 of 1,500 columns are shown.",)
    long = read_table([{"a": "x" * 1000}] * 5000, 5000)
    assert 900 < len(long.rows) < 1100
    assert len(json.dumps(long.rows)) <= TABLE_BYTES * 1.01
    assert (long.total, long.truncated) == (5000, True)
    assert long.notes == ("The rows end where they fill 1 MB.",)


def test_rows_of_other_libraries():
    row = SimpleNamespace(asDict=lambda: {"a": 1})
    assert read_table([row], 5).rows == [[1]]
    assert read_table([{"a": 1}, {"b": 2}], 5).rows == [[1, None], [None, 2]]
    assert read_table([], 5).rows == []
    reader = pyarrow.table({"a": [1]}).to_reader()
    assert read_table(reader, 5).rows == [[1]]
    for wrong in (7, "text", [1, 2], None):
        with pytest.raises(TypeError, match="is no table"):
            read_table(wrong, 5)


def test_polars_frames_where_there_is_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
    for given in (frame, frame.lazy()):
        table = read_table(given, 2)
        assert (table.columns, table.rows) == (
            [("a", "Int64"), ("b", "String")],
            [[1, "x"], [2, None]],
        )
        assert (table.total, table.truncated) == (3, True)
    assert read_table(frame["a"], 5).rows == [[1], [2], [3]]


def test_values_of_any_kind_become_plain():
    import numpy

    circle: list = []
    circle.append(circle)
    assert plain(numpy.int64(7)) == 7
    assert plain(numpy.array([[1, 2]])) == [[1, 2]]
    assert plain(True) is True
    assert plain(pandas.NaT) is None
    assert plain({1: {2}}) == {"1": [2]}
    assert plain(-(2**53)) == str(-(2**53))
    assert json.dumps(plain(circle))
