"""SQL functions: made, dropped, described, and put as expressions where they are called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brickloop.localws.registry import Entry
from brickloop.localws.spark_errors import analysis_error, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_create import split_group
from brickloop.localws.sql_tokens import Cursor, quoted_name

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame
    from sqlglot import exp

_CHARACTERISTICS = (
    ("NOT", "DETERMINISTIC"), ("DETERMINISTIC",), ("CONTAINS", "SQL"), ("READS", "SQL", "DATA"),
)  # fmt: skip
_NAMED_PLACES = ("COMMENT", "DEFAULT", "NOT")


@dataclass(frozen=True)
class Signature:
    """What a function takes and gives."""

    parameters: tuple[tuple[str, str, str], ...]
    """Name, type and default (empty where there is none)."""
    returns: str
    """A type; empty where the body says it. For a table function its columns."""
    is_table: bool = False

    def to_json(self) -> str:
        """The signature as a registry's entry keeps it."""
        return json.dumps(
            {"parameters": self.parameters, "returns": self.returns, "table": self.is_table}
        )


def read_signature(entry: Entry) -> Signature:
    """The signature of a registry's function."""
    kept = json.loads(entry.statement)
    parameters = tuple((str(p[0]), str(p[1]), str(p[2])) for p in kept["parameters"])
    return Signature(parameters, str(kept["returns"]), bool(kept["table"]))


def create_function(
    context: SqlContext, cursor: Cursor, *, replace: bool, temporary: bool
) -> DataFrame:
    """CREATE FUNCTION with an SQL body."""
    tolerant = cursor.take("IF", "NOT", "EXISTS")
    parts = cursor.name()
    parameters = _read_parameters(cursor)
    returns, is_table, comment = "", False, ""
    body = ""
    while not body:
        if cursor.take("RETURNS"):
            if cursor.take("TABLE"):
                is_table = True
                returns = cursor.text_of(cursor.group()) if cursor.sees("(") else ""
            else:
                returns = _read_type(cursor)
        elif cursor.take("COMMENT"):
            comment = cursor.string()
        elif cursor.take("LANGUAGE"):
            language = cursor.next().upper
            if language != "SQL":
                raise unsupported(f"CREATE FUNCTION ... LANGUAGE {language}", "Use spark.udf.")
        elif any(cursor.take(*words) for words in _CHARACTERISTICS):
            continue
        elif cursor.take("RETURN"):
            body = cursor.rest()
        else:
            raise cursor.error()
    _check_body(cursor, body)
    signature = Signature(parameters, returns, is_table)
    name = context.catalog.qualify(parts)
    entry = Entry(
        name, "function", "sql", statement=signature.to_json(),
        text=context.qualify(body), comment=comment, owner=context.user,
    )  # fmt: skip
    present = find_function(context, parts)
    if present is not None and tolerant:
        return context.nothing()
    if present is not None and not replace:
        raise analysis_error(
            "ROUTINE_ALREADY_EXISTS",
            f"Cannot create the function `{name.name}` because a function of that name already"
            " exists. Choose a different name, drop or replace the existing function, or add the"
            " IF NOT EXISTS clause to tolerate a pre-existing function.",
        )
    if temporary:
        context.temporary_functions[parts[-1].lower()] = entry
    else:
        context.registry.put(entry)
    return context.nothing()


