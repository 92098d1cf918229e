"""CREATE, DROP and ALTER of catalogs, schemas and views, over the registry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from brickloop.localws.registry import DEFAULT_SCHEMA, Entry, check_name
from brickloop.localws.spark_errors import (
    analysis_error,
    catalog_not_found,
    schema_not_found,
    table_exists,
    table_not_found,
    unsupported,
)
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_functions import create_function, drop_function
from brickloop.localws.sql_query import accept_query
from brickloop.localws.sql_tokens import Cursor, quoted_name
from brickloop.localws.sql_volumes import create_volume, drop_volume

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

_KINDS = frozenset(
    {"BLOOMFILTER", "CONNECTION", "CREDENTIAL", "EXTERNAL", "FLOW", "FOREIGN", "GROUP", "INDEX",
     "LIVE", "LOCATION", "MATERIALIZED", "MODEL", "POLICY", "PROCEDURE", "PROVIDER", "RECIPIENT",
     "SERVER", "SHARE", "STORAGE", "STREAMING", "TABLE", "USER", "VIEW", "VOLUME"}
)  # fmt: skip


def create(context: SqlContext, cursor: Cursor, *, replace: bool, temporary: bool) -> DataFrame:
    """CREATE CATALOG, SCHEMA or VIEW."""
    if cursor.take("VIEW"):
        return _create_view(context, cursor, replace=replace, temporary=temporary)
    if cursor.take_any("SCHEMA", "DATABASE"):
        return _create_schema(context, cursor)
    if cursor.take("CATALOG"):
        return _create_catalog(context, cursor)
    if cursor.take("FUNCTION"):
        return create_function(context, cursor, replace=replace, temporary=temporary)
    if cursor.take("VOLUME"):
        return create_volume(context, cursor)
    raise unsupported(f"CREATE {_kind(cursor)}")


def drop(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DROP CATALOG, SCHEMA or VIEW."""
    if cursor.take("VIEW"):
        return _drop_view(context, cursor)
    if cursor.take_any("SCHEMA", "DATABASE"):
        return _drop_schema(context, cursor)
    if cursor.take("CATALOG"):
        return _drop_catalog(context, cursor)
    if cursor.take("TEMPORARY", "FUNCTION") or cursor.take("FUNCTION"):
        return drop_function(context, cursor)
    if cursor.take("VOLUME"):
        return drop_volume(context, cursor)
    raise unsupported(f"DROP {_kind(cursor)}")


def alter(context: SqlContext, cursor: Cursor) -> DataFrame:
    """ALTER VIEW."""
    if not cursor.take("VIEW"):
        raise unsupported(f"ALTER {_kind(cursor)}")
    parts = cursor.name()
    entry = context.find(parts)
    if cursor.take("AS"):
        _keep_view(context, replace_query(context, entry, cursor.rest(), cursor.args))
        return context.nothing()
    if cursor.take("RENAME", "TO"):
        new = cursor.name()
        cursor.end()
        whole = new if len(new) > 1 else (entry.name.catalog, entry.name.schema, *new)
        context.registry.rename(entry, context.catalog.qualify(whole))
        context.catalog.forget(entry.name)
        return context.nothing()
    raise unsupported(f"ALTER VIEW ... {cursor.rest()[:60]}")


def replace_query(context: SqlContext, entry: Entry, query: str, args: object) -> Entry:
    """The view with another query."""
    return replace(entry, statement="AS " + _view_query(context, query, args), text=query)


def _create_view(
    context: SqlContext, cursor: Cursor, *, replace: bool, temporary: bool
) -> DataFrame:
    tolerant = cursor.take("IF", "NOT", "EXISTS")
    parts = cursor.name()
    columns = cursor.text_of(cursor.group()) if cursor.sees("(") else ""
    comment = ""
    while not cursor.take("AS"):
        if cursor.take("COMMENT"):
            comment = cursor.string()
        elif cursor.take("TBLPROPERTIES"):
            cursor.group()
        elif cursor.take("WITH", "SCHEMA"):
            cursor.next()
        elif temporary and cursor.sees("USING"):
            return _engine_view(context, cursor)
        else:
            raise cursor.error()
    query = cursor.rest()
    if temporary:
        word = "OR REPLACE TEMPORARY" if replace else "TEMPORARY"
        named = f" ({columns})" if columns else ""
        accepted = accept_query(context, query, cursor.args)
        context.change_views(f"CREATE {word} VIEW {quoted_name(parts[-1])}{named} AS {accepted}")
        return context.nothing()
    name = context.catalog.qualify(parts)
    context.registry.check_catalog(name.catalog)
    context.registry.check_schema(name.catalog, name.schema)
    check_name(name.name)
    present = context.registry.find(name)
    context.recorder.add("tables_written", str(name))
    if present is not None and tolerant:
        return context.nothing()
    if present is not None and present.kind != "view":
        raise analysis_error(
            "EXPECT_VIEW_NOT_TABLE", f"`{name}` is a table; 'CREATE VIEW' expects a view."
        )
    if present is not None and not replace:
        raise table_exists(str(name))
    named = f"({columns}) " if columns else ""
    statement = f"{named}AS {_view_query(context, query, cursor.args)}"
    _keep_view(
        context,
        Entry(name, "view", statement=statement, text=query, comment=comment, owner=context.user),
    )
    return context.nothing()


def _view_query(context: SqlContext, query: str, args: object) -> str:
    """The query as it is kept: every table with its full name, whatever is current later."""
    return accept_query(context, context.qualify(query), args)


