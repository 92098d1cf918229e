"""What the engine computes otherwise than Spark, by the types of the operands, written so that it
computes the same.

A rule sees an operator or function by Spark's name with its operands and their types, and gives the
expression for the engine and the type of its value. It builds through a ``Builder``, so that SQL
trees and Spark Connect plans share the rules. Sources: Spark's ANSI arithmetic and its rules of
decimal precision (https://spark.apache.org/docs/latest/sql-ref-ansi-compliance.html), and
https://docs.databricks.com/en/sql/language-manual/data-types/decimal-type.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
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
    YearMonthIntervalType,
)

from brickloop.localws.spark_errors import analysis_error, not_ordered, unsupported
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
_DAYS = frozenset({"date_add", "date_sub", "dateadd"})
_SUBSTRINGS = frozenset({"substring", "substr"})
_EXACT = 16
"""How many digits a DOUBLE has; rounding to more changes nothing."""
_REMAINDERS = frozenset({"%", "mod", "pmod"})
_ENGINE_SCALE = 4
"""How many digits the engine's division of decimals adds to the dividend's scale."""
_WHOLE_NUMBER = re.compile(r"\s*[+-]?\d+\s*")
_HEX = "^[0-9a-fA-F]*$"
_BASE64 = r"^\s*([A-Za-z0-9+/]\s*)*(=\s*){0,2}$"
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
NAMED_RULES = frozenset(
    {"round", "bround", "regexp_count", "timestamp_seconds", "elt", "to_binary", "date_add",
     "date_sub", "dateadd", "slice", "from_json"}
)  # fmt: skip
"""Functions with rules of their own, beside operators, aggregates and those of text."""


PARTS = frozenset({"extract", "date_part", "datepart", "hour", "minute", "second"})
"""Functions that give a part of a time, or of an interval."""
INTERVALS = (DayTimeIntervalType, YearMonthIntervalType)
_MOST = {
    "HOUR": 24, "H": 24, "HR": 24, "MINUTE": 60, "M": 60, "MIN": 60, "MON": 0, "MONTH": 0,
}  # fmt: skip
"""How many there are of a part of an interval before the next greater one counts."""


class Builder(Protocol):
    """Makes expressions, in SQL or in a plan."""

    def cast(self, node: Any, kind: str) -> Any:
        """``CAST(node AS kind)``."""

    def call(self, name: str, *nodes: Any) -> Any:
        """A function's call, or an operator's where ``name`` is one."""

    def text(self, value: str) -> Any:
        """A string literal."""

    def field(self, node: Any, name: str) -> Any:
        """A field of a struct."""

    def when(self, condition: Any, value: Any) -> Any:
        """``CASE WHEN condition THEN value END``."""

    def transform(self, node: Any, change: Callable[[Any], Any]) -> Any:
        """An array with each element changed."""


@dataclass(frozen=True)
class Operand:
    """One operand of an operator or function."""

    node: Any
    kind: DataType | None
    """None where it is not known."""
    integer: int | None = None
    """The value of an integer literal."""
    string: str | None = None
    """The value of a string literal."""
    has_time: bool = False
    """Whether it is an interval with hours, minutes or seconds."""


@dataclass(frozen=True)
class Mended:
    """An expression for the engine; ``node`` is None where the user's own is right."""

    node: Any
    kind: DataType | None


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
    if name in _DAYS:
        return _moved_days(name, operands)
    if name == "elt" and len(operands) > 1:
        return _nth(build, operands)
    if name == "to_binary":
        return _binary(build, operands)
    if name == "slice" and len(operands) == 3:
        return _slice(build, operands)
    if name == "from_json" and len(operands) > 1:
        return _from_json(build, operands)
    if name in _SUBSTRINGS and len(operands) == 3 and (operands[1].integer or -1) < 0:
        return _substring(build, name, operands)
    if name == "negative" and operands[0].integer is not None:
        return _negative(build, operands[0])
    if name == "timestamp_seconds":
        return _seconds(build, operands[0])
    if name in {"round", "bround"}:
        return _rounded(build, name, operands)
    if name == "regexp_count":
        nodes = [each.node for each in operands]
        return Mended(build.cast(build.call(name, *nodes), "INT"), IntegerType())
    if name == "split" and len(operands) > 1 and operands[1].string == "":
        return _letters(build, operands)
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


def part_of_interval(
    build: Builder, name: str, whole: Any, kind: DataType | None, field: str | None
) -> tuple[Any, DataType | None]:
    """A part of an interval, beside the next greater one; None where the engine gives it so."""
    if name in {"hour", "minute", "second"} or field is None:
        raise analysis_error(
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            f"Cannot resolve the expression due to data type mismatch: {name} requires the"
            f' "TIMESTAMP" type, however it has the type "{type_text(kind) if kind else "?"}".',
        )
    most = _MOST.get(field.upper().rstrip("S"))
    if most is None:
        return None, None
    if most:
        whole = build.call("%", whole, build.cast(build.text(str(most)), "INT"))
    return build.cast(whole, "TINYINT"), ByteType()


