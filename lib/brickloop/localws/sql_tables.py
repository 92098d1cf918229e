"""CREATE, DROP and TRUNCATE TABLE, over the registry and the tables' logs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.localws.delta_log import (
    Action,
    amend_newest,
    change_metadata,
    create_table,
    read_facts,
)
from brickloop.localws.registry import Entry, TableName
from brickloop.localws.spark_errors import analysis_error, table_exists, unsupported
from brickloop.localws.sql_changefeed import FEED, change_rows, has_feed
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_create import TableStatement, read_create_table
from brickloop.localws.sql_query import accept_query
from brickloop.localws.sql_tokens import Cursor, quoted_name, string_literal
from brickloop.localws.table_keys import TableKey

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

_CREATE = "CREATE TABLE"


def make_table(
    context: SqlContext, cursor: Cursor, args: Any, *, replace: bool, external: bool
) -> DataFrame:
    """CREATE [OR REPLACE] TABLE in all its forms."""
    wanted = read_create_table(cursor)
    feed = _take_feed(wanted)
    name = context.catalog.qualify(wanted.parts)
    is_kept = wanted.if_not_exists and context.registry.find(name) is not None
    made = _make_wanted(context, cursor, wanted, args, replace=replace, external=external)
    if not is_kept:
        context.registry.set_keys(name, [full_key(context, name, key) for key in wanted.keys])
    if feed:
        entry = context.find(wanted.parts)
        if read_facts(entry.folder).version == 0:
            amend_newest(
                entry.folder,
                lambda old: {**old, "configuration": {**(old.get("configuration") or {}), **feed}},
                "changeDataFeed",
            )
        else:
            give_properties(entry, feed)
    return made


def full_key(context: SqlContext, table: TableName, key: TableKey) -> TableKey:
    """A key as it is kept: with a name, and its parent's full name."""
    parent = context.catalog.qualify(key.parent).parts if key.parent else ()
    return dataclasses.replace(key.named(table.name), parent=parent)


def give_properties(entry: Entry, added: dict[str, str]) -> None:
    """Add properties to a table."""

    def change(old: Action) -> Action:
        return {**old, "configuration": {**(old.get("configuration") or {}), **added}}

    feature = "changeDataFeed" if added.get(FEED, "").lower() == "true" else ""
    change_metadata(entry.folder, change, "SET TBLPROPERTIES", feature=feature)


def _take_feed(wanted: TableStatement) -> dict[str, str]:
    """Take the change data feed out of a statement: the engine makes no such table."""
    properties = read_properties(wanted.properties)
    if wanted.provider != "delta" or properties.get(FEED, "").lower() != "true":
        return {}
    kept = {key: value for key, value in properties.items() if key != FEED}
    wanted.properties = ", ".join(
        f"{string_literal(key)} = {string_literal(value)}" for key, value in kept.items()
    )
    return {FEED: "true"}


def _make_wanted(
    context: SqlContext,
    cursor: Cursor,
    wanted: TableStatement,
    args: Any,
    *,
    replace: bool,
    external: bool,
) -> DataFrame:
    name = context.catalog.qualify(wanted.parts)
    context.catalog.ensure_place(name)
    present = context.registry.find(name)
    context.recorder.add("tables_written", str(name))
    if present is not None and wanted.if_not_exists:
        return context.nothing()
    if present is not None and not replace:
        raise table_exists(str(name))
    if present is not None and present.kind == "view":
        raise analysis_error(
            "EXPECT_TABLE_NOT_VIEW",
            f"'CREATE OR REPLACE TABLE' expects a table but `{name}` is a view.",
        )
    if external and not wanted.location:
        raise cursor.error()
    if wanted.like:
        return _make_like(context, wanted, name, present)
    if present is not None and present.is_delta and wanted.provider == "delta":
        return _replace_delta(context, wanted, present, args)
    if present is not None:
        _forget(context, present)
    context.catalog.forget(name)
    if not wanted.location:
        context.registry.clear_remains(name)
    _make_new(context, wanted, name, args)
    return context.nothing()


