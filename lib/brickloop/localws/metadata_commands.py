"""SHOW commands over whole catalogs, which drivers of the Statement Execution API send.

``SHOW TABLES IN CATALOG c SCHEMA LIKE 's' LIKE 't'`` and its like are no part of the documented
language; their columns are those that the drivers read.
"""

from __future__ import annotations

import re

from brickloop.localws import thrift_metadata
from brickloop.localws.operations import Rows
from brickloop.localws.sql_session import SqlSession

_NAME = r"(?:`((?:[^`]|``)+)`|([\w.\-]+))"
_LIKE = r"\s+LIKE\s+'((?:[^'\\]|\\.|'')*)'"
_TABLES = re.compile(
    rf"SHOW\s+TABLES\s+IN\s+(?:ALL\s+CATALOGS|CATALOG\s+{_NAME})"
    rf"(?:\s+SCHEMA{_LIKE})?(?:{_LIKE})?\s*;?\s*",
    re.IGNORECASE,
)
_COLUMNS = re.compile(
    rf"SHOW\s+COLUMNS\s+IN\s+CATALOG\s+{_NAME}"
    rf"(?:\s+SCHEMA{_LIKE})?(?:\s+TABLE{_LIKE})?(?:{_LIKE})?\s*;?\s*",
    re.IGNORECASE,
)


def answer(session: SqlSession, text: str) -> Rows | None:
    """The rows of such a command, None for any other statement."""
    if found := _TABLES.fullmatch(text.strip()):
        quoted, plain, schema, table = found.groups()
        tables = thrift_metadata.find_tables(
            session, _exact(quoted, plain), _unquoted(schema), _unquoted(table)
        )
        return thrift_metadata.make_rows(
            "namespace string, tableName string, isTemporary boolean, information string,"
            " catalogName string, tableType string, remarks string",
            [(t.schema, t.name, False, None, t.catalog, t.kind, t.comment) for t in tables],
        )
    if found := _COLUMNS.fullmatch(text.strip()):
        quoted, plain, schema, table, column = found.groups()
        columns = thrift_metadata.find_columns(
            session, _exact(quoted, plain), _unquoted(schema), _unquoted(table), _unquoted(column)
        )
        return thrift_metadata.make_rows(
            "col_name string, catalogName string, namespace string, tableName string,"
            " columnType string, isNullable string, remarks string, ordinalPosition int",
            [
                (c.name, c.catalog, c.schema, c.table, c.type, "true" if c.nullable else "false",
                 c.comment, c.position)
                for c in columns
            ],
        )  # fmt: skip
    return None


def _exact(quoted: str | None, plain: str | None) -> str | None:
    name = quoted.replace("``", "`") if quoted else plain
    return None if name is None else re.sub(r"([%_\\])", r"\\\1", name)


def _unquoted(text: str | None) -> str | None:
    return None if text is None else text.replace("''", "'").replace("*", "%")
