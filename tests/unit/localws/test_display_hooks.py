"""What cells show: tables exact to the last digit, figures, HTML."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickloop.localws.display_hooks import Display
from brickloop.localws.table_values import BYTE_LIMIT, arrow_item, json_value, table_item

from .conftest import Bench


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (2**53, 2**53),
        (2**53 + 1, "9007199254740993"),
        (-(2**63), "-9223372036854775808"),
        (1.5, 1.5),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (decimal.Decimal("1.10"), "1.10"),
        (decimal.Decimal("1E+3"), "1000"),
        (datetime.date(9999, 12, 31), "9999-12-31"),
        (datetime.datetime(2020, 1, 2, 3, 4, 5), "2020-01-02T03:04:05.000"),
        (datetime.datetime(2020, 1, 2, 3, 4, 5, 123456), "2020-01-02T03:04:05.123456"),
        (
            datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
            "2020-01-02T00:00:00.000+0000",
        ),
        (b"\x00\xff", "AP8="),
        ({"a": [1, None, {"b": b"x"}]}, {"a": [1, None, {"b": "eA=="}]}),
        ([decimal.Decimal("0.1")], ["0.1"]),
        ("\x1b[31mred", "\x1b[31mred"),
    ],
)
def test_json_value(value: Any, shown: Any) -> None:
    assert json_value(value) == shown


@given(st.floats() | st.integers() | st.text() | st.binary() | st.dates() | st.datetimes())
def test_every_value_is_json(value: Any) -> None:
    json.dumps(json_value(value), allow_nan=False)


def test_arrow_types_by_spark_names() -> None:
    table = pa.table(
        {
            "b": pa.array([True], pa.bool_()),
            "l": pa.array([2**62], pa.int64()),
            "u": pa.array([2**64 - 1], pa.uint64()),
            "d": pa.array([decimal.Decimal("1.20")], pa.decimal128(10, 2)),
            "t": pa.array([1], pa.timestamp("ns", "UTC")),
            "n": pa.array([0], pa.timestamp("us")),
            "a": pa.array([[1]], pa.list_(pa.int32())),
            "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "s": pa.array([{"x": 1}], pa.struct([("x", pa.int64())])),
            "z": pa.array([None], pa.null()),
        }
    )
    item = arrow_item(table)
    types = {field["name"]: json.loads(field["type"]) for field in item["schema"]}
    assert types["b"] == "boolean"
    assert types["l"] == "long"
    assert types["u"] == "decimal(20,0)"
    assert types["d"] == "decimal(10,2)"
    assert types["t"] == "timestamp"
    assert types["n"] == "timestamp_ntz"
    assert types["a"] == {"type": "array", "elementType": "integer", "containsNull": True}
    assert types["m"]["keyType"] == "string"
    assert types["s"]["fields"][0]["name"] == "x"
    assert item["data"][0][:4] == [True, "4611686018427387904", "18446744073709551615", "1.20"]
    assert item["data"][0][6:] == [[1], {"k": 1}, {"x": 1}, None]


def test_tables_are_cut_by_rows_and_by_bytes() -> None:
    item = table_item(["a"], ['"long"'], [list(range(10_001))], more=False)
    assert (len(item["data"]), item["overflow"]) == (10_000, True)
    item = table_item(["a"], ['"long"'], [list(range(10_000))], more=False)
    assert (len(item["data"]), item["overflow"]) == (10_000, False)
    item = table_item(["a"], ['"string"'], [["x" * 100_000] * 100], more=False)
    assert item["overflow"]
    assert len(json.dumps(item["data"])) <= BYTE_LIMIT
    item = table_item(["a"], ['"string"'], [["x" * 3_000_000]], more=False)
    assert len(item["data"]) == 1


def test_objects_that_know_how_they_are_shown() -> None:
    class Html:
        def _repr_html_(self) -> str:
            return "<p>html</p>"

    class Png:
        def _repr_png_(self) -> bytes:
            return b"png"

    class Bundle:
        def _repr_mimebundle_(self) -> dict[str, str]:
            return {"text/plain": "x", "image/svg+xml": "<svg/>"}

    class Broken:
        def _repr_html_(self) -> str:
            raise RuntimeError

        def __repr__(self) -> str:
            return "<broken>"

    sent: list[dict[str, Any]] = []
    display = Display(sent.append)
    display.display(Html(), Png(), Bundle(), Html)
    display.show_last(Broken())
    assert sent == [
        {"type": "htmlSandbox", "data": "<p>html</p>"},
        {"type": "mimeBundle", "data": {"image/png": base64.b64encode(b"png").decode()}},
        {"type": "mimeBundle", "data": {"image/svg+xml": "<svg/>"}},
    ]


def test_display_of_text_and_values(bench: Bench) -> None:
    ran = bench.run("display('text'); display([1, 'a']); display(None)", "'quoted'", "print", "str")
    assert ran.text(1) == "text\n[1, 'a']\nNone\n"
    assert ran.text(2) == "'quoted'\n"
    assert ran.text(4) == "<class 'str'>\n"


def test_pandas(bench: Bench) -> None:
    ran = bench.run(
        "import pandas as pd, numpy as np\n"
        "frame = pd.DataFrame({'i': [1, 2], 'f': [1.5, np.nan], 's': ['a', None],\n"
        "    't': pd.to_datetime(['2020-01-01', None]), 'mixed': [1, 'x'], 'n': pd.array([1, "
        "None], 'Int64')})\n"
        "display(frame)",
        "frame.set_index('s')[['i']]",
        "frame['i']",
        "pd.DataFrame({'a': range(10_001)})",
        "pd.DataFrame()",
        "pd.DataFrame([[1, 2]], columns=['same', 'same'])",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    item = ran.items(1)[0]
    assert [field["name"] for field in item["schema"]] == ["i", "f", "s", "t", "mixed", "n"]
    assert item["data"][0] == [1, 1.5, "a", "2020-01-01T00:00:00.000", "1", 1]
    assert item["data"][1] == [2, "NaN", None, None, "x", None]
    assert ran.table(2) == [["a", 1], [None, 2]]
    assert ran.table(3) == [[1], [2]]
    assert ran.items(4)[0]["overflow"]
    assert len(ran.table(4)) == 10_000
    assert ran.table(5) == []
    assert ran.table(6) == [[1, 2]]


def test_spark_frames(spark_bench: Bench) -> None:
    query = (
        "select 1 as i, 9007199254740993 as l, cast('1.10' as decimal(10,2)) as d,"
        " double('NaN') as nan, date'9999-12-31' as day, timestamp'2020-01-02 03:04:05' as ts,"
        " cast('ab' as binary) as bin, array(1, null) as arr, map('k', 1) as m,"
        " struct(1 as x, 'y' as z) as st, null as nothing"
    )
    ran = spark_bench.run(
        f"frame = spark.sql({query!r})\nframe.display()",
        "display(frame.limit(0))",
        "frame.select('i')",
        "display(spark.range(10_005))",
        "spark.range(3).show()",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    item = ran.items(1)[0]
    types = {field["name"]: json.loads(field["type"]) for field in item["schema"]}
    assert types["i"] == "integer"
    assert types["l"] == "long"
    assert types["d"] == "decimal(10,2)"
    assert types["arr"]["elementType"] == "integer"
    assert item["data"] == [
        [
            1, "9007199254740993", "1.10", "NaN", "9999-12-31", "2020-01-02T03:04:05.000+0000",
            "YWI=", [1, None], {"k": 1}, {"x": 1, "z": "y"}, None,
        ]
    ]  # fmt: skip
    assert ran.items(2)[0]["data"] == []
    assert ran.text(3) == "DataFrame[i: int]\n"
    assert (len(ran.table(4)), ran.items(4)[0]["overflow"]) == (10_000, True)
    assert "| id|" in ran.text(5)


def test_figures(bench: Bench) -> None:
    ran = bench.run(
        "import matplotlib.pyplot as plt\nprint('before')\nplt.plot([1, 2])\nplt.show()\n"
        "print('after')",
        "figure, axes = plt.subplots()\naxes.plot([1]);",
        "display(figure)",
        "figure2 = plt.figure()",
        "plt.plot([1])\n1 / 0",
    )
    kinds = [[item["type"] for item in ran.items(number)] for number in range(1, 6)]
    assert kinds == [
        ["ansi", "mimeBundle", "ansi"],
        ["mimeBundle"],
        ["mimeBundle"],
        [],
        ["mimeBundle"],
    ]
    data = base64.b64decode(ran.items(1)[1]["data"]["image/png"])
    assert data.startswith(b"\x89PNG\r\n")


def test_listing_as_last_value_is_a_table(bench: Bench) -> None:
    ran = bench.run("dbutils.fs.ls('/Volumes/main/default')")
    assert [field["name"] for field in ran.items()[0]["schema"]] == [
        "path", "name", "size", "modificationTime",
    ]  # fmt: skip
    assert ran.table()[0][1] == "brickloop/"
