"""SQL text as tokens, and a cursor that reads commands from them.

Databricks' lexical rules: strings in single or double quotes with backslash escapes (raw after
``r``), names in back quotes, ``--`` and nested ``/* */`` comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from brickloop.localws.spark_errors import parse_error

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*)
    |(?P<comment>/\*)
    |(?P<string>[rR](?:'[^']*'|"[^"]*")|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
    |(?P<quoted>`(?:[^`]|``)*`)
    |(?P<dollar>\$\$.*?\$\$)
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<word>\w+)
    |(?P<sign>\|>|->|=>|::|<=>|<=|>=|<>|!=|==|\|\||.)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}


@dataclass(frozen=True)
class Token:
    """One word, name, string, number or sign of a statement."""

    kind: str
    """``word``, ``quoted``, ``string``, ``number``, ``dollar`` or ``sign``."""
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset after the token."""
        return self.start + len(self.text)

    @property
    def upper(self) -> str:
        """The text in capitals, empty for anything that a keyword cannot be."""
        return self.text.upper() if self.kind in {"word", "sign"} else ""

    @property
    def is_name(self) -> bool:
        """Whether the token can be a part of a name."""
        return self.kind in {"word", "quoted"}

    @property
    def value(self) -> str:
        """A name without back quotes, a string without quotes and escapes, or the text."""
        if self.kind == "quoted":
            return self.text[1:-1].replace("``", "`")
        if self.kind == "string":
            return _unquoted(self.text)
        return self.text


@dataclass(frozen=True)
class Chain:
    """A name of several parts, as ``catalog.schema.table`` or ``alias.column`` in a statement."""

    parts: tuple[str, ...]
    tokens: tuple[Token, ...]


@lru_cache(maxsize=64)
def read_tokens(text: str) -> tuple[Token, ...]:
    """The tokens of ``text`` without spaces and comments."""
    return tuple(_scan(text))


def name_chains(tokens: tuple[Token, ...]) -> Iterator[Chain]:
    """Every name in the tokens, its parts joined over the dots."""
    index = 0
    while index < len(tokens):
        if not tokens[index].is_name:
            index += 1
            continue
        found = [tokens[index]]
        while (
            index + 2 < len(tokens)
            and tokens[index + 1].text == "."
            and (tokens[index + 2].is_name or tokens[index + 2].kind == "number")
        ):
            found.append(tokens[index + 2])
            index += 2
        yield Chain(tuple(token.value for token in found), tuple(found))
        index += 1


def quoted_name(*parts: str) -> str:
    """The parts as one name, each in back quotes."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def string_literal(value: str) -> str:
    """``value`` as an SQL string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def argument_counts(text: str, *names: str) -> list[int]:
    """How many arguments each call of these functions has."""
    tokens = read_tokens(text)
    counts: list[int] = []
    for index, token in enumerate(tokens[:-1]):
        if token.upper not in names or tokens[index + 1].text != "(":
            continue
        depth, count = 0, 1
        for each in tokens[index + 1 :]:
            depth += {"(": 1, ")": -1}.get(each.text if each.kind == "sign" else "", 0)
            count += depth == 1 and each.text == ","
            if depth == 0:
                break
        counts.append(count)
    return counts


def escape_quotes(text: str) -> str:
    """The statement with ``\\'`` for each doubled quote in a string, which the engine drops."""
    for token in reversed(read_tokens(text)):
        quote = token.text[0]
        if token.kind != "string" or quote in "rR" or quote * 2 not in token.text[1:-1]:
            continue
        parts = re.findall(rf"\\.|{quote}{quote}|.", token.text[1:-1], re.DOTALL)
        inner = "".join(f"\\{quote}" if part == quote * 2 else part for part in parts)
        text = text[: token.start] + quote + inner + quote + text[token.end :]
    return text


