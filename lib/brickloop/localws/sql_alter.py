"""ALTER TABLE and COMMENT ON: columns, properties and constraints, in the tables' logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.localws.delta_log import Action, change_metadata, read_facts
from brickloop.localws.registry import Entry
from brickloop.localws.spark_errors import analysis_error, column_not_found, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_create import split_group, text_of
from brickloop.localws.sql_relations import columns_of
from brickloop.localws.sql_tables import (
    full_key,
    give_properties,
    read_properties,
    with_fields,
)
from brickloop.localws.sql_tokens import Cursor
from brickloop.localws.table_keys import PRIMARY, TableKey, read_table_key

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

_MAPPING = "delta.columnMapping.mode"
_OWN_MAPPING = "brickloop.columnMapping.mode"
"""A mapping that was asked for after the table was made."""


def alter_table(context: SqlContext, cursor: Cursor) -> DataFrame:
    """ALTER TABLE."""
    parts = cursor.name()
    entry = context.find(parts)
    context.recorder.add("tables_written", str(entry.name))
    if cursor.take("RENAME", "TO"):
        new = cursor.name()
        cursor.end()
        whole = new if len(new) > 1 else (entry.name.catalog, entry.name.schema, *new)
        name = context.catalog.qualify(whole)
        context.registry.rename(entry, name)
        context.catalog.forget(entry.name)
        return context.nothing()
    entry = context.find_delta(parts, "ALTER TABLE")
    for words, act in _ALTERATIONS:
        if cursor.take(*words):
            return act(context, entry, cursor)
    raise unsupported(f"ALTER TABLE ... {cursor.rest()[:60]}")


def comment_on(context: SqlContext, cursor: Cursor) -> DataFrame:
    """COMMENT ON a table, view, column or schema."""
    cursor.expect("ON")
    kind = cursor.take_any("TABLE", "VIEW", "COLUMN", "SCHEMA", "DATABASE", "CATALOG", "VOLUME")
    if kind is None:
        raise cursor.error()
    parts = cursor.name()
    cursor.expect("IS")
    text = "" if cursor.take("NULL") else cursor.string()
    cursor.end()
    if kind in {"SCHEMA", "DATABASE"}:
        context.registry.set_schema_comment(*context.catalog.qualify_schema(parts), text)
    elif kind == "COLUMN":
        entry = context.find_delta(parts[:-1], "COMMENT ON COLUMN")
        _change_column(entry.folder, parts[-1], lambda column: _commented(column, text))
    elif kind in {"CATALOG", "VOLUME"}:
        raise unsupported(f"COMMENT ON {kind}")
    else:
        set_comment(context, context.find(parts), text)
    return context.nothing()


def set_comment(context: SqlContext, entry: Entry, text: str) -> None:
    """Keep a table's or view's comment."""
    if entry.is_delta:
        change_metadata(entry.folder, lambda old: {**old, "description": text}, "SET TBLPROPERTIES")
        return
    context.registry.put(replace(entry, comment=text))


def _add_columns(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    tokens = cursor.group() if cursor.sees("(") else cursor.remaining()
    added = []
    for part in split_group(cursor.text, tokens):
        if any(token.upper in {"FIRST", "AFTER"} for token in part[2:]):
            raise unsupported("ADD COLUMN at a position (FIRST, AFTER)")
        added.append(_read_field(context, text_of(cursor.text, part)))
    present = {field["name"].lower() for field in read_facts(entry.folder).schema["fields"]}
    for field in added:
        if field["name"].lower() in present:
            raise analysis_error(
                "COLUMN_ALREADY_EXISTS", f"The column `{field['name']}` already exists."
            )
    change_metadata(
        entry.folder,
        lambda old: with_fields(old, lambda fields: [*fields, *added]),
        "ADD COLUMNS",
        {"columns": ", ".join(field["name"] for field in added)},
    )
    context.catalog.mark_made(entry.name)
    return context.nothing()


def _read_field(context: SqlContext, text: str) -> Action:
    """A column definition as a field of the log's schema."""
    from pyspark.sql.types import StructType

    cursor = Cursor(text)
    name = _column_name(cursor)
    begin = cursor.peek.start
    comment, nullable, end = "", True, len(text)
    for index, token in enumerate(cursor.tokens):
        if token.upper in {"COMMENT", "NOT", "DEFAULT", "GENERATED"} and token.start > begin:
            end = token.start
            rest = cursor.tokens[index:]
            if token.upper in {"DEFAULT", "GENERATED"}:
                raise unsupported(f"ADD COLUMN with {token.upper}")
            if token.upper == "NOT":
                raise analysis_error(
                    "INVALID_PARAMETER_VALUE", "A column that is added cannot be NOT NULL."
                )
            comment = rest[1].value if len(rest) > 1 else ""
            break
    kind = text[begin:end]
    empty = context.bare(f"SELECT CAST(NULL AS {kind}) AS v LIMIT 0")
    made: Any = StructType([empty.schema.fields[0]]).jsonValue()["fields"][0]
    metadata = {"comment": comment} if comment else {}
    return {**made, "name": name, "nullable": nullable, "metadata": metadata}