def drop_table(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DROP TABLE: the name, and a managed table's data."""
    tolerant = cursor.take("IF", "EXISTS")
    parts = cursor.name()
    cursor.take("PURGE")
    cursor.end()
    entry = context.registry.find(context.catalog.qualify(parts))
    if entry is None:
        if not tolerant:
            context.find(parts)
        return context.nothing()
    if entry.kind == "view":
        raise analysis_error(
            "EXPECT_TABLE_NOT_VIEW",
            f"Cannot drop the view `{entry.name}` with DROP TABLE; use DROP VIEW.",
        )
    _forget(context, entry)
    return context.nothing()


def truncate_table(context: SqlContext, cursor: Cursor) -> DataFrame:
    """TRUNCATE TABLE: all rows gone, in one version."""
    cursor.expect("TABLE")
    entry = context.find_delta(cursor.name(), "TRUNCATE TABLE")
    if cursor.take("PARTITION"):
        raise unsupported("TRUNCATE TABLE ... PARTITION", "Use DELETE FROM ... WHERE.")
    cursor.end()
    context.recorder.add("tables_written", str(entry.name))
    if has_feed(entry):
        change_rows(context, "DELETE", entry, f"DELETE FROM {context.reference(entry)}")
    else:
        context.bare(f"DELETE FROM {context.reference(entry)}")
    return context.nothing()


def _forget(context: SqlContext, entry: Entry) -> None:
    context.catalog.forget(entry.name)
    context.registry.forget(entry)


def _make_new(context: SqlContext, wanted: TableStatement, name: TableName, args: Any) -> None:
    location = context.paths.real(wanted.location) if wanted.location else ""
    managed = not location
    if managed and wanted.provider != "delta":
        location = str(context.registry.managed_folder(name))
    if location and not managed:
        context.recorder.add("paths_written", wanted.location)
    accepted = accept_query(context, wanted.query, args) if wanted.query else ""
    if accepted and wanted.provider != "delta":
        # files of other formats do not say what their columns are: the statement does
        fields = context.bare(accepted).schema.fields
        wanted.columns = [
            f"{quoted_name(field.name)} {field.dataType.simpleString()}" for field in fields
        ]
    shape = _shape(wanted, location)
    query = f" AS {accepted}" if accepted and wanted.provider == "delta" else ""
    context.catalog.mark_made(name)
    context.bare(f"{_CREATE} {quoted_name(*name.parts)} {shape}{query}")
    if wanted.provider != "delta" or not managed:
        kind = "table" if managed else "external"
        # Delta knows its own columns; for the other formats they are part of the entry
        kept = "" if wanted.provider == "delta" else shape
        entry = Entry(
            name, kind, wanted.provider, location, statement=kept,
            comment=wanted.comment or "", owner=context.user,
        )  # fmt: skip
        if managed:
            Path(location).mkdir(parents=True, exist_ok=True)
        context.registry.put(entry)
    if accepted and wanted.provider == "delta":
        amend_newest(context.find(name.parts).folder, _nullable)
    elif accepted:
        context.bare(f"INSERT INTO {quoted_name(*name.parts)} {accepted}")
    if wanted.checks:
        _add_checks(context, context.find(name.parts), wanted)


def _shape(wanted: TableStatement, location: str) -> str:
    """The statement after the name, as the engine takes it."""
    clauses = [f"({', '.join(wanted.columns)})" if wanted.columns else ""]
    clauses.append(f"USING {wanted.provider}")
    clauses.append(f"OPTIONS ({wanted.options})" if wanted.options else "")
    clauses.append(f"PARTITIONED BY ({wanted.partitions})" if wanted.partitions else "")
    clauses.append(f"LOCATION {string_literal(location)}" if location else "")
    clauses.append(f"COMMENT {string_literal(wanted.comment)}" if wanted.comment else "")
    clauses.append(f"TBLPROPERTIES ({wanted.properties})" if wanted.properties else "")
    return " ".join(clause for clause in clauses if clause)


def _replace_delta(
    context: SqlContext, wanted: TableStatement, present: Entry, args: Any
) -> DataFrame:
    """Replace a table in one version, its history kept; the engine itself keeps its columns."""
    location = context.paths.real(wanted.location) if wanted.location else present.location
    if location != present.location:
        raise unsupported("CREATE OR REPLACE TABLE at another LOCATION", "Drop the table first.")
    reference = context.reference(present)
    if not wanted.query:
        context.bare(f"CREATE OR REPLACE TABLE {reference} {_shape(wanted, present.location)}")
        context.catalog.mark_made(present.name)
        return context.nothing()
    if wanted.columns:
        raise analysis_error(
            "PARSE_SYNTAX_ERROR", "Schema may not be specified in a CTAS statement."
        )
    frame = context.spark.sql(wanted.query, args) if args else context.spark.sql(wanted.query)
    writer = frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
    if wanted.partition_names:
        writer = writer.partitionBy(*wanted.partition_names)
    writer.saveAsTable(reference)
    amend_newest(present.folder, _nullable)
    _settle(context.find(present.name.parts), wanted)
    return context.nothing()


def _settle(entry: Entry, wanted: TableStatement) -> None:
    """Give a replaced table the comment and properties of its statement, and no others."""
    properties = read_properties(wanted.properties)

    def change(old: Action) -> Action:
        return {**old, "configuration": properties, "description": wanted.comment}

    facts = read_facts(entry.folder)
    if facts.properties != properties or facts.comment != (wanted.comment or ""):
        change_metadata(entry.folder, change, "CREATE OR REPLACE TABLE AS SELECT")


def read_properties(text: str) -> dict[str, str]:
    """Keys and values of ``'a' = 'b', c.d = 1``."""
    found: dict[str, str] = {}
    cursor = Cursor(text)
    while not cursor.at_end:
        key = cursor.string() if cursor.peek.kind == "string" else ".".join(cursor.name())
        if cursor.take("="):
            sign = "-" if cursor.take("-") else ""
            found[key] = sign + cursor.next().value
        elif cursor.peek.text != ",":
            found[key] = cursor.next().value
        if not cursor.take(","):
            break
    cursor.end()
    return found


def _make_like(
    context: SqlContext, wanted: TableStatement, name: TableName, present: Entry | None
) -> DataFrame:
    command = f"{wanted.clone} CLONE" if wanted.clone else "CREATE TABLE LIKE"
    source = context.find_delta(wanted.like, command)
    if wanted.location:
        raise unsupported(f"{command} with a LOCATION")
    context.recorder.add("tables_read", str(source.name))
    if present is not None and present.name == source.name:
        return context.nothing()
    if not wanted.clone:
        if present is not None:
            _forget(context, present)
        create_table(context.registry.managed_folder(name), read_facts(source.folder), _CREATE)
        return context.nothing()
    reference = context.reference(source)
    frame = context.bare(f"SELECT * FROM {reference} {wanted.clone_version}")
    writer = frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
    facts = read_facts(source.folder)
    if facts.partition_columns:
        writer = writer.partitionBy(*facts.partition_columns)
    writer.saveAsTable(quoted_name(*name.parts))
    made = context.find(name.parts)
    taken = ["description", "configuration"]
    if not wanted.clone_version:
        taken.append("schemaString")
    kept = {key: facts.metadata[key] for key in taken if key in facts.metadata}
    change_metadata(made.folder, lambda old: {**old, **kept}, "CLONE", {"source": str(source.name)})
    return context.nothing()


def with_fields(old: Action, change: Callable[[list[Action]], list[Action]]) -> Action:
    schema = json.loads(old["schemaString"])
    schema["fields"] = change(schema["fields"])
    return {**old, "schemaString": json.dumps(schema)}


def _nullable(old: Action) -> Action:
    """A query's columns may be NULL in the table made from it, whatever the query says of them."""
    return with_fields(old, lambda fields: [{**field, "nullable": True} for field in fields])


def _add_checks(context: SqlContext, entry: Entry, wanted: TableStatement) -> None:
    for name, condition in wanted.checks:
        context.bare(
            f"ALTER TABLE {context.reference(entry)} ADD CONSTRAINT `{name}` CHECK {condition}"
        )
