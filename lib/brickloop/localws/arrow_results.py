"""Result batches as clients of a warehouse are sent them: the engine's Arrow in the wire's types.

On the wire timestamps carry the session's zone, intervals are text, VARIANT is JSON text, and what
a client cannot read as Arrow is text too. https://docs.databricks.com/dev-tools/python-sql-connector
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import types as spark
from pyspark.sql.types import DataType, StructType, VariantVal

SQL_NAME = "Spark:DataType:SqlName"
JSON_TYPE = "Spark:DataType:JsonType"
_MICROSECONDS = 1_000_000
_DAY_SECONDS = 86_400
_PLAIN: dict[type[DataType], pa.DataType] = {
    spark.BooleanType: pa.bool_(),
    spark.ByteType: pa.int8(),
    spark.ShortType: pa.int16(),
    spark.IntegerType: pa.int32(),
    spark.LongType: pa.int64(),
    spark.FloatType: pa.float32(),
    spark.DoubleType: pa.float64(),
    spark.StringType: pa.string(),
    spark.BinaryType: pa.binary(),
    spark.DateType: pa.date32(),
    spark.NullType: pa.null(),
    spark.TimestampNTZType: pa.timestamp("us"),
}


@dataclass(frozen=True)
class WireFormat:
    """What a client can read as Arrow; the rest is sent as text."""

    timestamps: bool = True
    decimals: bool = True
    complex_types: bool = True
    utc: str = "UTC"
    """What timestamps call that zone, where it is the session's."""


class ResultShape:
    """How one result's columns go onto the wire."""

    def __init__(self, schema: StructType, wire: WireFormat, zone: str = "UTC") -> None:
        """``zone`` is the session's time zone."""
        self.schema = schema
        self._wire = wire
        self._zone = wire.utc if zone == "UTC" else zone
        self._has_months = any(_has_months(field.dataType) for field in schema.fields)
        self.arrow_schema = pa.schema([self._field(field) for field in schema.fields])

    def batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The engine's batch in the types of ``arrow_schema``."""
        if self._has_months:
            batch = _read_months(batch)
        columns = [
            self._column(column, field.dataType, target.type)
            for column, field, target in zip(
                batch.columns, self.schema.fields, self.arrow_schema, strict=True
            )
        ]
        if not columns:
            return batch
        return pa.RecordBatch.from_arrays(columns, schema=self.arrow_schema)

    def _field(self, field: spark.StructField) -> pa.Field:
        metadata = {SQL_NAME: sql_name(field.dataType), JSON_TYPE: field.dataType.json()}
        return pa.field(field.name, self._type(field.dataType), metadata=metadata)

    def _type(self, kind: DataType) -> pa.DataType:
        wire = self._wire
        if is_text(kind) or (isinstance(kind, NESTED) and not wire.complex_types):
            return pa.string()
        if isinstance(kind, (spark.TimestampType, spark.TimestampNTZType)) and not wire.timestamps:
            return pa.string()
        if isinstance(kind, spark.DecimalType) and not wire.decimals:
            return pa.string()
        return arrow_type(kind, self._zone)

    def _column(self, column: pa.Array, kind: DataType, target: pa.DataType) -> pa.Array:
        if pa.types.is_string(target) and not isinstance(kind, spark.StringType):
            if isinstance(kind, NESTED):
                return json_column(column, kind, self._zone)
            return text_column(column, kind, self._zone)
        return convert(column, kind, target, self._zone)


NESTED = (spark.ArrayType, spark.MapType, spark.StructType)
"""Types whose values hold others."""


def is_text(kind: DataType) -> bool:
    """Whether values of the type are always sent as text, whatever the client can read."""
    return isinstance(
        kind, (spark.VariantType, spark.DayTimeIntervalType, spark.YearMonthIntervalType)
    ) or kind.typeName() in {"interval", "calendarinterval"}


def arrow_type(kind: DataType, zone: str) -> pa.DataType:
    """The Arrow type in which values of a Spark type are sent."""
    if isinstance(kind, spark.DecimalType):
        return pa.decimal128(kind.precision, kind.scale)
    if isinstance(kind, spark.TimestampType):
        return pa.timestamp("us", zone)
    if isinstance(kind, spark.ArrayType):
        return pa.list_(pa.field("element", arrow_type(kind.elementType, zone)))
    if isinstance(kind, spark.MapType):
        return pa.map_(arrow_type(kind.keyType, zone), arrow_type(kind.valueType, zone))
    if isinstance(kind, spark.StructType):
        return pa.struct([pa.field(f.name, arrow_type(f.dataType, zone)) for f in kind.fields])
    return _PLAIN.get(type(kind), pa.string())


