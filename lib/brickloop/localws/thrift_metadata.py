"""Answers to metadata calls: catalogs, schemas, tables, columns, in HiveServer2's columns.

Shapes: java.sql.DatabaseMetaData, which HiveServer2 follows; names are patterns where SQL's LIKE
wildcards stand in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql.types import (
    BooleanType,
    IntegerType,
    ShortType,
    StringType,
    StructField,
    StructType,
)

from brickloop.localws.arrow_results import ResultShape, WireFormat
from brickloop.localws.operations import Rows
from brickloop.localws.sql_session import ColumnFacts, SqlSession, TableFacts
from brickloop.localws.statement_error import StatementError
from brickloop.localws.table_keys import FOREIGN, PRIMARY, TableKey

_ARROW = {
    StringType: pa.string(),
    IntegerType: pa.int32(),
    ShortType: pa.int16(),
    BooleanType: pa.bool_(),
}
# numbers of java.sql.Types
_JDBC = {
    "BOOLEAN": 16, "TINYINT": -6, "SMALLINT": 5, "INT": 4, "BIGINT": -5, "FLOAT": 6, "DOUBLE": 8,
    "DECIMAL": 3, "STRING": 12, "BINARY": -2, "DATE": 91, "TIMESTAMP": 93, "TIMESTAMP_NTZ": 93,
    "ARRAY": 2003, "MAP": 2000, "STRUCT": 2002, "VOID": 0,
}  # fmt: skip
_SIZES = {
    "BOOLEAN": 1, "TINYINT": 3, "SMALLINT": 5, "INT": 10, "BIGINT": 19, "FLOAT": 7, "DOUBLE": 15,
    "DATE": 10, "TIMESTAMP": 29, "TIMESTAMP_NTZ": 29,
}  # fmt: skip
_DIGITS = {"TINYINT": 0, "SMALLINT": 0, "INT": 0, "BIGINT": 0, "TIMESTAMP": 6, "TIMESTAMP_NTZ": 6}
_NUMBERS = {"TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL"}
_OTHER_TYPE = 1111
_RADIX = 10
# java.sql.DatabaseMetaData.functionNoTable and functionReturnsTable
_RETURNS_VALUE, _RETURNS_TABLE = 1, 2
# importedKeyNoAction and importedKeyNotDeferrable
_NO_ACTION, _NOT_DEFERRABLE = 3, 7
TABLE_TYPES = ("TABLE", "VIEW")


def list_catalogs(session: SqlSession) -> Rows:
    """The catalogs."""
    return make_rows("TABLE_CAT string", [(name,) for name in sorted(session.catalogs())])


def list_schemas(session: SqlSession, catalog: str | None, schema: str | None) -> Rows:
    """The schemas whose names match."""
    rows = [(name, owner) for owner, name in _schemas(session, catalog, schema)]
    return make_rows("TABLE_SCHEM string, TABLE_CATALOG string", rows)


def list_tables(
    session: SqlSession,
    catalog: str | None,
    schema: str | None,
    table: str | None,
    kinds: Sequence[str] | None,
) -> Rows:
    """The tables and views whose names match."""
    rows = [
        (each.catalog, each.schema, each.name, each.kind, each.comment, *[None] * 5)
        for each in find_tables(session, catalog, schema, table)
        if not kinds or each.kind in kinds
    ]
    return make_rows(
        "TABLE_CAT string, TABLE_SCHEM string, TABLE_NAME string, TABLE_TYPE string,"
        " REMARKS string, TYPE_CAT string, TYPE_SCHEM string, TYPE_NAME string,"
        " SELF_REFERENCING_COL_NAME string, REF_GENERATION string",
        rows,
    )


def list_columns(
    session: SqlSession,
    catalog: str | None,
    schema: str | None,
    table: str | None,
    column: str | None,
) -> Rows:
    """The columns whose names match."""
    rows = [_column_row(each) for each in find_columns(session, catalog, schema, table, column)]
    return make_rows(
        "TABLE_CAT string, TABLE_SCHEM string, TABLE_NAME string, COLUMN_NAME string,"
        " DATA_TYPE int, TYPE_NAME string, COLUMN_SIZE int, BUFFER_LENGTH smallint,"
        " DECIMAL_DIGITS int, NUM_PREC_RADIX int, NULLABLE int, REMARKS string, COLUMN_DEF string,"
        " SQL_DATA_TYPE int, SQL_DATETIME_SUB int, CHAR_OCTET_LENGTH int, ORDINAL_POSITION int,"
        " IS_NULLABLE string, SCOPE_CATALOG string, SCOPE_SCHEMA string, SCOPE_TABLE string,"
        " SOURCE_DATA_TYPE smallint, IS_AUTO_INCREMENT string",
        rows,
    )


def list_table_types() -> Rows:
    """The kinds of tables there are."""
    return make_rows("TABLE_TYPE string", [(kind,) for kind in TABLE_TYPES])


def list_types() -> Rows:
    """The types there are, by their names and numbers."""
    rows = [(name, number, _SIZES.get(name)) for name, number in _JDBC.items()]
    return make_rows("TYPE_NAME string, DATA_TYPE int, PRECISION int", rows)


def list_functions(
    session: SqlSession, catalog: str | None, schema: str | None, function: str | None
) -> Rows:
    """The functions whose names match: those of users, and those that are built in."""
    owners, schemas, names = _pattern(catalog), _pattern(schema), _pattern(function)
    rows = [
        (
            each.catalog, each.schema, each.name, each.comment,
            _RETURNS_TABLE if each.is_table else _RETURNS_VALUE,
            ".".join((each.catalog, each.schema, each.name)),
        )
        for each in session.functions()
        if owners.fullmatch(each.catalog)
        and schemas.fullmatch(each.schema)
        and names.fullmatch(each.name)
    ]  # fmt: skip
    return make_rows(
        "FUNCTION_CAT string, FUNCTION_SCHEM string, FUNCTION_NAME string, REMARKS string,"
        " FUNCTION_TYPE int, SPECIFIC_NAME string",
        rows,
    )


def list_primary_keys(
    session: SqlSession, catalog: str | None, schema: str | None, table: str | None
) -> Rows:
    """The columns of the tables' primary keys."""
    rows = [
        (owner.catalog, owner.schema, owner.name, column, number, key.name)
        for owner, key in _keys(session, (catalog, schema, table), PRIMARY)
        for number, column in enumerate(key.columns, 1)
    ]
    return make_rows(
        "TABLE_CAT string, TABLE_SCHEM string, TABLE_NAME string, COLUMN_NAME string, KEY_SEQ int,"
        " PK_NAME string",
        rows,
    )


