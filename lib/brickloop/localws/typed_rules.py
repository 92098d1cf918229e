"""What the engine computes otherwise than Spark, by the types of the operands, written so that it
computes the same.

A rule sees an operator or function by Spark's name with its operands and their types, and gives the
expression for the engine and the type of its value. It builds through a ``Builder``, so that SQL
trees and Spark Connect plans share the rules. Sources: Spark's ANSI arithmetic and its rules of
decimal precision (https://spark.apache.org/docs/latest/sql-ref-ansi-compliance.html), and
https://docs.databricks.com/en/sql/language-manual/data-types/decimal-type.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql.types import (
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DayTimeIntervalType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    NullType,
    ShortType,
    StringType,
    TimestampType,
)

from brickloop.localws.function_rules import mend_function
from brickloop.localws.operands import Builder, Mended, Operand, spark_text
from brickloop.localws.spark_errors import not_ordered
from brickloop.localws.spark_types import (
    LEAST_SCALE,
    PRECISION,
    WHOLE_DIGITS,
    adjusted,
    as_decimal,
    bounded,
    common_type,
    holds_map,
    integer_kind,
    is_real,
    type_text,
    wider,
)

_LARGEST = {ByteType: 2**7, ShortType: 2**15, IntegerType: 2**31, LongType: 2**63}
_REMAINDERS = frozenset({"%", "mod", "pmod"})
_ENGINE_SCALE = 4
"""How many digits the engine's division of decimals adds to the dividend's scale."""
OPERATORS = frozenset({"+", "-", "*", "/", "%", "mod", "pmod"})
RANKINGS = frozenset(
    {"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead",
     "nth_value"}
)  # fmt: skip
"""Functions that Spark computes over a window with ORDER BY only."""
COMPARISONS = frozenset({"=", "==", "<=>", "<>", "!=", "<", "<=", ">", ">="})
TEXT_OPERANDS = {
    "concat": None, "||": None, "concat_ws": None, "upper": 1, "lower": 1, "ucase": 1, "lcase": 1,
    "length": 1, "char_length": 1, "character_length": 1, "len": 1, "substring": 1, "substr": 1,
    "left": 1, "right": 1, "trim": 1, "ltrim": 1, "rtrim": 1, "btrim": 1, "lpad": 1, "rpad": 1,
    "replace": 3, "regexp_replace": 1, "regexp_extract": 1, "regexp_like": 1, "rlike": 1,
    "like": 1, "split": 1, "split_part": 1, "instr": 2, "locate": 2, "contains": 2,
    "startswith": 2, "endswith": 2, "reverse": 1, "repeat": 1, "translate": 1, "initcap": 1,
    "md5": 1, "sha1": 1, "sha": 1, "sha2": 1, "base64": 1, "listagg": 1, "string_agg": 1,
}  # fmt: skip
"""Functions of text, and how many of their first operands are text; None is all of them."""


@dataclass(frozen=True)
class Widened:
    """An aggregate that is computed over another type and brought back."""

    operand: str
    result: str
    kind: DataType


def mend(build: Builder, name: str, operands: Sequence[Operand]) -> Mended:
    """An operator or function of Spark's name as the engine has to be given it."""
    if name in OPERATORS and len(operands) == 2:
        return _arithmetic(build, name, operands[0], operands[1])
    if name in COMPARISONS and len(operands) == 2:
        return _comparison(build, name, operands[0], operands[1])
    if name == "negative" and operands[0].integer is not None:
        return _negative(build, operands[0])
    made = mend_function(build, name, operands)
    if made is not None:
        return made
    if name in TEXT_OPERANDS:
        return _text_function(build, name, operands)
    return Mended(None, None)


def widen_aggregate(name: str, kind: DataType | None) -> Widened | None:
    """How an aggregate has to be computed; None where the engine's answer is Spark's."""
    if name == "sum" and isinstance(kind, LongType):
        return Widened("DECIMAL(20,0)", "BIGINT", kind)
    if name in {"avg", "mean"} and isinstance(kind, DecimalType):
        p, s = kind.precision, kind.scale
        result = bounded(p + 4, s + 4)
        over = bounded(p + 1, s + 1)
        return Widened(type_text(over), type_text(result), result)
    return None


