"""Commands that change the session: USE, SET, RESET; and those that have nothing to do here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.errors.exceptions.base import PySparkException

from brickloop.localws.registry import DEFAULT_SCHEMA
from brickloop.localws.spark_errors import analysis_error, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_tokens import Cursor

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

_PAIRS = "key string, value string"
_SETTING = re.compile(r"\s*SET\s+`?([\w.\-]+)`?\s*(?:=\s*(.*?))?\s*$", re.IGNORECASE | re.DOTALL)
_OFFSET = re.compile(r"[+-]\d{1,2}(:\d{2})?")
# names that Databricks SQL gives settings which Spark has under another
_ALIASES = {
    "timezone": "spark.sql.session.timeZone",
    "ansi_mode": "spark.sql.ansi.enabled",
}
_IGNORED = frozenset({"use_cached_result", "statement_timeout", "legacy_time_parser_policy",
                      "max_file_partition_bytes", "read_only_external_metastore"})  # fmt: skip


def use(context: SqlContext, cursor: Cursor) -> DataFrame:
    """USE: another current catalog or schema."""
    catalog = context.catalog
    if cursor.take("CATALOG"):
        name = cursor.string() if cursor.peek.kind == "string" else ".".join(cursor.name())
        cursor.end()
        catalog.use(name.lower(), DEFAULT_SCHEMA)
        return context.nothing()
    marked = cursor.take_any("SCHEMA", "DATABASE", "NAMESPACE") is not None
    parts = cursor.name()
    cursor.end()
    if len(parts) > 2:
        raise cursor.error()
    found, schema = catalog.qualify_schema(parts)
    # a bare name is a schema, and a catalog where no such schema is there
    if (
        len(parts) == 1
        and not marked
        and not context.registry.has_schema(found, schema)
        and context.registry.has_catalog(schema)
    ):
        found, schema = schema, DEFAULT_SCHEMA
    catalog.use(found, schema)
    return context.nothing()


def set_catalog(context: SqlContext, cursor: Cursor) -> DataFrame:
    """SET CATALOG: the same as USE CATALOG."""
    name = cursor.string() if cursor.peek.kind == "string" else ".".join(cursor.name())
    cursor.end()
    context.catalog.use(name.lower(), DEFAULT_SCHEMA)
    return context.nothing()


def set_setting(context: SqlContext, cursor: Cursor) -> DataFrame:
    """SET: a setting of the session, changed or shown."""
    if cursor.at_end or cursor.sees("-", "v"):
        shown = sorted(context.spark.conf.getAll.items())
        return context.rows(_PAIRS, shown)
    if cursor.take("TIME", "ZONE"):
        return _set_time_zone(context, cursor)
    if cursor.take_any("VAR", "VARIABLE"):
        raise unsupported("SQL session variables (SET VARIABLE)", "Use a parameter or a widget.")
    found = _SETTING.match(cursor.text)
    if found is None:
        raise cursor.error()
    key, value = found.group(1), found.group(2)
    key = _ALIASES.get(key.lower(), key)
    if value is None:
        return context.rows(_PAIRS, [(key, context.spark.conf.get(key, "<undefined>"))])
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if key.lower() not in _IGNORED:
        context.set_conf(key, value)
    return context.rows(_PAIRS, [(key, value)])


def reset(context: SqlContext, cursor: Cursor) -> DataFrame:
    """RESET: one setting, or those that were set, back to their defaults."""
    if cursor.at_end:
        raise unsupported("RESET of all settings", "Name the setting: RESET <key>.")
    key = ".".join(cursor.name())
    cursor.end()
    context.unset_conf(_ALIASES.get(key.lower(), key))
    return context.nothing()


def change_nothing(context: SqlContext, cursor: Cursor) -> DataFrame:
    """CACHE, REFRESH, ANALYZE and their like: tables must exist; there is nothing to be done."""
    while not cursor.at_end:
        if cursor.take("TABLE"):
            cursor.take("IF", "EXISTS")
            parts = cursor.name()
            if not context.is_temporary(parts):
                context.find(parts)
            break
        cursor.next()
    return context.nothing()


def cache_table(context: SqlContext, cursor: Cursor) -> DataFrame:
    """CACHE TABLE: nothing to be done; with a query it makes a temporary view, as in Spark."""
    cursor.take("LAZY")
    cursor.expect("TABLE")
    parts = cursor.name()
    if cursor.take("OPTIONS"):
        cursor.group()
    query = cursor.rest() if cursor.take("AS") or not cursor.at_end else ""
    if query:
        return context.spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW `{parts[-1]}` AS {query}")
    if not context.is_temporary(parts):
        context.find(parts)
    return context.nothing()


def refuse_rights(context: SqlContext, cursor: Cursor) -> DataFrame:
    """GRANT, REVOKE and DENY: there is one user, who may do everything."""
    word = cursor.tokens[0].upper
    raise unsupported(f"{word}: it has one user, so there are no rights to give")


def _set_time_zone(context: SqlContext, cursor: Cursor) -> DataFrame:
    if cursor.take("LOCAL"):
        zone = "UTC"
    elif cursor.take("INTERVAL"):
        raise unsupported("SET TIME ZONE INTERVAL", "Write the zone's name or its offset.")
    else:
        zone = cursor.string()
    cursor.end()
    if not _OFFSET.fullmatch(zone):
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):
            raise analysis_error(
                "INVALID_PARAMETER_VALUE", f"The value of the time zone is invalid: '{zone}'."
            ) from None
    try:
        context.set_conf("spark.sql.session.timeZone", zone)
    except PySparkException as error:
        raise analysis_error("INVALID_PARAMETER_VALUE", str(error)) from None
    return context.nothing()