def list_foreign_keys(
    session: SqlSession,
    parent: tuple[str | None, str | None, str | None],
    table: tuple[str | None, str | None, str | None],
) -> Rows:
    """The columns of the foreign keys of a table, or of all, that lead to one, or to any."""
    rows = []
    wanted = [_exactly(part) for part in parent]
    for owner, key in _keys(session, table, FOREIGN):
        if not all(one.fullmatch(part) for one, part in zip(wanted, key.parent, strict=True)):
            continue
        known = session.keys(*key.parent)
        primary = next((one for one in known if one.kind == PRIMARY), None)
        names = key.parent_columns or (primary.columns if primary else ())
        for number, column in enumerate(key.columns):
            rows.append((
                *key.parent, names[number] if number < len(names) else None,
                owner.catalog, owner.schema, owner.name, column, number + 1,
                _NO_ACTION, _NO_ACTION, key.name, primary.name if primary else None,
                _NOT_DEFERRABLE,
            ))  # fmt: skip
    return make_rows(
        "PKTABLE_CAT string, PKTABLE_SCHEM string, PKTABLE_NAME string, PKCOLUMN_NAME string,"
        " FKTABLE_CAT string, FKTABLE_SCHEM string, FKTABLE_NAME string, FKCOLUMN_NAME string,"
        " KEY_SEQ int, UPDATE_RULE int, DELETE_RULE int, FK_NAME string, PK_NAME string,"
        " DEFERRABILITY int",
        rows,
    )


