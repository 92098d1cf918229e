"""Queries on their way to the engine."""

from __future__ import annotations

import re
from typing import Any

from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql.connect.dataframe import DataFrame

from brickloop.localws.spark_errors import (
    column_not_found,
    is_parse_error,
    is_unknown,
    unsupported,
)
from brickloop.localws.sql_bridge import Bridge
from brickloop.localws.sql_context import Answer, SqlContext
from brickloop.localws.sql_literals import SqlText, bind
from brickloop.localws.sql_relations import columns_of
from brickloop.localws.sql_tokens import Cursor, Token, escape_quotes, read_tokens, string_literal
from brickloop.localws.sql_trees import generate, parse, read_path_versions
from brickloop.localws.sql_triggers import needs_bridge

_UNRESOLVED = re.compile(r"with name (`[^`]+`(?:\.`[^`]+`)*) cannot be resolved")
_RETRIES = 20
_USERS = frozenset({"current_user", "session_user", "user"})
_ENDS = frozenset({",", "FROM", ")", ""})


def run_query(context: SqlContext, text: str, args: Any = None, kwargs: Any = None) -> Answer:
    """The answer to a query."""
    if args and _is_text(args):
        text, args = bind(text, args), None
    text, views = _with_histories(context, _with_session_values(context, text))
    if needs_bridge(context, read_tokens(text)):
        text, more = prepare(context, text, args)
        views, args = {**views, **more}, None
    return Answer(_resolved(context, text, args, kwargs, views))


def prepare(context: SqlContext, text: str, args: Any = None) -> tuple[str, dict[str, DataFrame]]:
    """A statement, its parameters bound, as the engine takes it, and what it stands on."""
    text = _with_session_values(context, bind(text, args))
    if not needs_bridge(context, read_tokens(text)):
        return text, {}
    bridge = Bridge(context)
    return bridge.rewrite(text), bridge.views


def accept_query(context: SqlContext, query: str, args: Any = None) -> str:
    """The query for a command that is sent bare, or kept; its names stay the user's."""
    query, views = prepare(context, query, args)
    if views:
        raise unsupported("read_files, information_schema or recursion in a view's query")
    return context.interceptor.lead_text(query)


def _with_histories(context: SqlContext, text: str) -> tuple[str, dict[str, DataFrame]]:
    """The statement with queries in place of ``(DESCRIBE HISTORY t)``, and what they read."""
    views: dict[str, DataFrame] = {}
    if "history" not in text.lower():
        return text, views
    from brickloop.localws.sql_shows import describe

    tokens = read_tokens(text)
    for index in reversed(range(len(tokens) - 2)):
        opening, verb, noun = tokens[index : index + 3]
        if opening.text != "(" or verb.upper not in {"DESCRIBE", "DESC"} or noun.upper != "HISTORY":
            continue
        depth, end = 1, index + 1
        while depth and end < len(tokens):
            sign = tokens[end].text if tokens[end].kind == "sign" else ""
            depth += {"(": 1, ")": -1}.get(sign, 0)
            end += 1
        closing = tokens[end - 1]
        cursor = Cursor(text[verb.start : closing.start])
        cursor.next()
        name = context.temporary_name()
        views[name] = describe(context, cursor)
        text = f"{text[: opening.end]}SELECT * FROM {name}{text[closing.start :]}"
    return text, views


def query_frame(context: SqlContext, query: str, args: Any = None) -> DataFrame:
    """The query's rows."""
    return run_query(context, query, args).frame


