"""Primary and foreign keys as statements declare them: kept and told, and nobody is held to them.

https://docs.databricks.com/aws/en/sql/language-manual/sql-ref-syntax-ddl-create-table-add-constraint
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from brickloop.localws.sql_tokens import Cursor, Token

PRIMARY, FOREIGN = "PRIMARY KEY", "FOREIGN KEY"


@dataclass(frozen=True)
class TableKey:
    """One key of a table."""

    kind: str
    """PRIMARY or FOREIGN."""
    columns: tuple[str, ...]
    name: str = ""
    parent: tuple[str, ...] = ()
    """The table that a foreign key leads to, in full when it is kept."""
    parent_columns: tuple[str, ...] = ()
    """Empty where they are those of the parent's primary key."""

    def named(self, table: str) -> TableKey:
        """The key with a name: where the statement gives none, one made from the table's."""
        if self.name:
            return self
        parts = [table, self.parent[-1], "fk"] if self.kind == FOREIGN else [table, "pk"]
        return replace(self, name="_".join(parts))


def read_table_key(cursor: Cursor, name: str = "") -> TableKey | None:
    """The key that stands after ``CONSTRAINT name``; None where something else does."""
    if cursor.take("PRIMARY", "KEY"):
        return TableKey(PRIMARY, _columns(cursor), name)
    if cursor.take("FOREIGN", "KEY"):
        return _referring(cursor, _columns(cursor), name)
    return None


def read_column_keys(text: str) -> list[TableKey]:
    """The keys within a column's definition."""
    cursor = Cursor(text)
    column, name = cursor.one_name(), ""
    found = []
    while not cursor.at_end:
        if cursor.take("CONSTRAINT"):
            name = cursor.one_name()
        elif cursor.take("PRIMARY", "KEY"):
            found.append(TableKey(PRIMARY, (column,), name))
        elif cursor.sees("REFERENCES"):
            found.append(_referring(cursor, (column,), name))
        else:
            cursor.next()
    return found


def _referring(cursor: Cursor, columns: tuple[str, ...], name: str) -> TableKey:
    cursor.expect("REFERENCES")
    parent = cursor.name()
    return TableKey(FOREIGN, columns, name, parent, _columns(cursor) if cursor.sees("(") else ())


def _columns(cursor: Cursor) -> tuple[str, ...]:
    """The names in parentheses; of TIMESERIES and the like the names alone."""
    names: list[str] = []
    before: Token | None = None
    for token in cursor.group():
        if before is None or before.text == ",":
            names.append(token.value)
        before = token
    return tuple(names)