def _keys(
    session: SqlSession, place: tuple[str | None, str | None, str | None], kind: str
) -> Iterator[tuple[TableFacts, TableKey]]:
    """The keys of the tables of a place, whose names are no patterns; None means all."""
    catalogs, schemas, tables = (_exactly(part) for part in place)
    for catalog, schema in session.schemas():
        if catalogs.fullmatch(catalog) and schemas.fullmatch(schema):
            for table in session.tables(catalog, schema):
                if table.kind == "TABLE" and tables.fullmatch(table.name):
                    for key in session.keys(catalog, schema, table.name):
                        if key.kind == kind:
                            yield table, key


def _exactly(name: str | None) -> re.Pattern[str]:
    return re.compile(re.escape(name) if name else ".*", re.IGNORECASE | re.DOTALL)


def _schemas(
    session: SqlSession, catalog: str | None, schema: str | None
) -> Iterator[tuple[str, str]]:
    owners, names = _pattern(catalog), _pattern(schema)
    for owner, name in sorted(session.schemas()):
        if owners.fullmatch(owner) and names.fullmatch(name):
            yield owner, name


def find_tables(
    session: SqlSession, catalog: str | None, schema: str | None, table: str | None
) -> Iterator[TableFacts]:
    """The tables and views whose names match the patterns; None matches all."""
    names = _pattern(table)
    for owner, name in _schemas(session, catalog, schema):
        for each in session.tables(owner, name):
            if names.fullmatch(each.name):
                yield each


def _pattern(text: str | None) -> re.Pattern[str]:
    """What a name must look like; None and empty match every name."""
    parts = []
    for found in re.finditer(r"\\(.)|(%)|(_)|(.)", text or "%", re.DOTALL):
        escaped, many, one, plain = found.groups()
        parts.append(".*" if many else "." if one else re.escape(escaped or plain))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def find_columns(
    session: SqlSession,
    catalog: str | None,
    schema: str | None,
    table: str | None,
    column: str | None,
) -> Iterator[ColumnFacts]:
    """The columns whose names match the patterns; None matches all."""
    wanted = _pattern(column)
    for each in find_tables(session, catalog, schema, table):
        try:
            found = session.columns(each.catalog, each.schema, each.name)
        except StatementError:
            # a view whose table is gone has no columns, and hides none of the others
            continue
        yield from (facts for facts in found if wanted.fullmatch(facts.name))


def _column_row(column: ColumnFacts) -> tuple[Any, ...]:
    base = column.type.partition("(")[0].partition("<")[0].upper()
    size, digits = column.digits or (_SIZES.get(base), _DIGITS.get(base))
    return (
        column.catalog, column.schema, column.table, column.name, _JDBC.get(base, _OTHER_TYPE),
        column.type, size, None, digits, _RADIX if base in _NUMBERS else None,
        int(column.nullable), column.comment, None, None, None, None, column.position,
        "YES" if column.nullable else "NO", None, None, None, None, "NO",
    )  # fmt: skip


def make_rows(columns: str, rows: list[tuple[Any, ...]]) -> Rows:
    """Rows of values for columns, written as ``NAME type, NAME type``."""
    kinds = {
        "string": StringType(),
        "int": IntegerType(),
        "smallint": ShortType(),
        "boolean": BooleanType(),
    }
    pairs = [each.split() for each in columns.split(",")]
    schema = StructType([StructField(name, kinds[kind]) for name, kind in pairs])
    arrays = [
        pa.array([row[index] for row in rows], _ARROW[type(field.dataType)])
        for index, field in enumerate(schema.fields)
    ]
    shape = ResultShape(schema, WireFormat())
    batch = pa.RecordBatch.from_arrays(arrays, schema=shape.arrow_schema)
    return Rows(shape, iter([batch]))