def _column_name(cursor: Cursor) -> str:
    parts = cursor.name()
    if len(parts) > 1:
        raise unsupported(f"ALTER TABLE for a field inside of a column ({'.'.join(parts)})")
    return parts[0]


def _drop_columns(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    tolerant = cursor.take("IF", "EXISTS")
    if cursor.sees("("):
        names = [part[0].value for part in split_group(cursor.text, cursor.group())]
    else:
        names = [_column_name(cursor)]
    _need_mapping(entry, "DROP COLUMN")
    columns = [field["name"] for field in read_facts(entry.folder).schema["fields"]]
    doomed = {name.lower() for name in names}
    unknown = doomed - {column.lower() for column in columns}
    if unknown and not tolerant:
        raise _field_missing(sorted(unknown)[0])
    kept = [f"`{column}`" for column in columns if column.lower() not in doomed]
    return _rewrite(context, entry, ", ".join(kept), {})


def _rename_column(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    old = _column_name(cursor)
    cursor.expect("TO")
    new = _column_name(cursor)
    cursor.end()
    _need_mapping(entry, "RENAME COLUMN")
    columns = [field["name"] for field in read_facts(entry.folder).schema["fields"]]
    if old.lower() not in {column.lower() for column in columns}:
        raise _field_missing(old)
    shown = [f"`{c}` AS `{new}`" if c.lower() == old.lower() else f"`{c}`" for c in columns]
    return _rewrite(context, entry, ", ".join(shown), {old.lower(): new})


def _rewrite(
    context: SqlContext, entry: Entry, projection: str, renamed: dict[str, str]
) -> DataFrame:
    """Write the table anew with other columns; its history stays."""
    facts = read_facts(entry.folder)
    reference = context.reference(entry)
    partitions = [renamed.get(name.lower(), name) for name in facts.partition_columns]
    writer = context.bare(f"SELECT {projection} FROM {reference}").write.format("delta")
    writer = writer.mode("overwrite").option("overwriteSchema", "true")
    if partitions:
        writer = writer.partitionBy(*partitions)
    writer.saveAsTable(reference)
    comments = {
        renamed.get(field["name"].lower(), field["name"]): field["metadata"]
        for field in facts.schema["fields"]
    }

    def restore(old: Action) -> Action:
        changed = with_fields(
            old,
            lambda fields: [
                {**f, "metadata": {**comments.get(f["name"], {}), **f["metadata"]}} for f in fields
            ],
        )
        return {**changed, "description": facts.comment, "configuration": facts.properties}

    change_metadata(entry.folder, restore, "CHANGE COLUMN")
    context.catalog.mark_made(entry.name)
    return context.nothing()


def _need_mapping(entry: Entry, what: str) -> None:
    properties = read_facts(entry.folder).properties
    if "name" not in {properties.get(_MAPPING), properties.get(_OWN_MAPPING)}:
        raise analysis_error(
            f"DELTA_UNSUPPORTED_{what.replace(' ', '_')}",
            f"{what} is not supported for your Delta table: it needs column mapping. Enable it with"
            " ALTER TABLE ... SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name').",
        )


def _alter_column(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    name = _column_name(cursor)
    if cursor.take("COMMENT"):
        text = cursor.string()
        change: Callable[[Action], Action] = lambda column: _commented(column, text)  # noqa: E731
    elif cursor.take("DROP", "NOT", "NULL"):
        change = lambda column: {**column, "nullable": True}  # noqa: E731
    elif cursor.take("SET", "NOT", "NULL"):
        nulls = context.bare(
            f"SELECT 1 FROM {context.reference(entry)} WHERE `{name}` IS NULL LIMIT 1"
        )
        if nulls.collect():
            raise analysis_error(
                "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", f"Column `{name}` holds NULL values."
            )
        change = lambda column: {**column, "nullable": False}  # noqa: E731
    elif cursor.take("SET", "DEFAULT"):
        default = cursor.rest()
        change = lambda column: _with_meta(column, "CURRENT_DEFAULT", default)  # noqa: E731
    elif cursor.take("DROP", "DEFAULT"):
        change = lambda column: _with_meta(column, "CURRENT_DEFAULT", "")  # noqa: E731
    else:
        raise unsupported(f"ALTER COLUMN ... {cursor.rest()[:60]}")
    cursor.end()
    _change_column(entry.folder, name, change)
    context.catalog.mark_made(entry.name)
    return context.nothing()


def _change_column(folder: Path, name: str, change: Callable[[Action], Action]) -> None:
    names = [field["name"].lower() for field in read_facts(folder).schema["fields"]]
    if name.lower() not in names:
        raise _field_missing(name)

    def alter(fields: list[Action]) -> list[Action]:
        return [change(each) if each["name"].lower() == name.lower() else each for each in fields]

    change_metadata(folder, lambda old: with_fields(old, alter), "CHANGE COLUMN", {"column": name})


def _with_meta(column: Action, key: str, value: str) -> Action:
    kept = {name: each for name, each in column["metadata"].items() if name != key}
    return {**column, "metadata": {**kept, key: value} if value else kept}


def _commented(column: Action, text: str) -> Action:
    return _with_meta(column, "comment", text)


def _field_missing(name: str) -> Exception:
    return analysis_error("FIELD_NOT_FOUND", f"No such struct field `{name}`.")


def _unset_properties(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    cursor.take("IF", "EXISTS")
    keys = {
        "".join(token.value for token in part) for part in split_group(cursor.text, cursor.group())
    }
    cursor.end()

    def change(old: Action) -> Action:
        kept = {k: v for k, v in (old.get("configuration") or {}).items() if k not in keys}
        return {**old, "configuration": kept}

    change_metadata(entry.folder, change, "UNSET TBLPROPERTIES")
    return context.nothing()


def _set_properties(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    added = read_properties(text_of(cursor.text, cursor.group()))
    cursor.end()
    mode = added.pop(_MAPPING, None)
    if mode is not None and read_facts(entry.folder).properties.get(_MAPPING) is None:
        # columns are renamed and dropped by writing the table anew, which needs no mapping
        added[_OWN_MAPPING] = mode
    # these are the protocol's, which grows by itself
    for key in ("delta.minReaderVersion", "delta.minWriterVersion"):
        added.pop(key, None)
    give_properties(entry, added)
    return context.nothing()


def _drop_constraint(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    tolerant = cursor.take("IF", "EXISTS")
    name = _column_name(cursor)
    kept = [k for k in context.registry.keys(entry.name) if k.name.lower() != name.lower()]
    if len(kept) < len(context.registry.keys(entry.name)):
        context.registry.set_keys(entry.name, kept)
        return context.nothing()
    key = f"delta.constraints.{name.lower()}"
    properties = {k.lower(): k for k in read_facts(entry.folder).properties}
    if key not in properties and not tolerant:
        raise analysis_error("FIELD_NOT_FOUND", f"Cannot drop nonexistent constraint {name}.")

    def change(old: Action) -> Action:
        kept = {k: v for k, v in (old.get("configuration") or {}).items() if k.lower() != key}
        return {**old, "configuration": kept}

    change_metadata(entry.folder, change, "DROP CONSTRAINT", {"name": name})
    return context.nothing()


def _add_constraint(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    name = _column_name(cursor)
    if cursor.take("CHECK"):
        context.bare(
            f"ALTER TABLE {context.reference(entry)} ADD CONSTRAINT `{name}` CHECK {cursor.rest()}"
        )
        return context.nothing()
    key = read_table_key(cursor, name)
    if key is None:
        raise cursor.error()
    _add_key(context, entry, key)
    return context.nothing()


def _add_unnamed_key(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    key = read_table_key(cursor)
    if key is None:
        raise unsupported(f"ALTER TABLE ... ADD {cursor.rest()[:60]}")
    _add_key(context, entry, key)
    return context.nothing()


def _add_key(context: SqlContext, entry: Entry, key: TableKey) -> None:
    made, keys = full_key(context, entry.name, key), context.registry.keys(entry.name)
    names = {str(field.name).lower() for field in columns_of(context, entry)}
    for column in made.columns:
        if column.lower() not in names:
            raise column_not_found([column], sorted(names))
    if made.kind == PRIMARY and any(one.kind == PRIMARY for one in keys):
        raise analysis_error(
            "CONSTRAINT_ALREADY_EXISTS", f"The table {entry.name} has a primary key already."
        )
    if any(one.name.lower() == made.name.lower() for one in keys):
        raise analysis_error(
            "CONSTRAINT_ALREADY_EXISTS", f"The constraint `{made.name}` exists already."
        )
    context.registry.set_keys(entry.name, [*keys, made])


def _drop_primary_key(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    tolerant = cursor.take("IF", "EXISTS")
    keys = context.registry.keys(entry.name)
    kept = [key for key in keys if key.kind != PRIMARY]
    if len(kept) == len(keys) and not tolerant:
        raise analysis_error("CONSTRAINT_DOES_NOT_EXIST", f"{entry.name} has no primary key.")
    context.registry.set_keys(entry.name, kept)
    return context.nothing()


def _change_layout(context: SqlContext, entry: Entry, cursor: Cursor) -> DataFrame:
    # how the data lies changes no answer
    return context.nothing()


_Alteration = Callable[[SqlContext, Entry, Cursor], "DataFrame"]
_ALTERATIONS: tuple[tuple[tuple[str, ...], _Alteration], ...] = (
    (("ADD", "COLUMNS"), _add_columns),
    (("ADD", "COLUMN"), _add_columns),
    (("ADD", "CONSTRAINT"), _add_constraint),
    (("ADD",), _add_unnamed_key),
    (("DROP", "PRIMARY", "KEY"), _drop_primary_key),
    (("DROP", "COLUMNS"), _drop_columns),
    (("DROP", "COLUMN"), _drop_columns),
    (("DROP", "CONSTRAINT"), _drop_constraint),
    (("RENAME", "COLUMN"), _rename_column),
    (("ALTER", "COLUMN"), _alter_column),
    (("CHANGE", "COLUMN"), _alter_column),
    (("SET", "TBLPROPERTIES"), _set_properties),
    (("UNSET", "TBLPROPERTIES"), _unset_properties),
    (("CLUSTER", "BY"), _change_layout),
)
