"""A query as people write it: statements, the parameters in them, and values as they are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from brickloop.errors import UsageError

# one token: what must not be looked into comes first
_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*)
    | (?P<block>/\*)
    | (?P<dollar>\$\$.*?(?:\$\$|\Z))
    | (?P<raw>[rR](?:'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)))
    | (?P<string>'(?:\\.|[^'\\])*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\Z))
    | (?P<quoted>`(?:[^`]|``)*(?:`|\Z))
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*|[^\W\d]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<cast>::)
    | (?P<sign>\S)
    """,
    re.X | re.S,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_READING = frozenset(
    {"SELECT", "WITH", "VALUES", "TABLE", "FROM", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "LIST"}
)
_WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "INTO"})
_SESSION = frozenset({"USE", "SET", "RESET", "DECLARE"})
_OPENING = frozenset({"IF", "WHILE", "FOR", "REPEAT", "LOOP", "BEGIN", "CASE"})


class Token(NamedTuple):
    """A word or sign of SQL with its place."""

    kind: str
    text: str
    begin: int
    end: int


@dataclass(frozen=True)
class Statement:
    """One statement of a script."""

    text: str
    """Without the semicolon and the blanks around it; comments stay."""
    line: int
    """The line of the script that it begins on, from 1."""
    parameters: tuple[str, ...]
    """Names of the ``:name`` markers in it, each once."""

    @property
    def words(self) -> tuple[str, ...]:
        """The first words in capitals, comments and opening brackets left out."""
        found: list[str] = []
        for token in tokens(self.text):
            if token.kind == "word":
                found.append(token.text.upper())
                if len(found) == 4:
                    break
            elif not (token.text == "(" and not found):
                break
        return tuple(found)

    @property
    def only_reads(self) -> bool:
        """Whether it certainly changes nothing, so that it may be sent twice."""
        if not self.words or self.words[0] not in _READING:
            return False
        return not any(
            token.kind == "word" and token.text.upper() in _WRITING for token in tokens(self.text)
        )

    @property
    def changes_session(self) -> bool:
        """Whether it changes what later statements of the same session mean (USE, SET, ...)."""
        words = self.words
        if words[:1] and words[0] in _SESSION:
            return True
        return "CREATE" in words[:1] and bool({"TEMP", "TEMPORARY"} & set(words))

    @property
    def title(self) -> str:
        """Its beginning on one line, for a list."""
        text = " ".join(self.text.split())
        return text if len(text) <= 80 else f"{text[:79]}…"


def split_statements(script: str) -> tuple[Statement, ...]:
    """The statements of a script; semicolons in strings, comments and BEGIN ... END do not part.

    A piece that holds nothing but comments is left out.
    """
    found: list[Statement] = []
    begin = depth = 0
    has_code = False
    at_start = True
    previous = ""
    procedure = False
    parameters: list[str] = []

    def finish(end: int) -> None:
        text = script[begin:end]
        if has_code:
            line = script.count("\n", 0, begin + len(text) - len(text.lstrip())) + 1
            found.append(Statement(text.strip(), line, tuple(dict.fromkeys(parameters))))

    for token, following in _pairs(list(tokens(script))):
        if token.text == ";" and token.kind == "sign" and depth == 0:
            finish(token.begin)
            begin, has_code, at_start, previous, procedure = token.end, False, True, "", False
            parameters = []
            continue
        has_code = True
        upper = token.text.upper() if token.kind == "word" else token.text
        opens = at_start or (procedure and previous in {"AS", "SQL", "DEFINER", "INVOKER"})
        if upper == "PROCEDURE" and depth == 0:
            procedure = True
        if depth == 0:
            transaction = following is not None and following.text.upper() == "TRANSACTION"
            if upper == "BEGIN" and opens and not transaction:
                depth = 1
        elif upper == "END" and token.kind == "word":
            depth = max(depth - 1, 0)
        elif (upper == "CASE" and previous not in {".", ":"}) or (
            at_start and depth and upper in _OPENING
        ):
            depth += 1
        if _is_marker(script, token, following):
            parameters.append(script[token.end : following.end] if following else "")
        at_start = upper in {"BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", ";", ":"}
        previous = upper
    finish(len(script))
    return tuple(found)


def tokens(text: str) -> Iterator[Token]:
    """The words and signs of SQL; comments are left out, a string is one token."""
    place = 0
    while match := _TOKEN.search(text, place):
        kind = match.lastgroup or "sign"
        place = match.end()
        if kind == "block":
            place = _end_of_block(text, match.start())
        elif kind != "comment":
            yield Token(kind, match.group(), match.start(), match.end())


def _end_of_block(text: str, begin: int) -> int:
    """Where a bracketed comment ends; they nest."""
    depth, place = 1, begin + 2
    while depth and (edge := _BLOCK_EDGE.search(text, place)):
        depth += 1 if edge.group() == "/*" else -1
        place = edge.end()
    return len(text) if depth else place


def _pairs(found: Sequence[Token]) -> Iterator[tuple[Token, Token | None]]:
    for index, token in enumerate(found):
        yield token, found[index + 1] if index + 1 < len(found) else None


def _is_marker(text: str, token: Token, following: Token | None) -> bool:
    """Whether a colon begins a parameter and not a JSON path (``doc:field``)."""
    if token.text != ":" or token.kind != "sign" or following is None:
        return False
    if following.kind != "word" or following.begin != token.end:
        return False
    before = text[token.begin - 1] if token.begin else " "
    return not (before.isalnum() or before in "_`])'\"")