def _with_session_values(context: SqlContext, text: str) -> str:
    """The statement with what only this side knows: versions after ``@``, the user, the catalog."""
    if "''" in text or '""' in text:
        text = escape_quotes(text)
    if "@" in text:
        text = read_path_versions(text)
    lowered = text.lower()
    stand_in = context.catalog.is_stand_in(context.catalog.catalog)
    if "user" not in lowered and not (stand_in and "current_catalog" in lowered):
        return text
    tokens = read_tokens(text)
    clauses: list[str] = [""]
    found: list[tuple[int, int, str]] = []
    for index, token in enumerate(tokens):
        if token.text == "(" and token.kind == "sign":
            clauses.append("")
        elif token.text == ")" and token.kind == "sign" and len(clauses) > 1:
            clauses.pop()
        elif token.upper in {"SELECT", "FROM", "WHERE"}:
            clauses[-1] = token.upper
        name = token.text.lower() if token.kind == "word" else ""
        if not (name in _USERS or (stand_in and name == "current_catalog")):
            continue
        called = [each.text for each in tokens[index + 1 : index + 3]] == ["(", ")"]
        if not called and not _is_bare(tokens, index):
            continue
        value = context.user if name in _USERS else context.catalog.catalog
        shown = string_literal(value)
        if clauses[-1] == "SELECT" and _is_item(tokens, index, index + (3 if called else 1)):
            shown += f" AS `{name}()`"
        found.append((token.start, tokens[index + 2].end if called else token.end, shown))
    for start, end, shown in reversed(found):
        text = text[:start] + shown + text[end:]
    return text


def _is_bare(tokens: tuple[Token, ...], index: int) -> bool:
    """Whether ``current_user`` stands without parentheses, and not for a name."""
    before = tokens[index - 1].text.upper() if index else ""
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    return (
        tokens[index].upper in {"CURRENT_USER", "SESSION_USER"}
        and before not in {".", "AS", "@"}
        and after not in {".", "("}
    )


def _is_item(tokens: tuple[Token, ...], index: int, end: int) -> bool:
    """Whether the tokens are a whole item of a select list."""
    before = tokens[index - 1].text.upper() if index else ""
    after = tokens[end].text.upper() if end < len(tokens) else ""
    return before in {"SELECT", ",", "DISTINCT"} and after in _ENDS


def _resolved(
    context: SqlContext, text: str, args: Any, kwargs: Any, views: dict[str, DataFrame]
) -> DataFrame:
    """The query's frame, analysed; what the engine does not take is looked at once more."""
    respelled = False
    for _ in range(_RETRIES):
        try:
            frame = context.engine(text, args, kwargs, views)
            frame.schema  # noqa: B018 - a wrong name is told now, as by Databricks
            return frame
        except PySparkException as error:
            foreign = is_parse_error(error) or is_unknown(error)
            if foreign and not respelled:
                respelled, changed = True, _respelled(text)
            else:
                changed = _name_found(context, text, error)
            if changed is None:
                raise _with_suggestions(context, text, error) from None
            try:
                if args:
                    changed, args = bind(changed, args), None
                text = changed
                if foreign:
                    frame = context.engine(text, args, kwargs, views)
                    frame.schema  # noqa: B018 - as above
            except PySparkException:
                # the error in the user's own words says more
                raise error from None
    return context.engine(text, args, kwargs, views)


def _with_suggestions(
    context: SqlContext, text: str, error: PySparkException
) -> PySparkException | Exception:
    """The error, with the columns that the user may have meant where a column is not there."""
    found = _UNRESOLVED.search(str(error))
    if found is None or "WITHOUT_SUGGESTION" not in str(error):
        return error
    parts = [part.strip("`") for part in re.findall(r"`[^`]+`", found.group(1))]
    known = [
        str(field.name)
        for entry in context.catalog.ensure_text(text)
        for field in columns_of(context, entry)
    ]
    return column_not_found(parts, known, text)


def _respelled(text: str) -> str | None:
    """The statement in the plainest spelling of the dialect; None where it has none."""
    tree = parse(text)
    return None if tree is None else generate(tree)


def _name_found(context: SqlContext, text: str, error: PySparkException) -> str | None:
    """The statement with the name replaced that the engine could not resolve."""
    found = _UNRESOLVED.search(str(error))
    if found is None:
        return None
    parts = [part.strip("`") for part in re.findall(r"`[^`]+`", found.group(1))]
    if parts[0].lower() == "_metadata":
        raise unsupported("the column _metadata of files")
    value = context.variables.get(parts[-1].lower())
    if len(parts) > 1 and parts[0].lower() != "session":
        return None
    return Bridge(context).replace_column(text, parts[-1], value)


def _is_text(args: Any) -> bool:
    """Whether the parameters' values are SQL already."""
    values = list(args.values() if isinstance(args, dict) else args)
    return any(isinstance(value, SqlText) for value in values)
