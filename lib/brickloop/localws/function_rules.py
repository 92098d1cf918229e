"""Functions that the engine computes otherwise than Spark, written so that it computes the same.

What Spark finds an error in is one: the engine's ``raise_error`` tells it by Spark's class.
Source: https://docs.databricks.com/en/sql/language-manual/sql-ref-functions-builtin-alpha.html.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    ByteType,
    DataType,
    DateType,
    DayTimeIntervalType,
    DecimalType,
    DoubleType,
    IntegerType,
    StringType,
    TimestampType,
    YearMonthIntervalType,
)

from brickloop.localws.operands import Builder, Mended, Operand, spark_text
from brickloop.localws.spark_errors import analysis_error, unsupported
from brickloop.localws.spark_types import PRECISION, bounded, is_real, type_text

_DAYS = frozenset({"date_add", "date_sub", "dateadd"})
_SUBSTRINGS = frozenset({"substring", "substr"})
_EXACT = 16
"""How many digits a DOUBLE has; rounding to more changes nothing."""
_WHOLE_NUMBER = re.compile(r"\s*[+-]?\d+\s*")
_HEX = "^[0-9a-fA-F]*$"
_BASE64 = r"^\s*([A-Za-z0-9+/]\s*)*(=\s*){0,2}$"
NAMED_RULES = frozenset(
    {"round", "bround", "regexp_count", "timestamp_seconds", "elt", "to_binary", "date_add",
     "date_sub", "dateadd", "slice", "from_json", "percentile_disc"}
)  # fmt: skip
"""Functions with rules of their own, beside operators, aggregates and those of text."""


PARTS = frozenset({"extract", "date_part", "datepart", "hour", "minute", "second"})
"""Functions that give a part of a time, or of an interval."""
INTERVALS = (DayTimeIntervalType, YearMonthIntervalType)
_MOST = {
    "HOUR": 24, "H": 24, "HR": 24, "MINUTE": 60, "M": 60, "MIN": 60, "MON": 0, "MONTH": 0,
}  # fmt: skip
"""How many there are of a part of an interval before the next greater one counts."""


def mend_function(build: Builder, name: str, operands: Sequence[Operand]) -> Mended | None:
    """A function as the engine has to be given it; None where there is no rule for it."""
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
    if name in {"left", "right"} and len(operands) == 2 and (operands[1].integer or -1) < 0:
        return _end_of(build, name, operands)
    if name == "percentile_disc":
        raise unsupported("percentile_disc", "Use percentile_approx, which gives a value, too.")
    if name == "timestamp_seconds":
        return _seconds(build, operands[0])
    if name in {"round", "bround"}:
        return _rounded(build, name, operands)
    if name == "regexp_count":
        nodes = [each.node for each in operands]
        return Mended(build.cast(build.call(name, *nodes), "INT"), IntegerType())
    if name == "split" and len(operands) > 1 and operands[1].string == "":
        return _letters(build, operands)
    return None


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


def _end_of(build: Builder, name: str, operands: Sequence[Operand]) -> Mended:
    """``left`` and ``right``, which have nothing of a text for less than one letter."""
    text, count = (each.node for each in operands)
    if is_real(operands[0].kind):
        text = spark_text(build, text)
    if not isinstance(operands[1].kind, IntegerType):
        return Mended(None, None)
    kept = build.call("greatest", count, build.cast(build.text("0"), "INT"))
    return Mended(build.call(name, text, kept), operands[0].kind)


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
