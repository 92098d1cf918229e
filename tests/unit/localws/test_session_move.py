"""A session goes on with another engine, as its statements left it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from brickloop.localws.engine import Engine
from brickloop.localws.layout import StoreLayout
from brickloop.localws.sql_session import SqlSession
from brickloop.localws.statement_error import StatementError

Opener = Callable[[], SqlSession]


@pytest.fixture(scope="module")
def other(layout: StoreLayout) -> Iterator[str]:
    """Another engine over the same store."""
    engine = Engine(layout)
    yield engine.start()
    engine.stop()


@pytest.fixture
def session(layout: StoreLayout, endpoint: str) -> Iterator[SqlSession]:
    """A session on the first engine."""
    made = SqlSession.open(layout, endpoint, user="me@here.test", conf={"ansi_mode": "false"})
    yield made
    made.close()


def rows(session: SqlSession, text: str) -> list[list[Any]]:
    """The rows of a statement."""
    return [list(row.values()) for row in session.execute(text).table().to_pylist()]


def test_settings_variables_functions_views_and_place_come_along(
    session: SqlSession, other: str
) -> None:
    for text in (
        "CREATE SCHEMA IF NOT EXISTS moving",
        "USE moving",
        "CREATE OR REPLACE TABLE t AS SELECT 3 AS y",
        "CREATE TEMPORARY VIEW base AS SELECT y + 1 AS z FROM t",
        "CREATE TEMPORARY VIEW top AS SELECT z * 10 AS w FROM base",
        "CREATE OR REPLACE TEMPORARY VIEW base AS SELECT 'new' AS z",
        "CREATE TEMPORARY VIEW gone AS SELECT 1",
        "DROP VIEW gone",
        "DECLARE VARIABLE seven INT DEFAULT 7",
        "SET VAR seven = 8",
        "CREATE TEMPORARY FUNCTION twice(x INT) RETURNS INT RETURN x * 2",
        "SET TIME ZONE 'Europe/Berlin'",
    ):
        rows(session, text)
    asked = (
        "SELECT session.seven, twice(4), current_timezone(), current_schema(), w, b.z"
        " FROM top CROSS JOIN base b"
    )
    before = rows(session, asked)
    assert before == [[8, 8, "Europe/Berlin", "moving", 40, "new"]]
    assert session.move(other) and session.endpoint == other
    assert rows(session, asked) == before
    assert session.current() == ("main", "moving")
    assert rows(session, "SET spark.sql.ansi.enabled") == [["spark.sql.ansi.enabled", "false"]]
    with pytest.raises(StatementError, match="TABLE_OR_VIEW_NOT_FOUND"):
        rows(session, "SELECT * FROM gone")


def test_rows_that_are_being_read_keep_it_where_it_is(
    session: SqlSession, endpoint: str, other: str
) -> None:
    result = session.execute("SELECT id FROM range(300000)")
    first = next(iter(result))
    assert not session.is_quiet and not session.move(other) and session.endpoint == endpoint
    assert first.num_rows + result.table().num_rows == 300_000
    assert session.is_quiet and session.move(other)


def test_rows_that_nobody_can_read_any_more_do_not(session: SqlSession, other: str) -> None:
    result = session.execute("SELECT id FROM range(300000)")
    assert not session.is_quiet
    del result
    assert session.move(other)


def test_a_session_that_cannot_come_along_says_so(session: SqlSession, other: str) -> None:
    rows(session, "CREATE SCHEMA IF NOT EXISTS fleeting")
    rows(session, "USE fleeting")
    SqlSession.execute(session, "DROP SCHEMA fleeting CASCADE").table()
    assert session.move(other)
    with pytest.raises(StatementError, match=r"INVALID_HANDLE.SESSION_CLOSED.*SCHEMA_NOT_FOUND"):
        rows(session, "SELECT 1")