def _keep_view(context: SqlContext, entry: Entry) -> None:
    name = quoted_name(*entry.name.parts)
    context.catalog.ensure_place(entry.name)
    context.catalog.forget(entry.name)
    # the engine has the last word on whether this is a view
    context.bare(f"CREATE OR REPLACE VIEW {name} {entry.statement}")
    context.catalog.mark_made(entry.name)
    context.bare(f"SELECT * FROM {name} LIMIT 0").schema  # noqa: B018 - raises what is wrong
    context.registry.put(entry)


def _engine_view(context: SqlContext, cursor: Cursor) -> DataFrame:
    """CREATE TEMPORARY VIEW ... USING: a frame of the source."""
    context.change_views(cursor.text, bare=False)
    return context.nothing()


def _drop_view(context: SqlContext, cursor: Cursor) -> DataFrame:
    tolerant = cursor.take("IF", "EXISTS")
    parts = cursor.name()
    cursor.end()
    if context.is_temporary(parts):
        context.change_views(f"DROP VIEW {quoted_name(parts[-1])}")
        return context.nothing()
    entry = context.registry.find(context.catalog.qualify(parts))
    if entry is None:
        if tolerant:
            return context.nothing()
        raise table_not_found(".".join(parts))
    if entry.kind != "view":
        raise analysis_error(
            "EXPECT_VIEW_NOT_TABLE",
            f"Cannot drop the table `{entry.name}` with DROP VIEW; use DROP TABLE.",
        )
    context.catalog.forget(entry.name)
    context.registry.forget(entry)
    return context.nothing()


def _create_schema(context: SqlContext, cursor: Cursor) -> DataFrame:
    tolerant = cursor.take("IF", "NOT", "EXISTS")
    catalog, schema = context.catalog.qualify_schema(cursor.name())
    comment = ""
    while not cursor.at_end:
        if cursor.take("COMMENT"):
            comment = cursor.string()
        elif cursor.take("WITH", "DBPROPERTIES"):
            cursor.group()
        elif cursor.take("MANAGED", "LOCATION") or cursor.take("LOCATION"):
            raise unsupported(
                "CREATE SCHEMA with a LOCATION", "Leave it out: tables are kept here."
            )
        else:
            raise cursor.error()
    if context.registry.has_schema(catalog, schema):
        if tolerant:
            return context.nothing()
        raise analysis_error(
            "SCHEMA_ALREADY_EXISTS",
            f"Cannot create schema `{schema}` because it already exists. Choose a different name,"
            " drop the existing schema, or add the IF NOT EXISTS clause to tolerate pre-existing"
            " schema.",
        )
    context.registry.make_schema(catalog, schema, comment)
    return context.nothing()


def _drop_schema(context: SqlContext, cursor: Cursor) -> DataFrame:
    tolerant = cursor.take("IF", "EXISTS")
    catalog, schema = context.catalog.qualify_schema(cursor.name())
    cascade = cursor.take_any("CASCADE", "RESTRICT") == "CASCADE"
    cursor.end()
    registry = context.registry
    if not registry.has_schema(catalog, schema):
        if tolerant:
            return context.nothing()
        raise schema_not_found(f"{catalog}.{schema}")
    if not cascade and (registry.entries(catalog, schema) or registry.functions(catalog, schema)):
        raise analysis_error(
            "SCHEMA_NOT_EMPTY",
            f"Cannot drop a schema `{catalog}`.`{schema}` because it contains objects. Use DROP"
            " SCHEMA ... CASCADE to drop the schema and all its objects.",
        )
    context.catalog.forget_schema(catalog, schema)
    registry.drop_schema(catalog, schema)
    return context.nothing()


def _create_catalog(context: SqlContext, cursor: Cursor) -> DataFrame:
    tolerant = cursor.take("IF", "NOT", "EXISTS")
    name = cursor.one_name()
    catalog = name.lower()
    while not cursor.at_end:
        if cursor.take("COMMENT"):
            cursor.string()
        else:
            raise cursor.error()
    if context.registry.has_catalog(catalog):
        if tolerant:
            return context.nothing()
        raise analysis_error("CATALOG_ALREADY_EXISTS", f"Catalog `{catalog}` already exists.")
    context.registry.make_catalog(catalog)
    return context.nothing()


def _drop_catalog(context: SqlContext, cursor: Cursor) -> DataFrame:
    tolerant = cursor.take("IF", "EXISTS")
    name = cursor.one_name()
    catalog = name.lower()
    cascade = cursor.take_any("CASCADE", "RESTRICT") == "CASCADE"
    cursor.end()
    registry = context.registry
    if not registry.has_catalog(catalog):
        if tolerant:
            return context.nothing()
        raise catalog_not_found(catalog)
    schemas = registry.schemas(catalog)
    filled = [s for s in schemas if s != DEFAULT_SCHEMA or registry.entries(catalog, s)]
    if filled and not cascade:
        raise analysis_error(
            "SCHEMA_NOT_EMPTY",
            f"Cannot drop the catalog `{catalog}` because it contains objects. Use DROP CATALOG"
            " ... CASCADE to drop the catalog and all its objects.",
        )
    for schema in schemas:
        context.catalog.forget_schema(catalog, schema)
    registry.drop_catalog(catalog)
    return context.nothing()


def _kind(cursor: Cursor) -> str:
    """What a command is about, as ``MATERIALIZED VIEW``; raises a parse error for anything else."""
    words = []
    while cursor.peek.upper in _KINDS:
        words.append(cursor.next().upper)
    if not words:
        raise cursor.error()
    return " ".join(words)