def convert(array: pa.Array, kind: DataType, target: pa.DataType, zone: str) -> pa.Array:
    """The array in the wire's type; values inside nested types too."""
    if array.type.equals(target):
        return array
    if is_text(kind):
        return text_column(array, kind, zone)
    if isinstance(kind, spark.ArrayType):
        array = _unsliced(array)
        values = convert(array.values, kind.elementType, target.value_type, zone)
        kept = target if values.type.equals(target.value_type) else pa.list_(values.type)
        return pa.ListArray.from_arrays(
            array.offsets.cast(pa.int32()), values, type=kept, mask=array.is_null()
        )
    if isinstance(kind, spark.MapType):
        array = _unsliced(array)
        keys = convert(array.keys, kind.keyType, target.key_type, zone)
        items = convert(array.items, kind.valueType, target.item_type, zone)
        return pa.MapArray.from_arrays(array.offsets, keys, items, mask=array.is_null())
    if isinstance(kind, spark.StructType):
        array = _unsliced(array)
        fields = [target.field(index) for index in range(target.num_fields)]
        children = [
            convert(array.field(index), part.dataType, field.type, zone)
            for index, (part, field) in enumerate(zip(kind.fields, fields, strict=True))
        ]
        return pa.StructArray.from_arrays(children, fields=fields, mask=array.is_null())
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_timestamp(target) and array.type.unit == "ns":
        return array.cast(target, safe=False)
    return array.cast(target)


def text_column(array: pa.Array, kind: DataType, zone: str) -> pa.Array:
    """Values as text, written as SQL shows them."""
    if pa.types.is_string(array.type):
        return array
    if isinstance(kind, spark.YearMonthIntervalType):
        return pa.array([_write_months(each) for each in array.to_pylist()], pa.string())
    if isinstance(kind, spark.DayTimeIntervalType):
        return pa.array([_write_duration(each) for each in _microseconds(array)], pa.string())
    if isinstance(kind, spark.VariantType):
        return pa.array([_write_variant(each) for each in array.to_pylist()], pa.string())
    if isinstance(kind, (spark.TimestampType, spark.TimestampNTZType)):
        unit = pa.timestamp("us", zone if isinstance(kind, spark.TimestampType) else None)
        values = array.cast(unit, safe=False).to_pylist()
        return pa.array([_write_timestamp(each) for each in values], pa.string())
    if isinstance(kind, spark.DecimalType):
        values = array.to_pylist()
        texts = [None if each is None else format(each, "f") for each in values]
        return pa.array(texts, pa.string())
    if pa.types.is_interval(array.type):
        return pa.array([_write_calendar(each) for each in array.to_pylist()], pa.string())
    return pa.array([None if each is None else str(each) for each in array.to_pylist()])


def json_column(array: pa.Array, kind: DataType, zone: str = "UTC") -> pa.Array:
    """Values of a nested type as JSON text."""
    values = convert(array, kind, arrow_type(kind, zone), zone).to_pylist()
    return pa.array(
        [None if each is None else _write_json(each, kind) for each in values],
        pa.string(),
    )


def sql_name(kind: DataType) -> str:
    """The type as SQL writes it: ``DECIMAL(10,2)``, ``ARRAY<INT>``."""
    if isinstance(kind, spark.ArrayType):
        return f"ARRAY<{sql_name(kind.elementType)}>"
    if isinstance(kind, spark.MapType):
        return f"MAP<{sql_name(kind.keyType)}, {sql_name(kind.valueType)}>"
    if isinstance(kind, spark.StructType):
        fields = (f"{field.name}: {sql_name(field.dataType)}" for field in kind.fields)
        return f"STRUCT<{', '.join(fields)}>"
    return str(kind.simpleString()).upper()


def has_timestamps(kind: DataType) -> bool:
    """Whether values of the type are points in time, or hold some."""
    return _holds(kind, spark.TimestampType)


def _has_months(kind: DataType) -> bool:
    return _holds(kind, spark.YearMonthIntervalType)


def _holds(kind: DataType, wanted: type[DataType]) -> bool:
    if isinstance(kind, spark.ArrayType):
        return _holds(kind.elementType, wanted)
    if isinstance(kind, spark.MapType):
        return _holds(kind.keyType, wanted) or _holds(kind.valueType, wanted)
    if isinstance(kind, spark.StructType):
        return any(_holds(field.dataType, wanted) for field in kind.fields)
    return isinstance(kind, wanted)


