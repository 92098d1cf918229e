"""DESCRIBE and SHOW, answered from the registry and the tables' logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from brickloop.localws.delta_log import read_facts
from brickloop.localws.registry import Entry
from brickloop.localws.spark_errors import analysis_error, table_not_found, unsupported
from brickloop.localws.sql_context import Answer, SqlContext
from brickloop.localws.sql_functions import describe_function
from brickloop.localws.sql_maintenance import describe_detail, describe_history, show_partitions
from brickloop.localws.sql_query import accept_query, run_query
from brickloop.localws.sql_relations import columns_of, comment_of
from brickloop.localws.sql_tokens import Cursor, quoted_name, string_literal
from brickloop.localws.sql_volumes import volume_names

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

_COLUMNS = "col_name string, data_type string, comment string"
_INFO = "info_name string, info_value string"


def describe(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DESCRIBE in all its forms."""
    if cursor.take("HISTORY"):
        return describe_history(context, cursor)
    if cursor.take("DETAIL"):
        return describe_detail(context, cursor)
    if cursor.take("FUNCTION"):
        return describe_function(context, cursor)
    if cursor.take_any("SCHEMA", "DATABASE"):
        return _describe_schema(context, cursor)
    if cursor.take("CATALOG"):
        return _describe_catalog(context, cursor)
    if cursor.take("QUERY") or cursor.peek.upper in {"SELECT", "WITH", "VALUES", "FROM"}:
        frame = run_query(context, cursor.rest(), cursor.args).frame
        return context.rows(_COLUMNS, _column_rows(frame.schema.fields))
    if cursor.peek.upper in {"VOLUME", "SHARE", "CREDENTIAL", "CONNECTION", "PROVIDER"}:
        raise unsupported(f"DESCRIBE {cursor.peek.upper}")
    cursor.take("TABLE")
    return _describe_table(context, cursor)


def show(context: SqlContext, cursor: Cursor) -> DataFrame:
    """SHOW in all its forms."""
    for words, act in _SHOWS:
        if cursor.take(*words):
            return act(context, cursor)
    raise unsupported(f"SHOW {cursor.peek.upper or cursor.peek.text}")


def explain(context: SqlContext, cursor: Cursor) -> Answer:
    """EXPLAIN: the engine's plan of the query."""
    mode = cursor.take_any("EXTENDED", "CODEGEN", "COST", "FORMATTED") or ""
    query = accept_query(context, cursor.rest(), cursor.args)
    return Answer(context.bare(f"EXPLAIN {mode} {query}"))


def _describe_table(context: SqlContext, cursor: Cursor) -> DataFrame:
    extended = cursor.take_any("EXTENDED", "FORMATTED") is not None
    parts = cursor.name()
    wanted = cursor.name() if not cursor.at_end and cursor.peek.is_name else None
    if cursor.take("JSON") or (wanted and wanted[-1].upper() == "AS"):
        raise unsupported("DESCRIBE TABLE ... AS JSON")
    cursor.end()
    if context.is_temporary(parts):
        frame = context.engine(f"SELECT * FROM {quoted_name(*parts)} LIMIT 0")
        return context.rows(_COLUMNS, _column_rows(frame.schema.fields))
    entry = _find(context, parts)
    fields = columns_of(context, entry)
    if wanted is not None:
        field = next((f for f in fields if f.name.lower() == wanted[-1].lower()), None)
        if field is None:
            raise analysis_error(
                "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
                f"A column with name `{wanted[-1]}` cannot be resolved.",
            )
        rows = [("col_name", field.name), ("data_type", field.dataType.simpleString()),
                ("comment", (field.metadata or {}).get("comment", "NULL"))]  # fmt: skip
        return context.rows(_INFO, rows)
    rows3 = list(_column_rows(fields))
    partitions = read_facts(entry.folder).partition_columns if entry.is_delta else []
    if partitions:
        named = {field.name: field for field in fields}
        rows3 += [("# Partition Information", "", ""), ("# col_name", "data_type", "comment")]
        rows3 += _column_rows([named[name] for name in partitions])
    if extended:
        rows3 += [("", "", ""), ("# Detailed Table Information", "", "")]
        rows3 += [(name, value, "") for name, value in _details(context, entry)]
    return context.rows(_COLUMNS, rows3)