def spark_text(build: Builder, node: Any) -> Any:
    """A DOUBLE or FLOAT as Spark writes it: ``1.0E7``, ``1.0E-4``, ``Infinity``.

    The engine's plain cast gives ``10000000.0`` and ``inf``; inside an array it writes as Spark.
    """
    shown = build.cast(build.call("array", node), "STRING")
    return build.call("nullif", build.call("btrim", shown, build.text("[]")), build.text("NULL"))


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


def _moved_days(name: str, operands: Sequence[Operand]) -> Mended:
    """``date_add`` and its like, by whole days only."""
    days = operands[-1]
    if days.string is not None and not _WHOLE_NUMBER.fullmatch(days.string):
        raise analysis_error(
            "SECOND_FUNCTION_ARGUMENT_NOT_INTEGER",
            f"The second argument of `{name}` function needs to be an integer.",
        )
    wrong = is_real(days.kind) or isinstance(days.kind, DecimalType)
    if isinstance(days.kind, StringType) and days.string is None:
        wrong = True
    if len(operands) == 2 and wrong and days.kind is not None:
        raise analysis_error(
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            f"Cannot resolve the expression due to data type mismatch: The second parameter of"
            f' {name} requires the ("INT" or "SMALLINT" or "TINYINT") type, however it has the type'
            f' "{type_text(days.kind)}".',
        )
    return Mended(None, DateType() if len(operands) == 2 else None)


def _nth(build: Builder, operands: Sequence[Operand]) -> Mended:
    """``elt``, which finds an error in a place that is not there."""
    count = len(operands) - 1
    place, others = operands[0], operands[1:]
    if any(isinstance(each.kind, BinaryType) for each in others):
        return Mended(None, None)
    message = build.call(
        "concat",
        build.text("[INVALID_ARRAY_INDEX] The index "),
        build.cast(place.node, "STRING"),
        build.text(
            f" is out of bounds. The array has {count} elements. Use the SQL function `get()` to"
            " tolerate accessing element at invalid index and return NULL instead."
        ),
    )
    failure = build.call("raise_error", message)
    first, last = (build.cast(build.text(str(each)), "INT") for each in (1, count))
    node = build.call(
        "coalesce",
        build.call("elt", *[each.node for each in operands]),
        build.when(build.call("<", place.node, first), failure),
        build.when(build.call(">", place.node, last), failure),
    )
    return Mended(node, StringType())


def _binary(build: Builder, operands: Sequence[Operand]) -> Mended:
    """``to_binary`` of text, which finds an error in what is no such text."""
    value = operands[0]
    form = operands[1].string if len(operands) > 1 else "hex"
    if form is None:
        raise unsupported("to_binary in a format that is computed")
    form = form.lower()
    if form not in {"hex", "base64"}:
        return Mended(None, BinaryType())
    digits = _HEX if form == "hex" else _BASE64
    message = build.call(
        "concat",
        build.text("[CONVERSION_INVALID_INPUT] The value '"),
        build.cast(value.node, "STRING"),
        build.text(
            f'\' ({form.upper()}) cannot be converted to "BINARY" because it is malformed. Correct'
            " the value as per the syntax, or change its format. Use `try_to_binary` to tolerate"
            " malformed input and return NULL instead."
        ),
    )
    failure = build.cast(build.call("raise_error", message), "BINARY")
    good = build.call("rlike", value.node, build.text(digits))
    bad = build.call("=", good, build.cast(build.text("false"), "BOOLEAN"))
    made = build.call("to_binary", *[each.node for each in operands])
    return Mended(build.call("coalesce", build.when(bad, failure), made), BinaryType())


def _slice(build: Builder, operands: Sequence[Operand]) -> Mended:
    """``slice`` from the place 0, or of less than no elements, in which Spark finds an error."""
    array, start, count = operands
    zero = build.cast(build.text("0"), "INT")

    def checked(operand: Operand, name: str, wrong: str, wanted: str) -> Any:
        message = (
            f"[INVALID_PARAMETER_VALUE.{name.upper()}] The value of parameter(s) `{name}` in"
            f" `slice` is invalid: Expects {wanted}."
        )
        failure = build.cast(build.call("raise_error", build.text(message)), "INT")
        found = build.when(build.call(wrong, operand.node, zero), failure)
        return build.call("coalesce", found, operand.node)

    nodes = [array.node, start.node, count.node]
    if not start.integer:
        nodes[1] = checked(start, "start", "=", "a positive or a negative value, but got 0")
    if count.integer is None or count.integer < 0:
        nodes[2] = checked(count, "length", "<", "a value that is not negative")
    if nodes[1] is start.node and nodes[2] is count.node:
        return Mended(None, array.kind)
    return Mended(build.call("slice", *nodes), array.kind)


