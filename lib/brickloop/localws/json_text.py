"""``to_json`` as Spark writes it: the digits of decimals, numbers that float, and times, which the
engine writes otherwise.

Such leaves become text before; the quotes around numbers are taken away after.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql.types import (
    ArrayType,
    DataType,
    DecimalType,
    MapType,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from brickloop.localws.operands import Builder, spark_text
from brickloop.localws.spark_types import is_real

_MARK = "\ue000\ue001"
"""Characters for private use, which no text of a user has side by side."""
_NUMBER = f'"{_MARK}(-?[0-9][-0-9.E]*){_MARK}"'
_ZONED = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"
_PLAIN = "yyyy-MM-dd'T'HH:mm:ss.SSS"


def json_text(build: Builder, node: Any, kind: DataType) -> Any:
    """The call for the engine, None where its own text is Spark's."""
    if not _needs(kind):
        return None
    text = build.call("to_json", _written(build, node, kind))
    if _holds_numbers(kind):
        text = build.call("regexp_replace", text, build.text(_NUMBER), build.text("$1"))
        text = build.call("replace", text, build.text(_MARK), build.text(""))
    return text


def _needs(kind: DataType) -> bool:
    return any(_is_number(leaf) or _is_time(leaf) for leaf in _leaves(kind))


def _holds_numbers(kind: DataType) -> bool:
    return any(_is_number(leaf) for leaf in _leaves(kind))


def _leaves(kind: DataType) -> list[DataType]:
    if isinstance(kind, ArrayType):
        return _leaves(kind.elementType)
    if isinstance(kind, MapType):
        return _leaves(kind.valueType)
    if isinstance(kind, StructType):
        return [leaf for field in kind.fields for leaf in _leaves(field.dataType)]
    return [kind]


def _is_number(kind: DataType) -> bool:
    return is_real(kind) or isinstance(kind, DecimalType)


def _is_time(kind: DataType) -> bool:
    return isinstance(kind, TimestampType | TimestampNTZType)


def _written(build: Builder, node: Any, kind: DataType) -> Any:
    """The value with the leaves that the engine writes otherwise as text."""
    if not _needs(kind):
        return node
    if is_real(kind):
        return build.call("concat", build.text(_MARK), spark_text(build, node), build.text(_MARK))
    if isinstance(kind, DecimalType):
        shown = build.cast(node, "STRING")
        return build.call("concat", build.text(_MARK), shown, build.text(_MARK))
    if isinstance(kind, TimestampType):
        return build.call("date_format", node, build.text(_ZONED))
    if isinstance(kind, TimestampNTZType):
        return build.call("date_format", node, build.text(_PLAIN))
    if isinstance(kind, ArrayType):
        return build.transform(node, lambda each: _written(build, each, kind.elementType))
    if isinstance(kind, MapType):
        entries = build.call("map_entries", node)

        def pair(entry: Any) -> Any:
            value = _written(build, build.field(entry, "value"), kind.valueType)
            return build.call(
                "named_struct",
                build.text("key"), build.field(entry, "key"), build.text("value"), value,
            )  # fmt: skip

        return build.call("map_from_entries", build.transform(entries, pair))
    assert isinstance(kind, StructType)
    parts: list[Any] = []
    for field in kind.fields:
        value = _written(build, build.field(node, field.name), field.dataType)
        parts += [build.text(field.name), value]
    return build.when(build.call("isnotnull", node), build.call("named_struct", *parts))