def _details(context: SqlContext, entry: Entry) -> list[tuple[str, str]]:
    kind = {"view": "VIEW", "external": "EXTERNAL"}.get(entry.kind, "MANAGED")
    found = [
        ("Catalog", entry.name.catalog),
        ("Database", entry.name.schema),
        ("Table", entry.name.name),
        ("Owner", entry.owner or context.user),
        ("Type", kind),
        ("Comment", comment_of(entry)),
    ]
    if entry.kind == "view":
        return [*found, ("View Text", entry.text)]
    found += [("Location", context.paths.shown(entry.location)), ("Provider", entry.provider)]
    if entry.is_delta:
        properties = read_facts(entry.folder).properties
        shown = ",".join(f"{key}={value}" for key, value in sorted(properties.items()))
        found.append(("Table Properties", f"[{shown}]"))
    return found


def _describe_schema(context: SqlContext, cursor: Cursor) -> DataFrame:
    cursor.take("EXTENDED")
    catalog, schema = context.catalog.qualify_schema(cursor.name())
    cursor.end()
    context.registry.check_catalog(catalog)
    context.registry.check_schema(catalog, schema)
    rows = [
        ("Catalog Name", catalog),
        ("Namespace Name", schema),
        ("Comment", context.registry.schema_comment(catalog, schema)),
        ("Location", ""),
        ("Owner", context.user),
    ]
    return context.rows("database_description_item string, database_description_value string", rows)


def _describe_catalog(context: SqlContext, cursor: Cursor) -> DataFrame:
    cursor.take("EXTENDED")
    name = cursor.one_name()
    cursor.end()
    context.registry.check_catalog(name.lower())
    rows = [("Catalog Name", name.lower()), ("Comment", ""), ("Owner", context.user)]
    return context.rows(_INFO, rows)


def _show_catalogs(context: SqlContext, cursor: Cursor) -> DataFrame:
    names = [*context.registry.catalogs(), "system"]
    return _names(context, "catalog", sorted(names), _pattern(cursor))


def _show_schemas(context: SqlContext, cursor: Cursor) -> DataFrame:
    catalog = context.catalog.catalog
    if cursor.take_any("IN", "FROM"):
        catalog = cursor.name()[-1].lower()
    names = [*context.registry.schemas(catalog), "information_schema"]
    return _names(context, "databaseName", sorted(names), _pattern(cursor))


def _show_tables(context: SqlContext, cursor: Cursor) -> DataFrame:
    catalog, schema = _schema(context, cursor)
    pattern = _pattern(cursor)
    rows = [
        (schema, entry.name.name, False)
        for entry in context.registry.entries(catalog, schema)
        if _matches(entry.name.name, pattern)
    ]
    rows += [("", name, True) for name in context.temporary_views() if _matches(name, pattern)]
    return context.rows("database string, tableName string, isTemporary boolean", rows)


def _show_views(context: SqlContext, cursor: Cursor) -> DataFrame:
    catalog, schema = _schema(context, cursor)
    pattern = _pattern(cursor)
    rows = [
        (schema, entry.name.name, False, False)
        for entry in context.registry.entries(catalog, schema)
        if entry.kind == "view" and _matches(entry.name.name, pattern)
    ]
    temporary = [name for name in context.temporary_views() if _matches(name, pattern)]
    rows += [("", name, True, False) for name in temporary]
    shape = "namespace string, viewName string, isTemporary boolean, isMaterialized boolean"
    return context.rows(shape, rows)


def _show_table_extended(context: SqlContext, cursor: Cursor) -> DataFrame:
    catalog, schema = _schema(context, cursor)
    pattern = _pattern(cursor)
    rows = [
        (schema, entry.name.name, False,
         "".join(f"{name}: {value}\n" for name, value in _details(context, entry)))
        for entry in context.registry.entries(catalog, schema)
        if _matches(entry.name.name, pattern)
    ]  # fmt: skip
    shape = "database string, tableName string, isTemporary boolean, information string"
    return context.rows(shape, rows)