def _substring(build: Builder, name: str, operands: Sequence[Operand]) -> Mended:
    """A part of a text counted from its end; what lies before the text counts, too."""
    text, start, count = (each.node for each in operands)
    if is_real(operands[0].kind):
        text = spark_text(build, text)
    if isinstance(operands[0].kind, BinaryType):
        return Mended(None, None)
    reach = build.call("+", build.call("+", count, start), build.call("char_length", text))
    zero = build.cast(build.text("0"), "INT")
    kept = build.call("greatest", build.call("least", count, reach), zero)
    return Mended(build.call(name, text, start, build.cast(kept, "INT")), StringType())


def _from_json(build: Builder, operands: Sequence[Operand]) -> Mended:
    """An array with an element that is not of its type is NULL; the engine keeps the others."""
    schema = (operands[1].string or "").strip()
    plain = "".join(schema.lower().split())
    if not plain.startswith(("array<", '{"type":"array"', '{"containsnull":')):
        return Mended(None, None)
    if plain == "array<string>" or '"elementtype":"string"' in plain:
        return Mended(None, None)
    value, options = operands[0].node, [each.node for each in operands[2:]]
    made = build.call("from_json", value, operands[1].node, *options)
    texts = build.call("from_json", value, build.text("array<string>"), *options)
    counts = [build.call("size", build.call("array_compact", each)) for each in (made, texts)]
    return Mended(build.when(build.call("=", *counts), made), None)


def _negative(build: Builder, operand: Operand) -> Mended:
    """The least INT and BIGINT, whose digits alone are a literal of the next type."""
    assert operand.integer is not None
    kind = integer_kind(-operand.integer)
    if operand.integer in {2**31, 2**63}:
        return Mended(build.cast(build.text(f"-{operand.integer}"), type_text(kind)), kind)
    return Mended(None, kind)


def _seconds(build: Builder, operand: Operand) -> Mended:
    """``timestamp_seconds`` of a fraction, which the engine cuts off."""
    if not is_real(operand.kind) and not isinstance(operand.kind, DecimalType):
        return Mended(None, TimestampType())
    factor = build.cast(build.text("1000000"), "DOUBLE" if is_real(operand.kind) else "INT")
    micros = build.cast(build.call("*", operand.node, factor), "BIGINT")
    return Mended(build.call("timestamp_micros", micros), TimestampType())


def _rounded(build: Builder, name: str, operands: Sequence[Operand]) -> Mended:
    """Rounding by the digits that a number is written with."""
    first = operands[0]
    places = operands[1].integer if len(operands) > 1 else 0
    if places is None:
        return Mended(None, None)
    if name == "bround" and isinstance(first.kind, DecimalType):
        scale = max(min(places, first.kind.scale), 0)
        whole = first.kind.precision - first.kind.scale + 1
        kind = bounded(max(whole, 1 - places) + scale, scale)
        nodes = [build.cast(first.node, "DOUBLE"), *[each.node for each in operands[1:]]]
        return Mended(build.cast(build.call(name, *nodes), type_text(kind)), kind)
    if name == "bround" or not isinstance(first.kind, DoubleType) or not 0 < places < _EXACT:
        return Mended(None, first.kind if isinstance(first.kind, DoubleType) else None)
    # only what lies as good as halfway can be rounded the other way: 2.675 is less than it says
    power = build.cast(build.text(f"1e{places}"), "DOUBLE")
    shifted = build.call("abs", build.call("*", first.node, power))
    half = build.cast(build.text("0.5"), "DOUBLE")
    beyond = build.call("-", build.call("-", shifted, build.call("floor", shifted)), half)
    near = build.call("<", build.call("abs", beyond), build.cast(build.text("0.001"), "DOUBLE"))
    small = build.call("<", shifted, build.cast(build.text("1e15"), "DOUBLE"))
    digits = build.cast(build.cast(first.node, "STRING"), f"DECIMAL({PRECISION},{places + 5})")
    exact = build.cast(build.call("round", digits, operands[1].node), "DOUBLE")
    node = build.call(
        "if", build.call("and", near, small), exact, build.call(name, first.node, operands[1].node)
    )
    return Mended(node, DoubleType())


def _letters(build: Builder, operands: Sequence[Operand]) -> Mended:
    """``split`` by an empty text; the engine adds an empty one at both ends."""
    if len(operands) > 2 and (operands[2].integer is None or operands[2].integer > 0):
        raise unsupported("split by an empty text with a limit", "Use substring.")
    text, empty = operands[0].node, operands[1].node
    start = build.cast(build.text("2"), "INT")
    least = build.cast(build.text("1"), "INT")
    count = build.call("greatest", build.call("char_length", text), least)
    node = build.call("slice", build.call("split", text, empty), start, count)
    return Mended(node, ArrayType(StringType()))


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
