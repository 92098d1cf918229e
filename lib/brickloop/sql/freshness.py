"""The versions of tables, asked in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickloop.errors import StatementFailed

if TYPE_CHECKING:
    from brickloop.clients.warehouse import Session


def version_statement(tables: Sequence[str]) -> str:
    """The statement that asks for the last change of each table, in their order."""
    return "\nUNION ALL\n".join(
        f"SELECT {number} AS place, version, timestamp FROM (DESCRIBE HISTORY {table} LIMIT 1)"
        for number, table in enumerate(tables)
    )


def read_versions(session: Session, tables: Sequence[str]) -> tuple[str, ...] | None:
    """A version for each table, in their order; None where one of them has none, as a view has not.

    A table that was dropped and made again begins at version 0 again, so the time of the change is
    part of it. One statement for all; where a warehouse does not take history in a subquery, one
    for each on the same session.
    """
    try:
        rows = session.execute(version_statement(tables)).table.to_pylist()
        found = {int(row["place"]): (row["version"], row["timestamp"]) for row in rows}
    except StatementFailed:
        found = {}
        try:
            for number, table in enumerate(tables):
                rows = session.execute(f"DESCRIBE HISTORY {table} LIMIT 1").table.to_pylist()
                found[number] = (rows[0]["version"], rows[0]["timestamp"])
        except (StatementFailed, IndexError, KeyError):
            return None
    if len(found) != len(tables):
        return None
    return tuple(f"{found[n][0]}@{found[n][1]}" for n in range(len(tables)))