def _show_columns(context: SqlContext, cursor: Cursor) -> DataFrame:
    cursor.take_any("IN", "FROM")
    parts = cursor.name()
    if cursor.take_any("IN", "FROM"):
        parts = (*cursor.name(), parts[-1])
    cursor.end()
    if context.is_temporary(parts):
        fields = context.engine(f"SELECT * FROM {quoted_name(*parts)} LIMIT 0").schema.fields
    else:
        fields = columns_of(context, _find(context, parts))
    return context.rows("col_name string", [(field.name,) for field in fields])


def _show_properties(context: SqlContext, cursor: Cursor) -> DataFrame:
    entry = _find(context, cursor.name())
    if cursor.sees("("):
        inner = cursor.group()
        wanted = inner[0].value if len(inner) == 1 else "".join(token.text for token in inner)
    else:
        wanted = ""
    cursor.end()
    properties: dict[str, str] = {}
    if entry.is_delta:
        facts = read_facts(entry.folder)
        protocol = facts.protocol
        properties = {
            **{key.replace("brickloop.", "delta."): each for key, each in facts.properties.items()},
            "delta.minReaderVersion": str(protocol.get("minReaderVersion")),
            "delta.minWriterVersion": str(protocol.get("minWriterVersion")),
        }
    if wanted:
        absent = f"Table {entry.name} does not have property: {wanted}"
        properties = {wanted: properties.get(wanted, absent)}
    return context.rows("key string, value string", sorted(properties.items()))


def _show_create(context: SqlContext, cursor: Cursor) -> DataFrame:
    cursor.take_any("TABLE", "VIEW")
    entry = _find(context, cursor.name())
    cursor.end()
    return context.rows("createtab_stmt string", [(create_statement(context, entry),)])


def create_statement(context: SqlContext, entry: Entry) -> str:
    """The statement that makes a table or view like this one."""
    lines: list[str] = []
    if entry.kind == "view":
        lines.append(f"CREATE VIEW {entry.name} (")
        names = [field.name for field in columns_of(context, entry)]
        lines.append(",\n".join(f"  {_name(name)}" for name in names) + ")")
        if entry.comment:
            lines.append(f"COMMENT {string_literal(entry.comment)}")
        return "\n".join([*lines, f"AS {entry.text}", ""])
    lines.append(f"CREATE TABLE {entry.name} (")
    columns = []
    for field in columns_of(context, entry):
        metadata = field.metadata or {}
        text = f"  {_name(field.name)} {field.dataType.simpleString().upper()}"
        if "delta.generationExpression" in metadata:
            text += f" GENERATED ALWAYS AS ({metadata['delta.generationExpression']})"
        text += "" if field.nullable else " NOT NULL"
        if metadata.get("CURRENT_DEFAULT"):
            text += f" DEFAULT {metadata['CURRENT_DEFAULT']}"
        if metadata.get("comment"):
            text += f" COMMENT {string_literal(metadata['comment'])}"
        columns.append(text)
    lines.append(",\n".join(columns) + ")")
    lines.append(f"USING {entry.provider}")
    if entry.is_delta:
        facts = read_facts(entry.folder)
        if facts.partition_columns:
            lines.append(f"PARTITIONED BY ({', '.join(_name(c) for c in facts.partition_columns)})")
    if entry.kind == "external":
        lines.append(f"LOCATION {string_literal(context.paths.shown(entry.location))}")
    comment = comment_of(entry)
    if comment:
        lines.append(f"COMMENT {string_literal(comment)}")
    if entry.is_delta and read_facts(entry.folder).properties:
        properties = sorted(read_facts(entry.folder).properties.items())
        shown = ",\n".join(f"  {string_literal(k)} = {string_literal(v)}" for k, v in properties)
        lines.append(f"TBLPROPERTIES (\n{shown})")
    return "\n".join([*lines, ""])


def _show_user_functions(context: SqlContext, cursor: Cursor) -> DataFrame:
    return _show_functions(context, cursor, "USER")


