"""Values that a client binds to ``:name`` and ``?``, and what they are in SQL."""

from __future__ import annotations

import decimal
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brickloop.localws.sql_literals import SqlText
from brickloop.localws.sql_tokens import string_literal

_INTEGERS = frozenset({"BIGINT", "INT", "INTEGER", "LONG", "SHORT", "SMALLINT", "TINYINT", "BYTE"})


@dataclass(frozen=True)
class Parameter:
    """A value for ``:name``, or for the next ``?`` where it has no name."""

    value: str | None
    """As text; None is NULL."""
    type: str = "STRING"
    """An SQL type: ``INT``, ``DECIMAL(10,2)``, ``TIMESTAMP``, ``VOID``, ``ARRAY``, ``MAP``..."""
    name: str | None = None
    elements: tuple[Parameter, ...] | None = None
    """What is in an ARRAY; keys and values in turn of a MAP."""


def bind(parameters: Sequence[Parameter] | None) -> Any:
    """What the engine is given: a list for ``?``, a mapping for names, None for nothing."""
    if not parameters:
        return None
    if parameters[0].name is None:
        return [_argument(parameter) for parameter in parameters]
    return {parameter.name: _argument(parameter) for parameter in parameters}


def _argument(parameter: Parameter) -> Any:
    """A parameter's value as SQL text of its type."""
    kind = parameter.type.upper().strip()
    if parameter.elements is not None:
        inner = [_argument(each).text for each in parameter.elements]
        return SqlText(f"{'map' if kind.startswith('MAP') else 'array'}({', '.join(inner)})")
    if parameter.value is None or kind == "VOID":
        return SqlText("NULL" if kind in {"VOID", "STRING"} else f"CAST(NULL AS {kind})")
    value = parameter.value
    if kind == "STRING":
        return SqlText(string_literal(value))
    if kind in _INTEGERS and re.fullmatch(r"-?\d{1,18}", value):
        suffix = {"BIGINT": "L", "LONG": "L", "SMALLINT": "S", "SHORT": "S", "TINYINT": "Y",
                  "BYTE": "Y"}.get(kind, "")  # fmt: skip
        return SqlText(value + suffix)
    if kind == "BOOLEAN" and value.lower() in {"true", "false"}:
        return SqlText(value.upper())
    if kind.startswith(("DECIMAL", "INTERVAL")):
        return SqlText(f"CAST({string_literal(value)} AS {_whole(kind, value)})")
    return SqlText(f"CAST({string_literal(value)} AS {kind})")


def _whole(kind: str, value: str) -> str:
    """A decimal's type with the digits of its value where the client names none."""
    if kind != "DECIMAL":
        return kind
    try:
        parts = decimal.Decimal(value).as_tuple()
    except decimal.InvalidOperation:
        return kind
    scale = max(0, -int(parts.exponent))
    return f"DECIMAL({min(38, max(len(parts.digits), scale) or 1)},{scale})"