@dataclass(frozen=True)
class Parameter:
    """A value to bind, as text beside its SQL type."""

    name: str
    type: str
    """Upper case, such as ``BIGINT`` or ``DECIMAL(4,2)``; ``VOID`` for NULL."""
    text: str | None
    """The value as SQL would write it without quotes; None for NULL."""


_TYPES = frozenset(
    [
        "STRING",
        "BIGINT",
        "INT",
        "SMALLINT",
        "TINYINT",
        "DOUBLE",
        "FLOAT",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP",
        "TIMESTAMP_NTZ",
        "DECIMAL",
        "BINARY",
        "VOID",
    ]
)
_ALIASES = {"INTEGER": "INT", "LONG": "BIGINT", "BOOL": "BOOLEAN", "TEXT": "STRING"} | {
    "NUMERIC": "DECIMAL",
    "SHORT": "SMALLINT",
    "BYTE": "TINYINT",
    "NULL": "VOID",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[+-]?(?:(0|[1-9][0-9]*)\.([0-9]+))")
_DOUBLE = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


def parse_parameter(pair: str) -> Parameter:
    """The parameter that ``name=value`` or ``name:type=value`` gives.

    Without a type: whole numbers, decimals, dates, times, true, false and null are what a SQL
    literal of that look would be; anything else is a string. Raises UsageError for what is neither
    form, an unknown type, or a value that is not of its type.
    """
    head, equals, text = pair.partition("=")
    name, _, given = head.strip().removeprefix(":").partition(":")
    name, given = name.strip(), given.strip().upper()
    if not equals or not _NAME.fullmatch(name):
        raise UsageError(
            f"'{pair}' is no parameter", hint="write it as name=value or name:type=value"
        )
    if not given:
        return Parameter(name, *_inferred(text))
    base, bracket, rest = given.partition("(")
    kind = _ALIASES.get(base.strip(), base.strip())
    if kind not in _TYPES:
        raise UsageError(
            f"parameter '{name}' has the unknown type '{given}'",
            hint=f"the types are: {', '.join(sorted(_TYPES))}",
        )
    if kind == "VOID":
        return Parameter(name, "VOID", None)
    if not _fits(kind, text):
        raise UsageError(f"parameter '{name}': '{text}' is no {given}")
    return Parameter(name, kind + bracket + rest.replace(" ", ""), text)


def _inferred(text: str) -> tuple[str, str | None]:
    low = text.lower()
    if low == "null":
        return "VOID", None
    if low in {"true", "false"}:
        return "BOOLEAN", low
    if _INTEGER.fullmatch(text):
        number = int(text)
        if -(2**31) <= number < 2**31:
            return "INT", text
        return ("BIGINT" if -(2**63) <= number < 2**63 else "STRING"), text
    if found := _DECIMAL.fullmatch(text):
        scale = len(found[2])
        precision = max(len(found[1].lstrip("0")) + scale, 1)
        return (f"DECIMAL({precision},{scale})" if precision <= 38 else "DOUBLE"), text
    if _DOUBLE.fullmatch(text):
        return "DOUBLE", text
    for kind in ("DATE", "TIMESTAMP"):
        if (_DATE if kind == "DATE" else _TIME).fullmatch(text) and _fits(kind, text):
            return kind, text
    return "STRING", text


def _fits(kind: str, text: str) -> bool:
    """Whether a text can be read as a value of a type."""
    import datetime

    try:
        if kind in {"BIGINT", "INT", "SMALLINT", "TINYINT"}:
            border = 1 << {"BIGINT": 63, "INT": 31, "SMALLINT": 15, "TINYINT": 7}[kind]
            return -border <= int(text) < border
        if kind in {"DOUBLE", "FLOAT", "DECIMAL"}:
            float(text)
        elif kind == "BOOLEAN":
            return text.lower() in {"true", "false"}
        elif kind == "DATE":
            datetime.date.fromisoformat(text)
        elif kind.startswith("TIMESTAMP"):
            datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


class Number(float):
    """A number that shows exactly as it was written: ``12.50``, or 38 digits."""

    text: str

    def __new__(cls, text: str) -> Number:
        """The number that a text writes."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __str__(self) -> str:
        """The text that it was made from."""
        return self.text

    __repr__ = __str__


def encode_value(value: Any) -> str:
    """A plain value as JSON; a Number is written exactly, NaN and infinities as strings."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return json.dumps({"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)])
        return repr(value)
    if isinstance(value, dict):
        inner = ", ".join(
            f"{json.dumps(str(key), ensure_ascii=False)}: {encode_value(one)}"
            for key, one in value.items()
        )
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(encode_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str, what: str) -> float:
    """Seconds from ``300``, ``5m``, ``2h`` or ``1d``; raises UsageError naming ``what`` else."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)\s*", text.lower())
    if found is None:
        raise UsageError(
            f"{what} is '{text}', no length of time", hint="write it as 300, 5m, 2h or 1d"
        )
    return float(found[1]) * _UNITS[found[2]]


def write_age(seconds: float) -> str:
    """How long ago something was: ``0.3 s``, ``42 s``, ``3 m 5 s``, ``2 h 10 m``, ``4 d 3 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