def compared_type(name: str, kinds: Sequence[DataType | None]) -> DataType | None:
    """DOUBLE or BIGINT, where numbers and texts are compared as such; None for anything else."""
    wanted: DataType | None = NullType()
    for kind in kinds:
        if kind is not None and holds_map(kind):
            raise not_ordered(name, type_text(kind))
        wanted = common_type(wanted, kind)
    return wanted if isinstance(wanted, DoubleType | LongType) else None


def kept_narrow(build: Builder, node: Any) -> Any:
    """A cast that finds an overflow, kept where it is compared.

    The engine compares before a cast rather than after it, and so would find none.
    """
    return build.call("greatest", node, node)


def _arithmetic(build: Builder, name: str, left: Operand, right: Operand) -> Mended:
    a, b = left.kind, right.kind
    if a is None or b is None:
        return _dates(build, name, left, right)
    if type(a) in WHOLE_DIGITS and type(b) in WHOLE_DIGITS:
        if name == "/":
            return Mended(None, DoubleType())
        return _integers(build, name, left, right)
    if isinstance(a, DecimalType) or isinstance(b, DecimalType):
        if is_real(a) or is_real(b):
            return _as_doubles(build, name, left, right)
        return _decimals(build, name, left, right)
    numbers = (*WHOLE_DIGITS, FloatType, DoubleType)
    if isinstance(a, numbers) and isinstance(b, numbers):
        if name != "/" and isinstance(a, FloatType) and isinstance(b, FloatType):
            return Mended(None, FloatType())
        if isinstance(a, FloatType) or isinstance(b, FloatType):
            return _as_doubles(build, name, left, right)
        return Mended(None, DoubleType())
    return _dates(build, name, left, right)


def _integers(build: Builder, name: str, left: Operand, right: Operand) -> Mended:
    assert left.kind is not None and right.kind is not None
    kind = wider(left.kind, right.kind)
    if name in _REMAINDERS:
        return Mended(None, kind)
    if left.integer is not None and right.integer is not None:
        value = {"+": left.integer + right.integer, "-": left.integer - right.integer,
                 "*": left.integer * right.integer}[name]  # fmt: skip
        if -_LARGEST[type(kind)] <= value < _LARGEST[type(kind)]:
            return Mended(None, kind)
    # computed where it fits; the cast back finds what does not
    wide = "DECIMAL(20,0)" if isinstance(kind, LongType) else "BIGINT"
    sides = [build.cast(each.node, wide) for each in (left, right)]
    return Mended(build.cast(build.call(name, *sides), type_text(kind)), kind)


def _decimals(build: Builder, name: str, left: Operand, right: Operand) -> Mended:
    a, b = _decimal_of(left), _decimal_of(right)
    if a is None or b is None:
        return Mended(None, None)
    sides = [
        each.node if isinstance(each.kind, DecimalType) else build.cast(each.node, type_text(kind))
        for each, kind in ((left, a), (right, b))
    ]
    whole, scale = _exact_decimal(name, a, b)
    kind = adjusted(whole + scale, scale)
    if name == "/":
        # the engine cuts digits off: one more is asked for, by which the cast rounds
        more = max(a.scale, kind.scale + 1 - _ENGINE_SCALE)
        over = DecimalType(min(a.precision - a.scale + more, PRECISION), more)
        dividend = build.cast(sides[0], type_text(over))
        return Mended(build.cast(build.call("/", dividend, sides[1]), type_text(kind)), kind)
    node = build.call(name, *sides)
    if name in _REMAINDERS:
        # the engine gives some of them another precision
        return Mended(build.cast(node, type_text(kind)), kind)
    if whole + scale > PRECISION:
        return Mended(build.cast(node, type_text(kind)), kind)
    plain = isinstance(left.kind, DecimalType) and isinstance(right.kind, DecimalType)
    return Mended(None if plain else node, kind)


