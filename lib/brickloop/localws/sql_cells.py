"""What an SQL cell holds besides SQL: widgets made in it, widget values put into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from brickloop.localws.sql_text import leading_words

_OPAQUE = r"--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`"
_PARAMETER = re.compile(rf"{_OPAQUE}|(?<![:\w)\]]):([A-Za-z_]\w*)", re.DOTALL)
_BRACED = re.compile(r"\$\{\s*([\w.\- ]+?)\s*\}")
_BARE = re.compile(r"(?<![\w$\\])\$([A-Za-z_]\w*)")
_GET_ARGUMENT = re.compile(r"\bgetArgument\s*\(\s*(['\"])([^'\"]+)\1\s*\)", re.IGNORECASE)
_CHANGES = {
    "ALTER", "ANALYZE", "CACHE", "CLEAR", "COMMENT", "CREATE", "DROP", "GRANT", "MSCK", "REFRESH",
    "REVOKE", "TRUNCATE", "UNCACHE", "USE",
}  # fmt: skip
_WORD = r"(?:`[^`]+`|\w+)"
_TEXT = r"(?:'((?:[^'\\]|\\.|'')*)'|\"((?:[^\"\\]|\\.)*)\")"
_CREATE_WIDGET = re.compile(
    rf"^\s*CREATE\s+WIDGET\s+(TEXT|DROPDOWN|COMBOBOX|MULTISELECT)\s+({_WORD})\s+DEFAULT\s+{_TEXT}"
    r"(?:\s+CHOICES\s+(.*))?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_REMOVE_WIDGET = re.compile(rf"^\s*REMOVE\s+WIDGET\s+({_WORD})\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class WidgetStatement:
    """``CREATE WIDGET`` or ``REMOVE WIDGET``."""

    name: str
    default: str | None
    """None for a removal."""
    choices: str | None = None
    """The query that gives the choices."""


def shows_nothing(statement: str) -> bool:
    """Whether a statement only changes something: what the engine answers to it is no result."""
    return leading_words(statement, 1)[0] in _CHANGES


def parse_widget(statement: str) -> WidgetStatement | None:
    """The widget that a statement makes or removes, None for any other statement."""
    found = _CREATE_WIDGET.match(statement)
    if found:
        single, double = found.group(3), found.group(4)
        default = single.replace("''", "'") if single is not None else double
        return WidgetStatement(found.group(2).strip("`"), default, found.group(5))
    found = _REMOVE_WIDGET.match(statement)
    return WidgetStatement(found.group(1).strip("`"), None) if found else None


def named_parameters(statement: str) -> set[str]:
    """The names that stand as ``:name`` outside of quotes and comments."""
    return {found.group(1) for found in _PARAMETER.finditer(statement) if found.group(1)}


def substitute(text: str, values: Mapping[str, str]) -> str:
    """The text with ``${name}``, ``$name`` and ``getArgument('name')`` replaced by widget values.

    A name without a value stays as it is: it may be a Spark setting, which the engine knows.
    """
    text = _BRACED.sub(lambda found: values.get(found.group(1), found.group()), text)
    text = _BARE.sub(lambda found: values.get(found.group(1), found.group()), text)
    return _GET_ARGUMENT.sub(
        lambda found: (
            _quoted(values[found.group(2)]) if found.group(2) in values else found.group()
        ),
        text,
    )


def unresolved(text: str) -> set[str]:
    """The names that still stand as ``${name}``."""
    return set(_BRACED.findall(text))


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
