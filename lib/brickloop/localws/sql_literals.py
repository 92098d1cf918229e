"""Parameters' values as SQL literals, and put into a statement's text."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Mapping
from typing import Any

from brickloop.localws.spark_errors import analysis_error, unsupported
from brickloop.localws.sql_tokens import Token, read_tokens, string_literal


def bind(text: str, args: Any) -> str:
    """The statement with its ``:name`` and ``?`` replaced by literals.

    Raises UNBOUND_SQL_PARAMETER for a parameter without a value.
    """
    if not args:
        return text
    places = list(parameter_places(read_tokens(text)))
    if not isinstance(args, Mapping):
        values = list(args)
        marks = [place for place in places if place[2] == "?"]
        if len(marks) > len(values):
            raise _unbound(f"_{marks[len(values)][0]}")
        found = [(s, e, literal(v)) for (s, e, _), v in zip(marks, values, strict=False)]
    else:
        named = [place for place in places if place[2] != "?"]
        missing = next((name for _, _, name in named if name not in args), None)
        if missing is not None:
            raise _unbound(missing)
        found = [(start, end, literal(args[name])) for start, end, name in named]
    for start, end, shown in reversed(found):
        text = text[:start] + shown + text[end:]
    return text


def parameter_places(tokens: tuple[Token, ...]) -> list[tuple[int, int, str]]:
    """Start, end and name of each parameter; the name of a positional one is ``?``."""
    found = []
    for index, token in enumerate(tokens):
        if token.kind != "sign":
            continue
        if token.text == "?":
            found.append((token.start, token.end, "?"))
        elif token.text == ":" and index + 1 < len(tokens):
            after, before = tokens[index + 1], tokens[index - 1] if index else None
            # a colon right after a name or a bracket begins a path into JSON
            path = before is not None and before.end == token.start
            path = path and (before.is_name or before.text in {")", "]"})  # type: ignore[union-attr]
            if after.is_name and after.start == token.end and not path:
                found.append((token.start, after.end, after.value))
    return found


def literal(value: Any) -> str:
    """A Python value as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return f"{value}L" if not -(2**31) <= value < 2**31 else str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, decimal.Decimal):
        return f"{value:f}BD"
    if isinstance(value, str):
        return string_literal(value)
    if isinstance(value, (bytes, bytearray)):
        return f"X'{bytes(value).hex()}'"
    if isinstance(value, dt.datetime):
        kind = "TIMESTAMP" if value.tzinfo is not None else "TIMESTAMP_NTZ"
        return f"{kind}'{value.isoformat(sep=' ')}'"
    if isinstance(value, dt.date):
        return f"DATE'{value.isoformat()}'"
    if isinstance(value, (list, tuple)):
        return f"array({', '.join(literal(each) for each in value)})"
    if isinstance(value, Mapping):
        pairs = [literal(each) for pair in value.items() for each in pair]
        return f"map({', '.join(pairs)})"
    if isinstance(value, SqlText):
        return value.text
    raise unsupported(f"a parameter of type {type(value).__name__} in a command")


class SqlText:
    """A parameter's value that is SQL already."""

    def __init__(self, text: str) -> None:
        self.text = text


def _float(value: float) -> str:
    if math.isfinite(value):
        return f"{value!r}D" if "e" in repr(value) or "." in repr(value) else f"{value!r}.0D"
    return f"CAST('{value!r}' AS DOUBLE)"


def _unbound(name: str) -> Exception:
    return analysis_error(
        "UNBOUND_SQL_PARAMETER",
        f"Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the"
        " parameter to either a SQL literal or collection constructor functions such as `map()`,"
        " `array()`, `struct()`.",
    )
