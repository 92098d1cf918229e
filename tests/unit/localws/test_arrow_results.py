from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DayTimeIntervalType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
    YearMonthIntervalType,
)

from brickloop.localws.arrow_results import ResultShape, WireFormat, sql_name
from brickloop.localws.result_text import text_rows, write_csv, write_float, write_json

DAY = datetime.timedelta(days=1)


def shaped(kind: DataType, column: pa.Array, wire: WireFormat | None = None) -> list[Any]:
    """What a client gets of one column, also where it is a slice of a longer one."""
    shape = ResultShape(StructType([StructField("c", kind)]), wire or WireFormat())
    longer = pa.concat_arrays([column, column, column])
    whole = shape.batch(pa.RecordBatch.from_arrays([column], names=["c"]))
    sliced = pa.RecordBatch.from_arrays([longer], names=["c"]).slice(len(column), len(column))
    assert shape.batch(sliced).column(0).to_pylist() == whole.column(0).to_pylist()
    assert whole.schema.equals(shape.arrow_schema)
    found: list[Any] = whole.column(0).to_pylist()
    return found


def test_intervals_are_text_with_nulls_between() -> None:
    durations = pa.array([DAY, None, -DAY - datetime.timedelta(microseconds=1)])
    assert shaped(DayTimeIntervalType(), durations) == [
        "1 00:00:00.000000000", None, "-1 00:00:00.000001000",
    ]  # fmt: skip


def test_lists_of_intervals_keep_their_nulls() -> None:
    column = pa.array([[DAY, None], None, [], [DAY]], pa.list_(pa.duration("us")))
    text = "1 00:00:00.000000000"
    assert shaped(ArrayType(DayTimeIntervalType()), column) == [[text, None], None, [], [text]]


def test_maps_and_structs_of_intervals_keep_their_nulls() -> None:
    kind = pa.map_(pa.string(), pa.duration("us"))
    column = pa.array([[("a", DAY), ("b", None)], None, []], kind)
    text = "1 00:00:00.000000000"
    found = shaped(MapType(StringType(), DayTimeIntervalType()), column)
    assert found == [[("a", text), ("b", None)], None, []]
    parts = pa.array([{"x": DAY}, None, {"x": None}], pa.struct([("x", pa.duration("us"))]))
    struct = StructType([StructField("x", DayTimeIntervalType())])
    assert shaped(struct, parts) == [{"x": text}, None, {"x": None}]


def test_large_and_encoded_strings_become_plain_ones() -> None:
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        column = pa.array(["a", None, "b"]).cast(kind)
        shape = ResultShape(StructType([StructField("c", StringType())]), WireFormat())
        found = shape.batch(pa.RecordBatch.from_arrays([column], names=["c"]))
        assert found.column(0).to_pylist() == ["a", None, "b"]
        assert found.schema.field(0).type == pa.string()


def test_timestamps_carry_the_session_zone() -> None:
    moment = datetime.datetime(2024, 7, 1, 12, tzinfo=datetime.timezone.utc)
    column = pa.array([moment], pa.timestamp("us", "UTC"))
    schema = StructType([StructField("c", TimestampType())])
    batch = pa.RecordBatch.from_arrays([column], names=["c"])
    berlin = ResultShape(schema, WireFormat(), "Europe/Berlin").batch(batch)
    assert berlin.schema.field(0).type == pa.timestamp("us", "Europe/Berlin")
    assert berlin.column(0).to_pylist() == [moment]
    plain = ResultShape(schema, WireFormat(timestamps=False), "Europe/Berlin").batch(batch)
    assert plain.column(0).to_pylist() == ["2024-07-01 14:00:00"]
    utc = ResultShape(schema, WireFormat(utc="Etc/UTC")).batch(batch)
    assert utc.schema.field(0).type == pa.timestamp("us", "Etc/UTC")


def test_nested_values_as_json_text_where_a_client_wants_it() -> None:
    kind = StructType(
        [
            StructField("d", DecimalType(5, 2)),
            StructField("l", ArrayType(DoubleType())),
            StructField("s", StringType()),
        ]
    )
    arrow = pa.struct(
        [("d", pa.decimal128(5, 2)), ("l", pa.list_(pa.float64())), ("s", pa.string())]
    )
    column = pa.array([{"d": Decimal("1.50"), "l": [1.0, float("nan")], "s": 'q"'}, None], arrow)
    found = shaped(kind, column, WireFormat(complex_types=False))
    assert found == ['{"d":1.50,"l":[1.0,"NaN"],"s":"q\\""}', None]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (DecimalType(10, 2), "DECIMAL(10,2)"),
        (LongType(), "BIGINT"),
        (ArrayType(IntegerType()), "ARRAY<INT>"),
        (MapType(StringType(), ArrayType(LongType())), "MAP<STRING, ARRAY<BIGINT>>"),
        (StructType([StructField("Mixed", LongType())]), "STRUCT<Mixed: BIGINT>"),
        (YearMonthIntervalType(0, 1), "INTERVAL YEAR TO MONTH"),
    ],
)
def test_types_as_sql_writes_them(kind: DataType, name: str) -> None:
    assert sql_name(kind) == name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (0.001, "0.001"), (9999999.0, "9999999.0"),
        (1e7, "1.0E7"), (1.5e10, "1.5E10"), (9.9e-4, "9.9E-4"), (-1e-5, "-1.0E-5"),
        (float("nan"), "NaN"), (float("inf"), "Infinity"), (float("-inf"), "-Infinity"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
    ],
)  # fmt: skip
def test_floats_as_spark_writes_them(value: float, text: str) -> None:
    assert write_float(value) == text


@given(st.floats(allow_nan=False))
def test_a_float_read_back_is_the_same(value: float) -> None:
    assert float(write_float(value)) == value


def test_rows_as_json_and_csv() -> None:
    schema = StructType([StructField("a", IntegerType()), StructField("b", StringType())])
    batch = pa.RecordBatch.from_arrays(
        [pa.array([1, None], pa.int32()), pa.array(['x,"\n', None])], names=["a", "b"]
    )
    rows = text_rows(batch, schema)
    assert rows == [["1", 'x,"\n'], [None, None]]
    assert write_json(rows) == b'[["1","x,\\"\\n"],[null,null]]'
    assert write_csv(rows, ["a", "b"]) == b'a,b\r\n1,"x,""\n"\r\nnull,null\r\n'
    assert write_csv(rows[1:], None) == b"null,null\r\n"
