"""CREATE TABLE as Databricks takes it, read from its tokens."""

from __future__ import annotations

from dataclasses import dataclass, field

from brickloop.localws.sql_tokens import Cursor, Token
from brickloop.localws.table_keys import TableKey, read_column_keys, read_table_key

_TABLE_RULES = frozenset({"CONSTRAINT", "PRIMARY", "FOREIGN"})


@dataclass
class TableStatement:
    """What a CREATE TABLE says."""

    parts: tuple[str, ...]
    if_not_exists: bool = False
    columns: list[str] = field(default_factory=list)
    """Column definitions, as text."""
    checks: list[tuple[str, str]] = field(default_factory=list)
    """CHECK constraints: name and condition."""
    keys: list[TableKey] = field(default_factory=list)
    """Primary and foreign keys, which nobody is held to."""
    provider: str = "delta"
    partitions: str = ""
    """What stands in ``PARTITIONED BY (...)``."""
    location: str = ""
    """As the user wrote it."""
    comment: str | None = None
    properties: str = ""
    options: str = ""
    query: str = ""
    like: tuple[str, ...] = ()
    clone: str = ""
    """``SHALLOW`` or ``DEEP``."""
    clone_version: str = ""
    """``VERSION AS OF 1`` or ``TIMESTAMP AS OF '...'``."""

    @property
    def partition_names(self) -> list[str]:
        """The partition columns by name."""
        names = (part.split()[0].strip("`") for part in self.partitions.split(",") if part.strip())
        return list(names)


def read_create_table(cursor: Cursor) -> TableStatement:
    """The statement after ``CREATE [OR REPLACE] TABLE``; raises a parse error."""
    if_not_exists = cursor.take("IF", "NOT", "EXISTS")
    found = TableStatement(cursor.name(), if_not_exists)
    if cursor.take("LIKE"):
        found.like = cursor.name()
        _read_clauses(cursor, found)
        return found
    if cursor.sees("SHALLOW", "CLONE") or cursor.sees("DEEP", "CLONE") or cursor.sees("CLONE"):
        return _read_clone(cursor, found)
    if cursor.sees("("):
        _read_columns(cursor, found)
    _read_clauses(cursor, found)
    return found


def split_group(text: str, tokens: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    """The tokens of a group apart at its commas."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        sign = token.text if token.kind == "sign" else ""
        depth += {"(": 1, "<": 1, "[": 1, ")": -1, ">": -1, "]": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [tuple(part) for part in parts if part]


def text_of(text: str, tokens: tuple[Token, ...]) -> str:
    """The text from the first to the last of the tokens."""
    return text[tokens[0].start : tokens[-1].end] if tokens else ""


def _read_columns(cursor: Cursor, found: TableStatement) -> None:
    for part in split_group(cursor.text, cursor.group()):
        if part[0].upper not in _TABLE_RULES or (len(part) > 1 and part[1].upper == "STRING"):
            found.columns.append(_without_keys(cursor.text, part))
            found.keys.extend(read_column_keys(text_of(cursor.text, part)))
            continue
        words = [token.upper for token in part]
        if words[0] == "CONSTRAINT" and "CHECK" in words[:3]:
            condition = text_of(cursor.text, part[words.index("CHECK") + 1 :])
            found.checks.append((part[1].value, condition))
            continue
        inner = Cursor(text_of(cursor.text, part))
        key = read_table_key(inner, inner.one_name() if inner.take("CONSTRAINT") else "")
        if key is not None:
            found.keys.append(key)


def _without_keys(text: str, part: tuple[Token, ...]) -> str:
    """A column's definition without ``PRIMARY KEY`` and ``REFERENCES``, which bind nothing."""
    words = [token.upper for token in part]
    for index, word in enumerate(words):
        begins = word == "CONSTRAINT" and index > 1
        if begins or words[index : index + 2] == ["PRIMARY", "KEY"] or word == "REFERENCES":
            return text_of(text, part[:index])
    return text_of(text, part)


def _read_clone(cursor: Cursor, found: TableStatement) -> TableStatement:
    found.clone = cursor.take_any("SHALLOW", "DEEP") or "DEEP"
    cursor.expect("CLONE")
    found.like = cursor.name()
    if cursor.sees("VERSION") or cursor.sees("TIMESTAMP"):
        kind = cursor.next().upper
        cursor.expect("AS", "OF")
        found.clone_version = f"{kind} AS OF {cursor.next().text}"
    _read_clauses(cursor, found)
    return found


def _read_clauses(cursor: Cursor, found: TableStatement) -> None:
    while not cursor.at_end:
        if cursor.take("USING"):
            found.provider = cursor.name()[-1].lower()
        elif cursor.take("PARTITIONED", "BY"):
            found.partitions = text_of(cursor.text, cursor.group())
        elif cursor.take("CLUSTER", "BY"):
            # how the data lies changes no answer
            if not cursor.take_any("AUTO", "NONE"):
                cursor.group()
        elif cursor.take("LOCATION"):
            found.location = cursor.string()
        elif cursor.take("COMMENT"):
            found.comment = cursor.string()
        elif cursor.take("TBLPROPERTIES"):
            found.properties = text_of(cursor.text, cursor.group())
        elif cursor.take("OPTIONS"):
            found.options = text_of(cursor.text, cursor.group())
        elif cursor.take("AS") or cursor.sees("SELECT") or cursor.sees("WITH"):
            found.query = cursor.rest()
        else:
            raise cursor.error()
