"""What in a statement shows that the engine alone would not answer it as Databricks does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from brickloop.localws.function_rules import NAMED_RULES
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_tokens import Token
from brickloop.localws.typed_rules import (
    RANKINGS,
    TEXT_OPERANDS,
)

if TYPE_CHECKING:
    pass

_WORDS = frozenset(
    {"QUALIFY", "PIVOT", "RECURSIVE", "TABLESAMPLE", "INFORMATION_SCHEMA", "UNION", "EXCEPT",
     "INTERSECT", "MINUS", "CASE", "RANGE", "DISTINCT", "GROUP", "EXISTS", "USING", "ORDER"}
)  # fmt: skip
_CALLS = frozenset(
    {"APPROX_PERCENTILE", "DECODE", "IFF", "PERCENTILE_APPROX", "READ_FILES", "TABLE_CHANGES",
     "GET_JSON_OBJECT", "LEN", "TRANSFORM_KEYS", "TRANSFORM_VALUES", "EXPLODE", "EXPLODE_OUTER",
     "POSEXPLODE", "POSEXPLODE_OUTER", "DATE_TRUNC", "DATEDIFF", "DATE_DIFF", "SUM", "AVG", "MEAN",
     "IF", "STRING", "TO_JSON", "MOD", "PMOD",
     "COALESCE", "EXTRACT", "DATE_PART", "DATEPART", "HOUR", "MINUTE", "SECOND", "MAP", "TO_CSV",
     "STR_TO_MAP", "MAP_FROM_ARRAYS", "MAP_FROM_ENTRIES", "MAP_CONCAT", "NVL", "NVL2", "IFNULL"}
) | {name.upper() for name in TEXT_OPERANDS.keys() | NAMED_RULES | RANKINGS}  # fmt: skip
_OPERATORS = frozenset({"+", "-", "/", "%", "||"})
_COMPARISONS = frozenset({"=", "==", "<=>", "<>", "!=", "<", "<=", ">", ">="})
"""What tells dates and times apart; only in another zone than UTC the engine is wrong there."""
_NUMERIC = re.compile(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?")


def needs_bridge(context: SqlContext, tokens: tuple[Token, ...]) -> bool:
    """Whether the statement shows something that the engine lacks."""
    functions: set[str] | None = None
    mixes = _mixes_numbers(tokens)
    for index, token in enumerate(tokens):
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.kind == "sign":
            if token.text == "::" and _is(after, "STRING"):
                return True
            if token.text == "|>" or (token.text == "*" and _is(after, "EXCEPT", "EXCLUDE")):
                return True
            if token.text == "*" and index > 1 and tokens[index - 1].text == ".":
                if _is(after, ")"):
                    return True
                continue
            if token.text == ":" and index and _is_path(tokens[index - 1], token):
                return True
            if token.text in {"=", "<=>"} and _joins(tokens, index):
                return True
            if token.text in _COMPARISONS and context.interceptor.zone != "UTC":
                return True
            if token.text in _OPERATORS or (token.text == "*" and _multiplies(tokens, index)):
                return True
            continue
        if token.kind == "number" and "." in token.text and _is_compared(tokens, index):
            return True
        if token.kind == "string" and _NUMERIC.fullmatch(token.text[1:-1].strip()):
            return True
        word = token.upper
        if word == "AS" and _is(after, "STRING"):
            return True
        if word in _WORDS or (mixes and word == "VALUES"):
            return True
        if word == "ALL" and index and tokens[index - 1].upper == "BY":
            return True
        if word in {"LIKE", "ILIKE"} and _is(after, "ANY", "ALL", "SOME"):
            return True
        if after is not None and after.text == "(" and token.is_name:
            if word in _CALLS:
                return True
            if functions is None:
                functions = context.registry.function_names() | set(context.temporary_functions)
            if functions and token.value.lower() in functions:
                return True
    return False


def _is(token: Token | None, *words: str) -> bool:
    return token is not None and token.upper in words


def _multiplies(tokens: tuple[Token, ...], index: int) -> bool:
    """Whether a star is the operator, not all columns."""
    before = tokens[index - 1] if index else None
    return before is not None and (
        before.kind in {"number", "quoted", "string"}
        or before.text in {")", "]"}
        or (before.kind == "word" and before.upper not in {"SELECT", "ALL", "DISTINCT"})
    )


def _is_path(before: Token, colon: Token) -> bool:
    return before.end == colon.start and (before.is_name or before.text in {")", "]"})


def _joins(tokens: tuple[Token, ...], index: int) -> bool:
    """Whether an equation is between two columns, which may be maps."""
    around = tokens[index - 1 : index] + tokens[index + 1 : index + 2]
    return len(around) == 2 and all(each.is_name for each in around)


def _is_compared(tokens: tuple[Token, ...], index: int) -> bool:
    """Whether a literal is a side of a comparison, or in a list of values."""
    around = tokens[max(index - 2, 0) : index + 2]
    return any(
        each.text in _COMPARISONS or each.upper in {"IN", "BETWEEN", "AND"} for each in around
    )


def _mixes_numbers(tokens: tuple[Token, ...]) -> bool:
    """Whether decimals may stand beside numbers that float."""
    numbers = [token.text.upper() for token in tokens if token.kind == "number"]
    floats = any("E" in each or each.endswith(("D", "F")) for each in numbers)
    return any("." in each for each in numbers) and (
        floats or any(token.upper in {"DOUBLE", "FLOAT"} for token in tokens)
    )