def _read_months(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with month intervals as numbers: Arrow for Python has no values for them."""
    plain = pa.schema([field.with_type(_without_months(field.type)) for field in batch.schema])
    return pa.ipc.read_record_batch(batch.serialize(), plain)


def _without_months(kind: pa.DataType) -> pa.DataType:
    if str(kind) == "month_interval":
        return pa.int32()
    if pa.types.is_map(kind):
        return pa.map_(_without_months(kind.key_type), _without_months(kind.item_type))
    if pa.types.is_struct(kind):
        parts = [kind.field(index) for index in range(kind.num_fields)]
        return pa.struct([part.with_type(_without_months(part.type)) for part in parts])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        make = pa.list_ if pa.types.is_list(kind) else pa.large_list
        return make(kind.value_field.with_type(_without_months(kind.value_type)))
    return kind


def _unsliced(array: pa.Array) -> pa.Array:
    # the parts of a slice do not know of it
    return array if array.offset == 0 else pa.concat_arrays([array, array.slice(0, 0)])


def _microseconds(array: pa.Array) -> list[int | None]:
    if pa.types.is_duration(array.type):
        array = array.cast(pa.duration("us"), safe=False).cast(pa.int64())
        values: list[int | None] = array.to_pylist()
        return values
    found = []
    for each in array.to_pylist():
        # months, days, nanoseconds
        found.append(
            None
            if each is None
            else each.days * _DAY_SECONDS * _MICROSECONDS + each.nanoseconds // 1000
        )
    return found


def _write_calendar(value: Any) -> str | None:
    """An interval of months, days and time as Spark writes it: ``1 years 2 months 3.5 seconds``."""
    if value is None:
        return None
    nanoseconds = abs(value.nanoseconds)
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    sign = -1 if value.nanoseconds < 0 else 1
    parts = [
        (int(value.months / 12), "years"),
        (value.months - int(value.months / 12) * 12, "months"),
        (value.days, "days"),
        (sign * (minutes // 60), "hours"),
        (sign * (minutes % 60), "minutes"),
    ]
    shown = [f"{number} {word}" for number, word in parts if number]
    if rest:
        seconds = f"{rest / 1e9:.6f}".rstrip("0").rstrip(".")
        shown.append(f"{'-' if sign < 0 else ''}{seconds} seconds")
    return " ".join(shown) or "0 seconds"


def _write_months(months: int | None) -> str | None:
    if months is None:
        return None
    sign, months = ("-" if months < 0 else ""), abs(months)
    return f"{sign}{months // 12}-{months % 12}"


def _write_duration(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    sign, rest = ("-" if microseconds < 0 else ""), abs(microseconds)
    seconds, fraction = divmod(rest, _MICROSECONDS)
    days, seconds = divmod(seconds, _DAY_SECONDS)
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    return f"{sign}{days} {hours:02}:{minutes:02}:{seconds % 60:02}.{fraction * 1000:09}"


def _write_variant(value: dict[str, bytes] | None) -> str | None:
    if value is None or value["value"] is None:
        return None
    return str(VariantVal(value["value"], value["metadata"]).toJson())


def _write_timestamp(value: datetime.datetime | None) -> str | None:
    if value is None:
        return None
    text = value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    return text.rstrip("0").rstrip(".")


def _write_json(value: Any, kind: DataType) -> str:
    """A value as JSON text, as Spark's ``to_json`` writes it; decimals keep every digit."""
    if value is None:
        return "null"
    if isinstance(kind, spark.ArrayType):
        return f"[{','.join(_write_json(each, kind.elementType) for each in value)}]"
    if isinstance(kind, spark.MapType):
        pairs = value.items() if isinstance(value, dict) else value
        parts = (f"{_quote(_key(key))}:{_write_json(each, kind.valueType)}" for key, each in pairs)
        return f"{{{','.join(parts)}}}"
    if isinstance(kind, spark.StructType):
        parts = (
            f"{_quote(field.name)}:{_write_json(value[field.name], field.dataType)}"
            for field in kind.fields
        )
        return f"{{{','.join(parts)}}}"
    if isinstance(kind, spark.VariantType):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return '"NaN"' if math.isnan(value) else ('"Infinity"' if value > 0 else '"-Infinity"')
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return _quote(base64.b64encode(value).decode())
    return _quote(_key(value))


def _key(key: Any) -> str:
    if isinstance(key, datetime.datetime):
        return iso_timestamp(key)
    if isinstance(key, bool):
        return "true" if key else "false"
    return key if isinstance(key, str) else str(key)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def iso_timestamp(value: datetime.datetime) -> str:
    """A point in time as JSON results show it: ``2024-01-31T12:00:00.000Z``."""
    text = value.replace(tzinfo=None).isoformat(
        timespec="microseconds" if value.microsecond % 1000 else "milliseconds"
    )
    if value.tzinfo is None:
        return text
    offset = value.strftime("%z")
    return text + ("Z" if offset in {"+0000", ""} else f"{offset[:3]}:{offset[3:]}")
