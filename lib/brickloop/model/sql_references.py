"""The tables that SQL text reads and writes."""

from __future__ import annotations

import logging
import re
from typing import Any

from brickloop.model.references import Kind, Place, Reference

_DEFAULT_SCHEMA = "default"
_CREATED = {"TABLE", "VIEW"}
_TABLE_WORDS = re.compile(r"\b(from|join|into|table|view|update|merge|overwrite)\b", re.IGNORECASE)


class TableScope:
    """What a notebook's text has said so far: the current schema, and names that are its own."""

    def __init__(self) -> None:
        self._catalog: str | None = None
        self._schema: str | None = None
        self._schemas = {_DEFAULT_SCHEMA}
        """All that were current."""
        self._temporary: set[str] = set()

    def use(self, *, catalog: str | None = None, schema: str | None = None) -> None:
        """Later names of one part belong to this schema, of two to this catalog."""
        if catalog is not None:
            self._catalog, self._schema = catalog.lower(), None
        if schema is not None:
            self._schema = schema.lower()
            self._schemas.add(self._schema)

    def hide(self, name: str) -> None:
        """A temporary view of the notebook's own is no table that others could know."""
        self._temporary.add(name.replace("`", "").lower())

    def qualified(self, name: str) -> str:
        """The name in small letters, with schema, and with catalog where it is known."""
        parts = name.replace("`", "").lower().split(".")[-3:]
        if len(parts) == 1:
            if parts[0] in self._temporary:
                return parts[0]
            parts = [self._schema or _DEFAULT_SCHEMA, *parts]
        if len(parts) == 2 and self._catalog:
            parts = [self._catalog, *parts]
        return ".".join(parts)

    def settled(self, references: tuple[Reference, ...]) -> tuple[Reference, ...]:
        """The references without those to temporary views."""
        tables = {Kind.READ, Kind.WRITE}
        return tuple(
            found
            for found in references
            if not (found.kind in tables and self._is_own(found.target))
        )

    def _is_own(self, target: str) -> bool:
        parts = target.split(".")
        unqualified = len(parts) == 1 or parts[-2] in self._schemas
        return parts[-1] in self._temporary and unqualified


def scan_sql(text: str, scope: TableScope, place: Place) -> list[Reference]:
    """The tables that statements name; text that cannot be parsed is listed as unresolved."""
    import sqlglot

    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        statements = sqlglot.parse(text, dialect="databricks")
    except sqlglot.errors.SqlglotError:
        return _scan_one_by_one(text, scope, place)
    found: list[Reference] = []
    for statement in statements:
        if statement is not None:
            found += _statement_references(statement, scope, place)
    return found


def _scan_one_by_one(text: str, scope: TableScope, place: Place) -> list[Reference]:
    """The tables of each statement that can be parsed; the others are listed as unresolved."""
    import sqlglot

    found: list[Reference] = []
    for line, statement in _split(text):
        at = place.below(line)
        try:
            parsed = sqlglot.parse_one(statement, dialect="databricks")
        except sqlglot.errors.SqlglotError:
            if _TABLE_WORDS.search(statement):
                found.append(Reference(Kind.UNRESOLVED, "SQL that cannot be parsed", at))
            continue
        found += _statement_references(parsed, scope, at)
    return found


def _split(text: str) -> list[tuple[int, str]]:
    """The statements of a text with the line on which each begins; the text itself in doubt."""
    import sqlglot

    try:
        tokens = sqlglot.tokenize(text, read="databricks")
    except sqlglot.errors.SqlglotError:
        return [(1, text)]
    found: list[tuple[int, str]] = []
    first = None
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            if first is not None:
                found.append((first.line, text[first.start : token.start]))
            first = None
        elif first is None:
            first = token
    if first is not None:
        found.append((first.line, text[first.start :]))
    return found


def _statement_references(statement: Any, scope: TableScope, place: Place) -> list[Reference]:
    from sqlglot import exp

    if isinstance(statement, exp.Use):
        _use(statement, scope)
        return []
    if isinstance(statement, exp.Command):
        return _command_references(statement, scope, place)
    target = _target_of(statement)
    if target is not None and _is_temporary(statement):
        scope.hide(target.name)
    own = {cte.alias_or_name.lower() for cte in statement.find_all(exp.CTE)}
    found = []
    if target is not None:
        at = place.below(_line_of(target))
        found.append(Reference(Kind.WRITE, scope.qualified(_name_of(target)), at))
        if not isinstance(statement, exp.Create):
            # what is changed must be there: who makes the table comes before
            found.append(Reference(Kind.READ, scope.qualified(_name_of(target)), at))
    for table in statement.find_all(exp.Table):
        if table is target or not table.name or not (table.db or table.name.lower() not in own):
            continue
        if isinstance(table.this, exp.Identifier):
            at = place.below(_line_of(table))
            if "/" in table.name:
                found.append(Reference(Kind.PATH, table.name.lstrip("/"), at))
            else:
                found.append(Reference(Kind.READ, scope.qualified(_name_of(table)), at))
    return found


def _command_references(statement: Any, scope: TableScope, place: Place) -> list[Reference]:
    """Of statements that the parser keeps as text: those that change one table."""
    rest = statement.expression
    text = f"{statement.this} {rest if isinstance(rest, str) else rest.name if rest else ''}"
    changed = re.match(
        r"\s*(?:OPTIMIZE|RESTORE\s+TABLE|VACUUM|REPLACE\s+TABLE)\s+([\w.`]+)",
        text,
        re.IGNORECASE,
    )
    if changed is None:
        return []
    name = scope.qualified(changed.group(1))
    return [Reference(Kind.WRITE, name, place), Reference(Kind.READ, name, place)]


def _use(statement: Any, scope: TableScope) -> None:
    target = statement.this
    if target is None:
        return
    kind = str(statement.args.get("kind") or "").upper()
    if kind == "CATALOG":
        scope.use(catalog=target.name)
    elif getattr(target, "db", ""):
        scope.use(catalog=target.db)
        scope.use(schema=target.name)
    else:
        scope.use(schema=target.name)


def _target_of(statement: Any) -> Any:
    from sqlglot import exp

    if isinstance(statement, exp.Create):
        if str(statement.args.get("kind") or "").upper() not in _CREATED:
            return None
    elif not isinstance(
        statement, exp.Insert | exp.Merge | exp.Update | exp.Delete | exp.Copy | exp.TruncateTable
    ):
        return None
    target = statement.this
    if isinstance(statement, exp.TruncateTable):
        target = next(iter(statement.expressions), None)
    if isinstance(target, exp.Schema):
        target = target.this
    return target if isinstance(target, exp.Table) else None


def _is_temporary(statement: Any) -> bool:
    from sqlglot import exp

    return isinstance(statement, exp.Create) and any(
        statement.find_all(exp.TemporaryProperty, exp.GlobalProperty)
    )


def _name_of(table: Any) -> str:
    return ".".join(part for part in (table.catalog, table.db, table.name) if part)


def _line_of(table: Any) -> int:
    """The line of a name within its text, counted from 1."""
    return int((table.this.meta if table.this is not None else {}).get("line") or 1)
