"""``spark.sql`` as Databricks users write it.

A statement's first words decide who answers: the catalog commands are answered from the registry,
the maintenance of Delta tables by delta-rs and the tables' logs, and the rest goes to the engine.
What the engine lacks in a query is rewritten where that is sound (``sql_query``); what nothing here
can do is an UNSUPPORTED_FEATURE error that names it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from brickloop.localws import (
    sql_alter,
    sql_changes,
    sql_copy,
    sql_maintenance,
    sql_objects,
    sql_scripts,
    sql_settings,
    sql_shows,
    sql_tables,
)
from brickloop.localws.sql_context import Answer, SqlContext
from brickloop.localws.sql_query import run_query
from brickloop.localws.sql_text import leading_words
from brickloop.localws.sql_tokens import Cursor

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

_Command = Callable[[SqlContext, Cursor], "DataFrame | Answer"]


class SqlFront:
    """Answers the statements of one session."""

    def __init__(self, context: SqlContext) -> None:
        self.context = context
        self._local = threading.local()

    @property
    def statement(self) -> str:
        """The statement that this thread ran last, for the place of an error in it."""
        return str(getattr(self._local, "statement", ""))

    def run(self, text: str, args: Any = None, kwargs: Any = None) -> DataFrame:
        """The result of one statement as a frame, as ``SparkSession.sql`` gives it."""
        return self.answer(text, args, kwargs).frame

    def answer(self, text: str, args: Any = None, kwargs: Any = None) -> Answer:
        """The result of one statement, and whether it is a query's or a command's."""
        text = text.strip().rstrip("; \n\t\r")
        self._local.statement = text
        self.context.recorder.add_statement(text)
        words = leading_words(text, 1)
        command = _COMMANDS.get(words[0].partition("(")[0]) if words else None
        if command is None:
            return run_query(self.context, text, args, kwargs)
        cursor = Cursor(text)
        cursor.args = args
        cursor.next()
        found = command(self.context, cursor)
        return found if isinstance(found, Answer) else Answer(found, is_command=True)


def _create(context: SqlContext, cursor: Cursor) -> DataFrame:
    replace = cursor.take("OR", "REPLACE")
    cursor.take("GLOBAL")
    temporary = cursor.take_any("TEMPORARY", "TEMP") is not None
    external = cursor.take("EXTERNAL")
    if cursor.take("TABLE"):
        return sql_tables.make_table(
            context, cursor, cursor.args, replace=replace, external=external
        )
    return sql_objects.create(context, cursor, replace=replace, temporary=temporary)


def _replace(context: SqlContext, cursor: Cursor) -> DataFrame:
    cursor.expect("TABLE")
    return sql_tables.make_table(context, cursor, cursor.args, replace=True, external=False)


def _drop(context: SqlContext, cursor: Cursor) -> DataFrame:
    if cursor.take("TABLE"):
        return sql_tables.drop_table(context, cursor)
    if cursor.take("TEMPORARY", "VARIABLE"):
        return sql_scripts.drop_variable(context, cursor)
    return sql_objects.drop(context, cursor)


def _alter(context: SqlContext, cursor: Cursor) -> DataFrame:
    if cursor.take("TABLE"):
        return sql_alter.alter_table(context, cursor)
    return sql_objects.alter(context, cursor)


def _set(context: SqlContext, cursor: Cursor) -> DataFrame:
    if cursor.take("VAR") or cursor.take("VARIABLE"):
        return sql_scripts.set_variable(context, cursor)
    if cursor.take("CATALOG"):
        return sql_settings.set_catalog(context, cursor)
    return sql_settings.set_setting(context, cursor)


def _analyze(context: SqlContext, cursor: Cursor) -> DataFrame:
    if cursor.sees("TABLES"):
        return context.nothing()
    return sql_settings.change_nothing(context, cursor)


def _with(context: SqlContext, cursor: Cursor) -> Answer:
    """A query, or an INSERT with its named relations in front."""
    depth = 0
    for index, token in enumerate(cursor.tokens):
        depth += {"(": 1, ")": -1}.get(token.text if token.kind == "sign" else "", 0)
        if depth == 0 and token.upper == "INSERT":
            inner = Cursor(cursor.text)
            inner.args = cursor.args
            inner.skip_to(index + 1)
            return sql_changes.insert(context, inner, cursor.text[: token.start])
        if depth == 0 and token.upper == "SELECT":
            break
    return run_query(context, cursor.text, cursor.args)


def _execute(context: SqlContext, cursor: Cursor) -> Answer:
    text, args = sql_scripts.read_execute(context, cursor)
    front = SqlFront(context)
    return front.answer(text, args)


_COMMANDS: dict[str, _Command] = {
    "ALTER": _alter,
    "ANALYZE": _analyze,
    "BEGIN": sql_scripts.refuse_script,
    "CACHE": sql_settings.cache_table,
    "CLEAR": sql_settings.change_nothing,
    "COMMENT": sql_alter.comment_on,
    "COPY": sql_copy.copy_into,
    "CREATE": _create,
    "DECLARE": sql_scripts.declare_variable,
    "DELETE": sql_changes.change_rows,
    "DENY": sql_settings.refuse_rights,
    "DESC": sql_shows.describe,
    "DESCRIBE": sql_shows.describe,
    "DROP": _drop,
    "EXECUTE": _execute,
    "EXPLAIN": sql_shows.explain,
    "GRANT": sql_settings.refuse_rights,
    "INSERT": sql_changes.insert,
    "LIST": sql_scripts.list_files,
    "MERGE": sql_changes.change_rows,
    "MSCK": sql_settings.change_nothing,
    "OPTIMIZE": sql_maintenance.optimize,
    "REFRESH": sql_settings.change_nothing,
    "REPLACE": _replace,
    "RESET": sql_settings.reset,
    "RESTORE": sql_maintenance.restore,
    "REVOKE": sql_settings.refuse_rights,
    "SET": _set,
    "SHOW": sql_shows.show,
    "TRUNCATE": sql_tables.truncate_table,
    "UNCACHE": sql_settings.change_nothing,
    "UPDATE": sql_changes.change_rows,
    "USE": sql_settings.use,
    "VACUUM": sql_maintenance.vacuum,
    "WITH": _with,
}