def _exact_decimal(name: str, a: DecimalType, b: DecimalType) -> tuple[int, int]:
    """Digits before and after the point of an exact result."""
    whole = max(a.precision - a.scale, b.precision - b.scale)
    if name in {"+", "-"}:
        return whole + 1, max(a.scale, b.scale)
    if name == "*":
        return a.precision - a.scale + b.precision - b.scale + 1, a.scale + b.scale
    if name in _REMAINDERS:
        least = min(a.precision - a.scale, b.precision - b.scale)
        return least, max(a.scale, b.scale)
    return a.precision - a.scale + b.scale, max(LEAST_SCALE, a.scale + b.precision + 1)


def _as_doubles(build: Builder, name: str, left: Operand, right: Operand) -> Mended:
    sides = [
        each.node if isinstance(each.kind, DoubleType) else build.cast(each.node, "DOUBLE")
        for each in (left, right)
    ]
    return Mended(build.call(name, *sides), DoubleType())


def _dates(build: Builder, name: str, left: Operand, right: Operand) -> Mended:
    a, b = left.kind, right.kind
    if name == "-" and isinstance(a, DateType) and isinstance(b, DateType):
        days = build.call("datediff", left.node, right.node)
        return Mended(build.cast(days, "INTERVAL DAY"), DayTimeIntervalType(0, 0))
    if name in {"+", "-"} and isinstance(a, DateType) and right.has_time:
        moment = build.cast(left.node, "TIMESTAMP")
        return Mended(build.call(name, moment, right.node), TimestampType())
    if name == "+" and isinstance(b, DateType) and left.has_time:
        moment = build.cast(right.node, "TIMESTAMP")
        return Mended(build.call(name, left.node, moment), TimestampType())
    return Mended(None, None)


def _comparison(build: Builder, name: str, left: Operand, right: Operand) -> Mended:
    """Text and a decimal are compared as doubles, a date and a time in the session's zone."""
    sides = (left, right)
    kinds = [each.kind for each in sides]
    for kind in kinds:
        if kind is not None and holds_map(kind):
            raise not_ordered(name, type_text(kind))
    if {type(kind) for kind in kinds} == {DateType, TimestampType}:
        times = [
            build.cast(each.node, "TIMESTAMP") if isinstance(each.kind, DateType) else each.node
            for each in sides
        ]
        return Mended(build.call(name, *times), BooleanType())
    if not any(isinstance(kind, DecimalType) for kind in kinds):
        return Mended(None, BooleanType())
    if not any(isinstance(kind, StringType) for kind in kinds):
        return Mended(None, BooleanType())
    made = [build.cast(each.node, "DOUBLE") for each in sides]
    return Mended(build.call(name, *made), BooleanType())


def _negative(build: Builder, operand: Operand) -> Mended:
    """The least INT and BIGINT, whose digits alone are a literal of the next type."""
    assert operand.integer is not None
    kind = integer_kind(-operand.integer)
    if operand.integer in {2**31, 2**63}:
        return Mended(build.cast(build.text(f"-{operand.integer}"), type_text(kind)), kind)
    return Mended(None, kind)


def _text_function(build: Builder, name: str, operands: Sequence[Operand]) -> Mended:
    count = TEXT_OPERANDS[name]
    touched = operands if count is None else operands[:count]
    if not any(is_real(each.kind) for each in touched):
        return Mended(None, None)
    nodes = [
        spark_text(build, each.node) if index < len(touched) and is_real(each.kind) else each.node
        for index, each in enumerate(operands)
    ]
    return Mended(build.call(name, *nodes), None)


def _decimal_of(operand: Operand) -> DecimalType | None:
    """The decimal as which Spark takes a number; literals need only their own digits."""
    if operand.integer is not None and not isinstance(operand.kind, DecimalType):
        return DecimalType(max(len(str(abs(operand.integer))), 1), 0)
    return as_decimal(operand.kind)
