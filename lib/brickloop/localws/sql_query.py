"""Queries and DML on their way to the engine."""

from __future__ import annotations

from typing import Any

from brickloop.localws.sql_context import Answer, SqlContext
from brickloop.localws.sql_literals import SqlText, bind
from brickloop.localws.sql_text import leading_words

_CHANGES = frozenset({"DELETE", "INSERT", "MERGE", "UPDATE"})


def run_query(context: SqlContext, text: str, args: Any, kwargs: Any) -> Answer:
    """The answer to a query or a DML statement."""
    word = (leading_words(text, 1) or [""])[0]
    if word in _CHANGES:
        # the engine binds no parameters in commands
        frame = context.engine(bind(text, args), **(kwargs or {}))
        affected = _first_number(frame)
        return Answer(frame, is_command=True, affected=affected)
    if args and _is_text(args):
        text, args = bind(text, args), None
    return Answer(context.engine(text, args or None, **(kwargs or {})))


def _is_text(args: Any) -> bool:
    """Whether the parameters' values are SQL already."""
    values = list(args.values() if isinstance(args, dict) else args)
    return any(isinstance(value, SqlText) for value in values)


def accept_query(context: SqlContext, query: str, args: Any = None) -> str:
    """The query as the engine takes it inside of a command that is sent as it is."""
    return context.interceptor.prepare_text(bind(query, args))


def qualify_tables(context: SqlContext, query: str) -> str:
    """The query with every table's full name."""
    from sqlglot import exp, parse_one

    tree = parse_one(query, dialect="databricks")
    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    begun: list[tuple[int, str]] = []
    for table in tree.find_all(exp.Table):
        first = table.args.get("catalog") or table.args.get("db") or table.this
        if not isinstance(first, exp.Identifier) or "start" not in first.meta:
            continue
        parts = tuple(part.name for part in table.parts)
        if len(parts) == 1 and parts[0].lower() in named:
            continue
        if len(parts) < 3 and context.registry.find(context.catalog.qualify(parts)) is not None:
            full = context.catalog.qualify(parts).parts[: 3 - len(parts)]
            prefix = "".join(f"`{part}`." for part in full)
            begun.append((int(first.meta["start"]), prefix))
    for start, prefix in sorted(begun, reverse=True):
        query = query[:start] + prefix + query[start:]
    return query


def _first_number(frame: Any) -> int | None:
    table = frame.toArrow()
    if table.num_columns and table.num_rows:
        value = table.column(0)[0].as_py()
        return value if isinstance(value, int) else None
    return None
