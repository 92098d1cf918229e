"""Tables as the notebook model holds them: JSON values that lose nothing, Spark's type names."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from typing import Any

ROW_LIMIT = 10_000
BYTE_LIMIT = 2_000_000
"""What ``display`` shows at most, as on Databricks: https://docs.databricks.com/en/notebooks/notebook-limitations.html"""
_EXACT_INTEGER = 2**53


def table_item(
    names: list[str], types: list[str], columns: list[list[Any]], *, more: bool
) -> dict[str, Any]:
    """The model's table of columns of Python values; ``more`` says that rows were left out before.

    ``types`` are Spark types as JSON text (``"long"`` in quotes). Rows beyond 10,000 or 2 MB go.
    """
    rows: list[list[Any]] = []
    size = 0
    for row in zip(*columns, strict=True) if columns else ():
        shown = [json_value(value) for value in row]
        size += len(json.dumps(shown))
        if len(rows) == ROW_LIMIT or (size > BYTE_LIMIT and rows):
            more = True
            break
        rows.append(shown)
    schema = [
        {"name": name, "type": kind, "metadata": "{}"}
        for name, kind in zip(names, types, strict=True)
    ]
    return {"type": "table", "data": rows, "schema": schema, "overflow": more}


def arrow_item(table: Any, types: list[str] | None = None, *, more: bool = False) -> dict[str, Any]:
    """The model's table of an Arrow table."""
    more = more or table.num_rows > ROW_LIMIT
    table = table.slice(0, ROW_LIMIT)
    if types is None:
        types = [json.dumps(_spark_type(field.type)) for field in table.schema]
    columns = [_arrow_values(column) for column in table.columns]
    return table_item(list(table.column_names), types, columns, more=more)


def json_value(value: Any) -> Any:
    """The value in JSON's types; what they cannot hold exactly becomes text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        # JavaScript's numbers, and so many readers', are exact up to here
        return value if abs(value) <= _EXACT_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return _timestamp(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, dict):
        return {str(key): json_value(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [json_value(each) for each in value]
    if callable(getattr(value, "tolist", None)):
        # numpy's scalars and arrays
        plain = value.tolist()
        return str(plain) if type(plain) is type(value) else json_value(plain)
    return str(value)


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _timestamp(value: datetime.datetime) -> str:
    text = value.isoformat(timespec="microseconds" if value.microsecond % 1000 else "milliseconds")
    if value.tzinfo is None:
        return text
    stamp, sign, zone = text[:-6], text[-6], text[-5:]
    return f"{stamp}{sign}{zone.replace(':', '')}"


def _arrow_values(column: Any) -> list[Any]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        # Python's datetime ends at microseconds
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return [None if each is None else str(each) for each in _durations(column)]
    elif pa.types.is_map(kind):
        return [None if each is None else dict(each) for each in column.to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def _durations(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_duration(column.type) and column.type.unit == "ns":
        column = column.cast(pa.duration("us"), safe=False)
    values: list[Any] = column.to_pylist()
    return values


def _spark_type(kind: Any) -> Any:
    """Spark's name of an Arrow type: text, or an object for a nested one."""
    import pyarrow as pa

    names = {
        "bool": "boolean", "int8": "byte", "int16": "short", "int32": "integer", "int64": "long",
        "uint8": "short", "uint16": "integer", "uint32": "long", "uint64": "decimal(20,0)",
        "halffloat": "float", "float": "float", "double": "double", "string": "string",
        "large_string": "string", "string_view": "string", "binary": "binary",
        "large_binary": "binary", "date32[day]": "date", "date64[ms]": "date", "null": "void",
    }  # fmt: skip
    if str(kind) in names:
        return names[str(kind)]
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz else "timestamp_ntz"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_duration(kind):
        return "interval day to second"
    if pa.types.is_dictionary(kind):
        return _spark_type(kind.value_type)
    if pa.types.is_map(kind):
        return {
            "type": "map",
            "keyType": _spark_type(kind.key_type),
            "valueType": _spark_type(kind.item_type),
            "valueContainsNull": True,
        }
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return {"type": "array", "elementType": _spark_type(kind.value_type), "containsNull": True}
    if pa.types.is_struct(kind):
        fields = [
            {"name": field.name, "type": _spark_type(field.type), "nullable": True, "metadata": {}}
            for field in kind
        ]
        return {"type": "struct", "fields": fields}
    return "string"
