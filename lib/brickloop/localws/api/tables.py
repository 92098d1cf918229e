"""Tables and views of the catalog: list, get, exists, delete; statements are what makes them.

https://docs.databricks.com/api/workspace/tables
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from brickloop.localws.api.catalog import missing, page, stable_id
from brickloop.localws.delta_log import read_facts
from brickloop.localws.registry import Entry, Registry, TableName
from brickloop.localws.services import USER, Services
from brickloop.localws.wire import Answer, ApiError, Call, Endpoint, invalid

if TYPE_CHECKING:
    from brickloop.localws.sql_session import ColumnFacts, SqlSession

_PAGE = 50
"""As many as the service gives in one answer."""
_KINDS = {"table": "MANAGED", "external": "EXTERNAL", "view": "VIEW"}
_TYPE_NAMES = {
    "BIGINT": "LONG",
    "SMALLINT": "SHORT",
    "TINYINT": "BYTE",
    "VOID": "NULL",
    "VARCHAR": "STRING",
}


def list_tables(services: Services, call: Call) -> Answer:
    """The tables and views of a schema, with their columns unless those are left out."""
    registry = Registry(services.layout)
    catalog, schema = call.text("catalog_name").lower(), call.text("schema_name").lower()
    if not registry.has_catalog(catalog):
        raise missing("Catalog", catalog)
    if not registry.has_schema(catalog, schema):
        raise missing("Schema", f"{catalog}.{schema}")
    found = page(call, "tables", registry.entries(catalog, schema), _PAGE)
    entries: list[Entry] = found["tables"]
    if call.flag("omit_columns") or not entries:
        return {**found, "tables": [_table(entry) for entry in entries]}
    with _session(services) as session:
        return {**found, "tables": [_with_columns(session, entry) for entry in entries]}


def get_table(services: Services, call: Call) -> Answer:
    """One table or view with its columns; below it, whether it is there."""
    name, _, question = call.tail.lstrip("/").partition("/")
    if question == "exists":
        return {"table_exists": Registry(services.layout).find(_named(name)) is not None}
    if question:
        raise invalid(f"'{call.tail.lstrip('/')}' is not a valid name")
    entry = _existing(services, name)
    with _session(services) as session:
        return _with_columns(session, entry)


def delete_table(services: Services, call: Call) -> Answer:
    """Drop a table or view; an external table's data stays."""
    entry = _existing(services, call.tail.lstrip("/"))
    kind = "VIEW" if entry.kind == "view" else "TABLE"
    quoted = ".".join(f"`{part}`" for part in entry.name.parts)
    with _session(services) as session:
        session.execute(f"DROP {kind} {quoted}").table()
    return {}


@contextmanager
def _session(services: Services) -> Iterator[SqlSession]:
    """A session of the engine; a statement that fails leaves as an ApiError."""
    services.sql.load()
    from brickloop.localws.statement_error import StatementError

    borrowed = services.sql.idle_sessions.borrow(None, None)
    try:
        yield borrowed.sql
    except StatementError as error:
        borrowed.sql.close()
        raise ApiError(400, "INVALID_STATE", f"[{error.condition}] {error.message}") from None
    except BaseException:
        borrowed.sql.close()
        raise
    services.sql.idle_sessions.give_back(borrowed)


def _with_columns(session: SqlSession, entry: Entry) -> dict[str, Any]:
    from brickloop.localws.statement_error import StatementError

    try:
        columns = session.columns(*entry.name.parts)
    except StatementError:
        # a view whose table is gone is listed without columns, and hides none of the others
        columns = []
    return {**_table(entry), "columns": [_column(each) for each in columns]}


def _table(entry: Entry) -> dict[str, Any]:
    catalog, schema, name = entry.name.parts
    shaped: dict[str, Any] = {
        "name": name,
        "catalog_name": catalog,
        "schema_name": schema,
        "full_name": str(entry.name),
        "table_type": _KINDS[entry.kind],
        "table_id": stable_id(str(entry.name)),
        "owner": entry.owner or USER,
    }
    comment = entry.comment
    if entry.is_delta:
        facts = read_facts(entry.folder)
        comment = facts.comment
        shaped["properties"] = facts.properties
    if comment:
        shaped["comment"] = comment
    if entry.created:
        shaped["created_at"] = entry.created
    if entry.is_table:
        shaped["data_source_format"] = entry.provider.upper()
        if entry.location:
            shaped["storage_location"] = entry.folder.as_uri()
    else:
        shaped["view_definition"] = entry.text
    return shaped


def _column(column: ColumnFacts) -> dict[str, Any]:
    base = column.type.partition("(")[0].partition("<")[0].partition(" ")[0].upper()
    shaped: dict[str, Any] = {
        "name": column.name,
        "position": column.position,
        "nullable": column.nullable,
        "type_name": _TYPE_NAMES.get(base, base),
        "type_text": column.type if "struct<" in column.type else column.type.lower(),
    }
    if column.digits:
        shaped["type_precision"], shaped["type_scale"] = column.digits
    if column.comment:
        shaped["comment"] = column.comment
    return shaped


def _existing(services: Services, name: str) -> Entry:
    entry = Registry(services.layout).find(_named(name))
    if entry is None:
        raise missing("Table", name)
    return entry


def _named(text: str) -> TableName:
    parts = text.lower().split(".")
    if len(parts) != 3 or not all(parts):
        raise invalid(f"'{text}' is not a valid name: it has not the form catalog.schema.table")
    return TableName(*parts)


_TABLES = "/api/2.1/unity-catalog/tables"
ENDPOINTS = (
    Endpoint("GET", _TABLES, list_tables),
    Endpoint("GET", f"{_TABLES}/*", get_table),
    Endpoint("DELETE", f"{_TABLES}/*", delete_table),
)