class Cursor:
    """Reads a command from its tokens, one expectation at a time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = read_tokens(text)
        self.args: Any = None
        """The values of the statement's parameters."""
        self._at = 0

    @property
    def peek(self) -> Token:
        """The token to be read next; a token without text at the end."""
        if self._at < len(self.tokens):
            return self.tokens[self._at]
        return Token("end", "", len(self.text))

    @property
    def position(self) -> int:
        """How many tokens were read."""
        return self._at

    @property
    def at_end(self) -> bool:
        """Whether all tokens were read."""
        return self._at >= len(self.tokens)

    def sees(self, *words: str) -> bool:
        """Whether these keywords come next."""
        following = self.tokens[self._at : self._at + len(words)]
        return [token.upper for token in following] == list(words)

    def take(self, *words: str) -> bool:
        """Read these keywords if they come next; whether they did."""
        if not self.sees(*words):
            return False
        self._at += len(words)
        return True

    def take_any(self, *words: str) -> str | None:
        """Read one of these keywords if it comes next; which it was."""
        found = self.peek.upper
        if found in words:
            self._at += 1
            return found
        return None

    def skip_to(self, position: int) -> None:
        """Go on reading at the token of that number."""
        self._at = position

    def next(self) -> Token:
        """Read whatever comes next."""
        if self.at_end:
            raise self.error()
        self._at += 1
        return self.tokens[self._at - 1]

    def expect(self, *words: str) -> None:
        """Read these keywords; raises a parse error where something else stands."""
        if not self.take(*words):
            raise self.error()

    def name(self) -> tuple[str, ...]:
        """Read a name of one or more parts."""
        parts = [self._part()]
        while self.take("."):
            parts.append(self._part())
        return tuple(parts)

    def one_name(self) -> str:
        """Read a name of one part."""
        begin = self._at
        parts = self.name()
        if len(parts) > 1:
            self._at = begin + 1
            raise self.error()
        return parts[0]

    def string(self) -> str:
        """Read a string literal; several beside each other are one."""
        if self.peek.kind != "string":
            raise self.error()
        value = self.next().value
        while self.peek.kind == "string":
            value += self.next().value
        return value

    def number(self) -> int:
        """Read a whole number."""
        sign = -1 if self.take("-") else 1
        if self.peek.kind != "number" or not self.peek.text.isdigit():
            raise self.error()
        return sign * int(self.next().text)

    def group(self) -> tuple[Token, ...]:
        """Read a group in parentheses; the tokens inside."""
        self.expect("(")
        begin, depth = self._at, 1
        while depth:
            token = self.next()
            depth += {"(": 1, ")": -1}.get(token.text if token.kind == "sign" else "", 0)
        return self.tokens[begin : self._at - 1]

    def text_of(self, tokens: tuple[Token, ...]) -> str:
        """The text from the first to the last of the tokens."""
        return self.text[tokens[0].start : tokens[-1].end] if tokens else ""

    def rest(self) -> str:
        """The text from the next token on, which counts as read."""
        start = self.peek.start
        self._at = len(self.tokens)
        return self.text[start:].strip()

    def remaining(self) -> tuple[Token, ...]:
        """Read all tokens that are left."""
        begin, self._at = self._at, len(self.tokens)
        return self.tokens[begin:]

    def end(self) -> None:
        """Raise a parse error where anything is left."""
        if not self.at_end:
            raise self.error()

    def error(self) -> Exception:
        """A parse error at the next token."""
        token = self.peek
        found: Exception = parse_error(self.text, token.text or "end of input", token.start)
        return found

    def _part(self) -> str:
        if not self.peek.is_name:
            raise self.error()
        return self.next().value


def _scan(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise parse_error(text, text[at], at)
        kind = str(found.lastgroup)
        if kind == "comment":
            at = _comment_end(text, at)
            continue
        if kind != "space":
            yield Token(kind, found.group(), at)
        at = found.end()


def _comment_end(text: str, at: int) -> int:
    depth = 0
    for found in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if found.group() == "/*" else -1
        if depth == 0:
            return found.end()
    raise parse_error(text, "/*", at)


def _unquoted(text: str) -> str:
    if text[0] in "rR":
        return text[2:-1]
    quote, inner = text[0], text[1:-1]
    pattern = rf"\\(u[0-9a-fA-F]{{4}}|.)|{quote}{quote}"

    def replace(found: re.Match[str]) -> str:
        escape = found.group(1)
        if escape is None:
            return quote
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        return _ESCAPES.get(escape, escape if escape not in "%_" else f"\\{escape}")

    return re.sub(pattern, replace, inner, flags=re.DOTALL)
