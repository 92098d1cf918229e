"""Spark's types: what two of them have in common, what an aggregate gives, and their SQL."""

from __future__ import annotations

import re

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    NullType,
    ShortType,
    StringType,
    StructType,
    TimestampNTZType,
    TimestampType,
)

WHOLE_DIGITS = {ByteType: 3, ShortType: 5, IntegerType: 10, LongType: 20}
_ORDER = (ByteType, ShortType, IntegerType, LongType)
PRECISION = 38
LEAST_SCALE = 6
_PLAIN = {
    "TINYINT": ByteType, "BYTE": ByteType, "SMALLINT": ShortType, "SHORT": ShortType,
    "INT": IntegerType, "INTEGER": IntegerType, "BIGINT": LongType, "LONG": LongType,
    "FLOAT": FloatType, "REAL": FloatType, "DOUBLE": DoubleType, "STRING": StringType,
    "TEXT": StringType, "DATE": DateType, "TIMESTAMP": TimestampType, "BOOLEAN": BooleanType,
    "TIMESTAMP_LTZ": TimestampType, "TIMESTAMPLTZ": TimestampType, "BINARY": BinaryType,
    "TIMESTAMP_NTZ": TimestampNTZType, "TIMESTAMPNTZ": TimestampNTZType, "VOID": NullType,
}  # fmt: skip
_DECIMAL = re.compile(r"(?:DECIMAL|DEC|NUMERIC)(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?")


def is_real(kind: DataType | None) -> bool:
    """Whether values are written with a decimal point that floats."""
    return isinstance(kind, FloatType | DoubleType)


def common_type(left: DataType | None, right: DataType | None) -> DataType | None:
    """The type to which ANSI Spark brings both sides of UNION, CASE and their like; None where it
    is not known."""
    if left is None or right is None:
        return None
    if left == right or isinstance(right, NullType):
        return left
    if isinstance(left, NullType):
        return right
    if type(left) in WHOLE_DIGITS and type(right) in WHOLE_DIGITS:
        return wider(left, right)
    if is_real(left) or is_real(right):
        return _common_real(left, right)
    if isinstance(left, DecimalType) or isinstance(right, DecimalType):
        if isinstance(left, StringType) or isinstance(right, StringType):
            return DoubleType()
        a, b = as_decimal(left), as_decimal(right)
        if a is None or b is None:
            return None
        scale = max(a.scale, b.scale)
        return bounded(max(a.precision - a.scale, b.precision - b.scale) + scale, scale)
    dates = (DateType, TimestampType, TimestampNTZType)
    if isinstance(left, dates) and isinstance(right, dates):
        zoned = isinstance(left, TimestampType) or isinstance(right, TimestampType)
        return TimestampType() if zoned else TimestampNTZType()
    if isinstance(left, StringType) or isinstance(right, StringType):
        other = right if isinstance(left, StringType) else left
        if type(other) in WHOLE_DIGITS:
            return LongType()
        return other if isinstance(other, (*dates, BooleanType, BinaryType)) else None
    return None


def _common_real(left: DataType, right: DataType) -> DataType | None:
    known = (*WHOLE_DIGITS, FloatType, DoubleType, DecimalType, StringType)
    if isinstance(left, FloatType) and isinstance(right, FloatType):
        return left
    return DoubleType() if isinstance(left, known) and isinstance(right, known) else None


def aggregate_kind(name: str, kind: DataType | None) -> DataType | None:
    """The type of an aggregate's value in Spark, where the name and operand say it."""
    if name in {"count", "count_if", "approx_count_distinct", "regr_count"}:
        return LongType()
    if name in {"min", "max", "first", "last", "any_value", "first_value", "last_value", "mode",
                "lag", "lead", "nth_value"}:  # fmt: skip
        return kind
    if name == "sum" and kind is not None:
        if isinstance(kind, DecimalType):
            return bounded(kind.precision + 10, kind.scale)
        return LongType() if type(kind) in WHOLE_DIGITS else DoubleType() if is_real(kind) else None
    if name in {"avg", "mean"} and kind is not None:
        if isinstance(kind, DecimalType):
            return bounded(kind.precision + 4, kind.scale + 4)
        return DoubleType() if type(kind) in WHOLE_DIGITS or is_real(kind) else None
    return None


def type_text(kind: DataType) -> str:
    """The type as SQL."""
    if isinstance(kind, DecimalType):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return str(kind.simpleString()).upper()


def integer_kind(value: int) -> DataType:
    """The type of an integer literal."""
    if -(2**31) <= value < 2**31:
        return IntegerType()
    if -(2**63) <= value < 2**63:
        return LongType()
    return DecimalType(min(len(str(abs(value))), PRECISION), 0)


def read_type(text: str) -> DataType | None:
    """A type from its SQL; None for one that is nested or not known."""
    text = text.strip().upper()
    if text in _PLAIN:
        made: DataType = _PLAIN[text]()
        return made
    found = _DECIMAL.fullmatch(text)
    if found:
        return DecimalType(int(found[1] or 10), int(found[2] or 0))
    return None


def wider(left: DataType, right: DataType) -> DataType:
    return max(left, right, key=lambda kind: _ORDER.index(type(kind)))


def bounded(precision: int, scale: int) -> DecimalType:
    return DecimalType(min(precision, PRECISION), min(scale, PRECISION))


def adjusted(precision: int, scale: int) -> DecimalType:
    """A decimal of at most 38 digits that loses digits after the point first."""
    if precision <= PRECISION:
        return DecimalType(precision, scale)
    whole = precision - scale
    kept = max(PRECISION - whole, min(scale, LEAST_SCALE))
    return DecimalType(PRECISION, kept)


def as_decimal(kind: DataType | None) -> DecimalType | None:
    """The decimal as which Spark takes a number of this type."""
    if isinstance(kind, DecimalType):
        return kind
    digits = WHOLE_DIGITS.get(type(kind))
    return None if digits is None else DecimalType(digits, 0)


def holds_map(kind: DataType | None) -> bool:
    """Whether values are maps, or have maps in them: they have no order, and no one key."""
    if isinstance(kind, MapType):
        return True
    if isinstance(kind, ArrayType):
        return holds_map(kind.elementType)
    return isinstance(kind, StructType) and any(holds_map(each.dataType) for each in kind.fields)
