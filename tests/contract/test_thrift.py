"""The unmodified connector against the local workspace's HiveServer2 endpoint."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from databricks import sql
from databricks.sql.exc import ServerOperationError

from brickloop.launcher import LocalServer


def connect(server: LocalServer, **arguments: Any) -> Any:
    """A connection over plain http."""
    return sql.connect(
        server_hostname=server.host,
        http_path=server.http_path,
        access_token=server.token,
        _connection_uri=server.host + server.http_path,
        **arguments,
    )


@pytest.fixture(scope="module")
def connection(local_server: LocalServer) -> Iterator[Any]:
    with connect(local_server) as made:
        yield made


@pytest.fixture
def run(connection: Any) -> Iterator[Callable[..., Any]]:
    """Executes a statement; the cursor."""
    with connection.cursor() as cursor:

        def execute(text: str, parameters: Any = None) -> Any:
            cursor.execute(text, parameters)
            return cursor

        yield execute


def test_values_of_every_type_come_back_exact(run: Callable[..., Any]) -> None:
    cursor = run(
        "SELECT 1 i, 'x' s, 1.50 d, 2.5D f, true b, date'2024-02-29' day, X'00ff' bin, NULL n,"
        " timestamp'2024-02-29 12:00:00.123456' at, timestamp_ntz'2024-02-29 12:00:00' local_at"
    )
    (row,) = cursor.fetchall()
    moment = datetime.datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=datetime.timezone.utc)
    assert row[:8] == (
        1, "x", Decimal("1.50"), 2.5, True, datetime.date(2024, 2, 29), b"\x00\xff", None,
    )  # fmt: skip
    assert row["at"] == moment
    assert row["local_at"] == datetime.datetime(2024, 2, 29, 12)
    kinds = [each[1] for each in cursor.description]
    assert kinds == [
        "int", "string", "decimal", "double", "boolean", "date", "binary", "null", "timestamp",
        "timestamp",
    ]  # fmt: skip
    assert cursor.description[2][4:6] == (3, 2)


def test_intervals_and_variants_are_text_wherever_they_stand(run: Callable[..., Any]) -> None:
    cursor = run(
        "SELECT interval '1' day d, interval '1-2' year to month m, parse_json('{\"a\":1}') v,"
        " map(1, interval '2-1' year to month) inside"
    )
    (row,) = cursor.fetchall()
    assert tuple(row) == ("1 00:00:00.000000000", "1-2", '{"a":1}', [(1, "2-1")])
    assert cursor.description[2][1] == "variant"


def test_a_syntax_error_carries_its_class_state_and_place(run: Callable[..., Any]) -> None:
    with pytest.raises(ServerOperationError) as failed:
        run("SELECT 1 FRM x")
    assert "[PARSE_SYNTAX_ERROR]" in str(failed.value)
    assert "SQLSTATE: 42601" in str(failed.value)
    assert "SELECT 1 FRM x" in str(failed.value)
