"""JSON whose every value knows the line it stands in, so that a mistake can be pointed at."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"


@dataclass(frozen=True)
class Node:
    """A JSON value; the values in an object or a list are Nodes themselves."""

    value: Any
    line: int
    key_lines: dict[str, int] = field(default_factory=dict)
    """Of an object: the line of each key."""
    doubled: tuple[tuple[str, int], ...] = ()
    """Of an object: the keys that are given again, with their lines."""


def parse(text: str) -> Node:
    """The value that a JSON text is; raises json.JSONDecodeError, which knows line and column."""
    json.loads(text, parse_constant=_refuse)
    return _Walk(text).value(_skip(text, 0))[0]


def _refuse(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is no JSON value", name, 0)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


@dataclass
class _Walk:
    """A walk through a text that is known to be JSON."""

    text: str
    counted: int = 0
    line: int = 1

    def value(self, at: int) -> tuple[Node, int]:
        """The value that begins at a place, and the place behind it."""
        if self.text[at] == "{":
            return self._object(at)
        if self.text[at] == "[":
            return self._list(at)
        line = self._line_at(at)
        found, end = _DECODER.raw_decode(self.text, at)
        return Node(found, line), end

    def _object(self, at: int) -> tuple[Node, int]:
        line = self._line_at(at)
        members: dict[str, Node] = {}
        key_lines: dict[str, int] = {}
        doubled: list[tuple[str, int]] = []
        at = _skip(self.text, at + 1)
        while self.text[at] != "}":
            key_line = self._line_at(at)
            key, at = _DECODER.raw_decode(self.text, at)
            at = _skip(self.text, at)
            member, at = self.value(_skip(self.text, at + 1))
            if key in members:
                doubled.append((key, key_line))
            members[key], key_lines[key] = member, key_line
            at = self._next(at)
        return Node(members, line, key_lines, tuple(doubled)), at + 1

    def _list(self, at: int) -> tuple[Node, int]:
        line = self._line_at(at)
        items: list[Node] = []
        at = _skip(self.text, at + 1)
        while self.text[at] != "]":
            item, at = self.value(at)
            items.append(item)
            at = self._next(at)
        return Node(items, line), at + 1

    def _next(self, at: int) -> int:
        at = _skip(self.text, at)
        return _skip(self.text, at + 1) if self.text[at] == "," else at

    def _line_at(self, at: int) -> int:
        # places only ever grow, so each line end is counted once
        self.line += self.text.count("\n", self.counted, at)
        self.counted = at
        return self.line
