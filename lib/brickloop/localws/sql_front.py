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

from brickloop.localws import sql_objects, sql_settings, sql_tables
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
        command = _COMMANDS.get(words[0]) if words else None
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
    return sql_objects.drop(context, cursor)


def _alter(context: SqlContext, cursor: Cursor) -> DataFrame:
    if cursor.take("TABLE"):
        return sql_tables.alter_table(context, cursor)
    return sql_objects.alter(context, cursor)


def _set(context: SqlContext, cursor: Cursor) -> DataFrame:
    if cursor.take("CATALOG"):
        return sql_settings.set_catalog(context, cursor)
    return sql_settings.set_setting(context, cursor)


_COMMANDS: dict[str, _Command] = {
    "ALTER": _alter,
    "CACHE": sql_settings.cache_table,
    "COMMENT": sql_tables.comment_on,
    "CREATE": _create,
    "DENY": sql_settings.refuse_rights,
    "DROP": _drop,
    "GRANT": sql_settings.refuse_rights,
    "REFRESH": sql_settings.change_nothing,
    "REPLACE": _replace,
    "RESET": sql_settings.reset,
    "REVOKE": sql_settings.refuse_rights,
    "SET": _set,
    "TRUNCATE": sql_tables.truncate_table,
    "UNCACHE": sql_settings.change_nothing,
    "USE": sql_settings.use,
}
