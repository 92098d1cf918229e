"""Session variables, EXECUTE IMMEDIATE and LIST."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.localws.spark_errors import analysis_error, path_not_found, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_create import split_group
from brickloop.localws.sql_literals import SqlText, literal
from brickloop.localws.sql_query import run_query
from brickloop.localws.sql_tokens import Cursor, Token

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame


def declare_variable(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DECLARE [OR REPLACE] VARIABLE: a variable of the session."""
    replace = cursor.take("OR", "REPLACE")
    cursor.take_any("VARIABLE", "VAR")
    name = _name(cursor)
    kind = ""
    begin = cursor.position
    while not cursor.at_end and not cursor.sees("DEFAULT") and not cursor.sees("="):
        cursor.next()
    kind = cursor.text_of(cursor.tokens[begin : cursor.position])
    value = cursor.rest() if cursor.take("DEFAULT") or cursor.take("=") else "NULL"
    if name in context.variables and not replace:
        raise analysis_error(
            "VARIABLE_ALREADY_EXISTS",
            f"Cannot create the variable `system`.`session`.`{name}` because it already exists.",
        )
    context.variables[name] = _value(context, value, kind, cursor.args)
    context.variable_types[name] = kind
    return context.nothing()


def set_variable(context: SqlContext, cursor: Cursor) -> DataFrame:
    """SET VAR: one variable, or several from a query's row."""
    if cursor.sees("("):
        names = [part[0].value.lower() for part in split_group(cursor.text, cursor.group())]
        cursor.expect("=")
        text = cursor.rest()
        rows = run_query(context, text[1:-1], cursor.args).frame.toArrow().to_pylist()
        values = list(rows[0].values()) if rows else [None] * len(names)
        for name, value in zip(names, values, strict=True):
            _known(context, name)
            kind = context.variable_types.get(name, "")
            context.variables[name] = _value(context, literal(value), kind, None)
        return context.nothing()
    name = _name(cursor)
    _known(context, name)
    cursor.expect("=")
    value = "NULL" if cursor.sees("DEFAULT") else cursor.rest()
    context.variables[name] = _value(
        context, value, context.variable_types.get(name, ""), cursor.args
    )
    return context.nothing()


def drop_variable(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DROP TEMPORARY VARIABLE."""
    tolerant = cursor.take("IF", "EXISTS")
    name = _name(cursor)
    if not tolerant:
        _known(context, name)
    context.variables.pop(name, None)
    return context.nothing()


def read_execute(context: SqlContext, cursor: Cursor) -> tuple[str, Any]:
    """The statement of EXECUTE IMMEDIATE, and its parameters' values."""
    cursor.expect("IMMEDIATE")
    tokens = cursor.remaining()
    end = next((i for i, t in enumerate(tokens) if t.upper in {"USING", "INTO"}), len(tokens))
    if end < len(tokens) and tokens[end].upper == "INTO":
        raise unsupported("EXECUTE IMMEDIATE ... INTO")
    text = _evaluated(context, cursor.text_of(tokens[:end]), cursor.args)
    if end == len(tokens):
        return str(text), None
    given = list(tokens[end + 1 :])
    if given and given[0].text == "(":
        given = given[1:-1]
    named: dict[str, Any] = {}
    placed: list[Any] = []
    for part in split_group(cursor.text, tuple(given)):
        alias = _alias(part)
        body = part[:-2] if alias else part
        value = SqlText(literal(_evaluated(context, cursor.text_of(body), cursor.args)))
        if alias:
            named[alias] = value
        else:
            placed.append(value)
    return str(text), named or placed


def list_files(context: SqlContext, cursor: Cursor) -> DataFrame:
    """LIST: the files of a folder."""
    path = cursor.string()
    limit = cursor.number() if cursor.take("LIMIT") else None
    cursor.end()
    folder = Path(context.paths.real(path))
    if not folder.exists():
        raise path_not_found(path)
    context.recorder.add("paths_read", path)
    rows = []
    for each in sorted(folder.iterdir()) if folder.is_dir() else [folder]:
        found = each.stat()
        mark = "/" if each.is_dir() else ""
        changed = dt.datetime.fromtimestamp(found.st_mtime, dt.timezone.utc)
        size = 0 if each.is_dir() else found.st_size
        rows.append((context.paths.shown(str(each)) + mark, each.name + mark, size, changed))
    shape = "path string, name string, size bigint, modification_time timestamp"
    return context.rows(shape, rows[:limit])


def refuse_script(context: SqlContext, cursor: Cursor) -> DataFrame:
    """BEGIN ... END: SQL scripts."""
    raise unsupported("SQL scripts (BEGIN ... END)", "Run the statements one by one.")


def _alias(part: tuple[Token, ...]) -> str:
    return part[-1].value if len(part) > 2 and part[-2].upper == "AS" else ""


def _name(cursor: Cursor) -> str:
    return cursor.name()[-1].lower()


def _known(context: SqlContext, name: str) -> None:
    if name not in context.variables:
        raise analysis_error(
            "UNRESOLVED_VARIABLE",
            f"Cannot resolve variable `{name}` on search path `SYSTEM`.`SESSION`.",
        )


def _evaluated(context: SqlContext, text: str, args: Any) -> Any:
    table = run_query(context, f"SELECT {text}", args).frame.toArrow()
    return table.column(0)[0].as_py()


def _value(context: SqlContext, text: str, kind: str, args: Any) -> str:
    """An expression's value now, as SQL of its type."""
    shown = f"CAST(({text}) AS {kind})" if kind else text
    frame = run_query(context, f"SELECT {shown} AS v", args).frame
    value = frame.toArrow().column(0)[0].as_py()
    return f"CAST({literal(value)} AS {frame.schema.fields[0].dataType.simpleString()})"
