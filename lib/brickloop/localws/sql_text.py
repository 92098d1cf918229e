"""SQL text as text: statements apart, quotes and comments respected."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|;|\$\$.*?\$\$", re.DOTALL
)
_COMMENT = re.compile(r"^(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)+", re.DOTALL)


def split_statements(text: str) -> list[str]:
    """The statements of a script, in order; those that are only comments are left out."""
    statements: list[str] = []
    begin = 0
    for found in _TOKEN.finditer(text):
        if found.group() == ";":
            statements.append(text[begin : found.start()])
            begin = found.end()
    statements.append(text[begin:])
    return [cleaned for raw in statements if (cleaned := without_leading_comments(raw).strip())]


def without_leading_comments(text: str) -> str:
    """The text from its first word on."""
    return _COMMENT.sub("", text)


def leading_words(text: str, count: int) -> list[str]:
    """The first words of a statement in capitals."""
    return [word.upper() for word in without_leading_comments(text).split(None, count)[:count]]