def drop_function(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DROP FUNCTION."""
    tolerant = cursor.take("IF", "EXISTS")
    parts = cursor.name()
    cursor.end()
    entry = find_function(context, parts)
    if entry is None:
        if tolerant:
            return context.nothing()
        raise routine_not_found(parts)
    if context.temporary_functions.pop(parts[-1].lower(), None) is None:
        context.registry.forget(entry)
    return context.nothing()


def describe_function(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DESCRIBE FUNCTION."""
    extended = cursor.take("EXTENDED")
    parts = cursor.name()
    cursor.end()
    entry = find_function(context, parts)
    if entry is None:
        word = "EXTENDED " if extended else ""
        return context.bare(f"DESCRIBE FUNCTION {word}{parts[-1]}")
    signature = read_signature(entry)
    inputs = [f"{name} {kind}" for name, kind, _ in signature.parameters]
    lines = [f"Function: {entry.name}", f"Type:     {'TABLE' if signature.is_table else 'SCALAR'}"]
    lines += [f"{'Input:' if i == 0 else '':<10}{text}" for i, text in enumerate(inputs)]
    lines.append(f"Returns:  {signature.returns}")
    if extended:
        lines += [
            f"Comment:  {entry.comment}",
            f"Owner:    {entry.owner}",
            f"Body:     {entry.text}",
        ]
    return context.rows("function_desc string", [(line,) for line in lines])


def find_function(context: SqlContext, parts: tuple[str, ...]) -> Entry | None:
    """The SQL function of that name, None where there is none."""
    if len(parts) == 1 and parts[0].lower() in context.temporary_functions:
        return context.temporary_functions[parts[0].lower()]
    if len(parts) > 3 or not context.registry.function_names():
        return None
    return context.registry.find_function(context.catalog.qualify(parts))


def expand_function(context: SqlContext, entry: Entry, arguments: list[exp.Expr]) -> exp.Expr:
    """The function's body with its parameters' values; a query for a table function."""
    from sqlglot import exp, maybe_parse

    signature = read_signature(entry)
    values = _bind(entry, signature, arguments)
    tree: Any = maybe_parse(entry.text, dialect="databricks")

    def put(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.table.lower() in {"", entry.name.name}:
            return values[node.name.lower()].copy() if node.name.lower() in values else node
        return node

    tree = tree.transform(put)
    if signature.is_table:
        query: exp.Expr = tree.subquery(entry.name.name)
        return query
    if isinstance(tree, exp.Query):
        tree = tree.subquery()
    if not signature.returns:
        return exp.Paren(this=tree)
    return exp.cast(exp.Paren(this=tree), signature.returns, dialect="databricks")


def routine_not_found(parts: tuple[str, ...]) -> Exception:
    """The error for a function that is not there."""
    return analysis_error(
        "ROUTINE_NOT_FOUND",
        f"The routine {quoted_name(*parts)} cannot be found. Verify the spelling and correctness of"
        " the schema and catalog.",
    )


def _bind(entry: Entry, signature: Signature, arguments: list[exp.Expr]) -> dict[str, exp.Expr]:
    from sqlglot import exp, maybe_parse

    named = {a.this.name.lower(): a.expression for a in arguments if isinstance(a, exp.Kwarg)}
    placed = [a for a in arguments if not isinstance(a, exp.Kwarg)]
    needed = [name for name, _, default in signature.parameters if not default]
    if len(arguments) > len(signature.parameters) or len(arguments) < len(needed):
        raise analysis_error(
            "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            f"The `{entry.name.name}` requires {len(signature.parameters)} parameters but the"
            f" actual number is {len(arguments)}.",
        )
    values: dict[str, Any] = {}
    for place, (name, kind, default) in enumerate(signature.parameters):
        if name.lower() in named:
            value = named[name.lower()]
        elif place < len(placed):
            value = placed[place]
        else:
            value = maybe_parse(default or "NULL", dialect="databricks")
        values[name.lower()] = exp.cast(value.copy(), kind, dialect="databricks")
    return values


def _read_parameters(cursor: Cursor) -> tuple[tuple[str, str, str], ...]:
    found = []
    for part in split_group(cursor.text, cursor.group()):
        words = [token.upper for token in part]
        end = next((i for i, w in enumerate(words) if i > 1 and w in _NAMED_PLACES), len(part))
        default = ""
        if "DEFAULT" in words[2:]:
            begin = words.index("DEFAULT", 2) + 1
            stop = words.index("COMMENT", begin) if "COMMENT" in words[begin:] else len(part)
            default = cursor.text_of(part[begin:stop])
        found.append((part[0].value, cursor.text_of(part[1:end]), default))
    return tuple(found)


def _read_type(cursor: Cursor) -> str:
    begin = cursor.next()
    end = begin
    if cursor.sees("("):
        inner = cursor.group()
        end = inner[-1] if inner else end
        return cursor.text[begin.start : end.end] + ")"
    if cursor.sees("<"):
        depth = 0
        while True:
            end = cursor.next()
            depth += {"<": 1, ">": -1}.get(end.text, 0)
            if depth == 0:
                break
    return cursor.text[begin.start : end.end]


def _check_body(cursor: Cursor, body: str) -> None:
    from sqlglot import maybe_parse
    from sqlglot.errors import SqlglotError

    try:
        maybe_parse(body, dialect="databricks")
    except SqlglotError:
        raise cursor.error() from None