def _show_system_functions(context: SqlContext, cursor: Cursor) -> DataFrame:
    return _show_functions(context, cursor, "SYSTEM")


def _show_functions(context: SqlContext, cursor: Cursor, scope: str = "ALL") -> DataFrame:
    catalog, schema = _schema(context, cursor)
    pattern = _pattern(cursor)
    names = [str(entry.name) for entry in context.registry.functions(catalog, schema)]
    names = [] if scope == "SYSTEM" else [n for n in names if _matches(n.split(".")[-1], pattern)]
    if scope != "USER":
        shown = context.bare("SHOW FUNCTIONS").toArrow().column(0).to_pylist()
        names += [str(name) for name in shown if _matches(str(name), pattern)]
    return _names(context, "function", sorted(names), None)


def _show_volumes(context: SqlContext, cursor: Cursor) -> DataFrame:
    catalog, schema = _schema(context, cursor)
    pattern = _pattern(cursor)
    rows = [(schema, v) for v in volume_names(context, catalog, schema) if _matches(v, pattern)]
    return context.rows("database string, volume_name string", rows)


def _refuse(context: SqlContext, cursor: Cursor) -> DataFrame:
    raise unsupported(" ".join(cursor.text.split()[:2]).upper())


def _find(context: SqlContext, parts: tuple[str, ...]) -> Entry:
    if len(parts) == 2 and parts[0].lower() == "delta" and "/" in parts[1]:
        return context.find_delta(parts, "DESCRIBE")
    if len(parts) > 3:
        raise table_not_found(".".join(parts))
    return context.find(parts)


def _schema(context: SqlContext, cursor: Cursor) -> tuple[str, str]:
    catalog, schema = context.catalog.catalog, context.catalog.schema
    if cursor.take_any("IN", "FROM"):
        catalog, schema = context.catalog.qualify_schema(cursor.name())
    context.registry.check_catalog(catalog)
    context.registry.check_schema(catalog, schema)
    return catalog, schema


def _pattern(cursor: Cursor) -> str | None:
    """The pattern after an optional LIKE, or as a bare name."""
    cursor.take("LIKE")
    if cursor.at_end:
        return None
    found = cursor.string() if cursor.peek.kind == "string" else cursor.next().value
    cursor.end()
    return found


def _matches(name: str, pattern: str | None) -> bool:
    """Whether a name fits ``a*|b``, as SHOW takes patterns."""
    if pattern is None:
        return True
    choices = [re.escape(each.strip()).replace(r"\*", ".*") for each in pattern.split("|")]
    return any(re.fullmatch(choice, name, re.IGNORECASE) for choice in choices)


def _names(
    context: SqlContext, column: str, names: Iterable[str], pattern: str | None
) -> DataFrame:
    return context.rows(f"{column} string", [(name,) for name in names if _matches(name, pattern)])


def _column_rows(fields: Iterable[Any]) -> list[tuple[str, str, str | None]]:
    return [
        (field.name, field.dataType.simpleString(), (field.metadata or {}).get("comment"))
        for field in fields
    ]


def _name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else quoted_name(name)


_SHOWS = (
    (("CATALOGS",), _show_catalogs),
    (("SCHEMAS",), _show_schemas),
    (("DATABASES",), _show_schemas),
    (("TABLES",), _show_tables),
    (("VIEWS",), _show_views),
    (("TABLE", "EXTENDED"), _show_table_extended),
    (("COLUMNS",), _show_columns),
    (("TBLPROPERTIES",), _show_properties),
    (("CREATE",), _show_create),
    (("PARTITIONS",), show_partitions),
    (("FUNCTIONS",), _show_functions),
    (("USER", "FUNCTIONS"), _show_user_functions),
    (("SYSTEM", "FUNCTIONS"), _show_system_functions),
    (("ALL", "FUNCTIONS"), _show_functions),
    (("GRANTS",), _refuse),
    (("GROUPS",), _refuse),
    (("USERS",), _refuse),
    (("VOLUMES",), _show_volumes),
)
