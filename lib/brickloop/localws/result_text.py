"""Rows of results as text, as JSON and CSV results carry them: every value a string, or null.

https://docs.databricks.com/api/workspace/statementexecution: binary as base64, points in time in
ISO form, nested values as JSON text.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import types as spark
from pyspark.sql.types import DataType, StructType

from brickloop.localws.arrow_results import NESTED, iso_timestamp, json_column

_PLAIN_BELOW, _PLAIN_FROM = 1e7, 1e-3
_CAST = (
    spark.BooleanType, spark.ByteType, spark.ShortType, spark.IntegerType, spark.LongType,
    spark.DateType,
)  # fmt: skip


def text_rows(batch: pa.RecordBatch, schema: StructType) -> list[list[str | None]]:
    """The batch's rows; its columns are of the wire's types."""
    if not schema.fields:
        return []
    columns = [
        _texts(column, field.dataType)
        for column, field in zip(batch.columns, schema.fields, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def write_json(rows: Sequence[Sequence[str | None]]) -> bytes:
    """The rows as an array of arrays."""
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def write_csv(rows: Sequence[Sequence[str | None]], names: Sequence[str] | None) -> bytes:
    """The rows as RFC 4180 has it, ``null`` for what is missing; ``names`` make a first line."""
    text = io.StringIO()
    writer = csv.writer(text)
    if names is not None:
        writer.writerow(names)
    writer.writerows(["null" if each is None else each for each in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _texts(column: pa.Array, kind: DataType) -> list[str | None]:
    values: list[Any]
    if isinstance(kind, NESTED):
        values = json_column(column, kind).to_pylist()
    elif isinstance(kind, _CAST):
        values = column.cast(pa.string()).to_pylist()
    elif isinstance(kind, (spark.TimestampType, spark.TimestampNTZType)):
        values = [None if each is None else iso_timestamp(each) for each in column.to_pylist()]
    elif isinstance(kind, spark.BinaryType):
        values = [
            None if each is None else base64.b64encode(each).decode() for each in column.to_pylist()
        ]
    elif isinstance(kind, spark.DecimalType):
        values = [None if each is None else format(each, "f") for each in column.to_pylist()]
    elif isinstance(kind, (spark.DoubleType, spark.FloatType)):
        single = isinstance(kind, spark.FloatType)
        values = [
            None if each is None else write_float(each, single) for each in column.to_pylist()
        ]
    else:
        values = column.to_pylist()
    return values


def write_float(value: float, single: bool = False) -> str:
    """A floating point number as Spark writes it: ``1.0``, ``1.0E10``, ``NaN``, ``Infinity``."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    number: Any = np.float32(value) if single else value
    if value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        return np.format_float_positional(number, unique=True, trim="0")
    text = np.format_float_scientific(number, unique=True, trim="0", exp_digits=1)
    return text.replace("e+", "E").replace("e", "E")
