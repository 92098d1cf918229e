"""SQL warehouses through the unmodified SDK: handles on one engine, each with its own state."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from databricks import sql
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service.sql import State, StatementState
from databricks.sql.exc import DatabaseError

from brickloop import launcher
from brickloop.launcher import LocalServer


def connect(server: LocalServer, warehouse_id: str) -> Any:
    path = f"/sql/1.0/warehouses/{warehouse_id}"
    return sql.connect(
        server_hostname=server.host,
        http_path=path,
        access_token=server.token,
        _connection_uri=server.host + path,
    )


def test_a_new_warehouse_is_listed_used_and_deleted(
    client: WorkspaceClient, local_server: LocalServer
) -> None:
    made = client.warehouses.create(
        name="of a test", cluster_size="Small", auto_stop_mins=10, max_num_clusters=2
    ).result()
    assert made.id is not None and made.state is State.RUNNING
    assert (made.cluster_size, made.auto_stop_mins, made.max_num_clusters) == ("Small", 10, 2)
    assert "of a test" in [each.name for each in client.warehouses.list()]
    with connect(local_server, made.id) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone()[0] == 1
        assert client.warehouses.get(made.id).num_active_sessions == 1
    client.warehouses.edit(made.id, name="renamed").result()
    changed = client.warehouses.get(made.id)
    assert (changed.name, changed.cluster_size) == ("renamed", "Small")
    client.warehouses.delete(made.id)
    with pytest.raises(NotFound, match="does not exist"):
        client.warehouses.get(made.id)


def test_a_stopped_warehouse_has_no_sessions_and_starts_when_it_is_used(
    client: WorkspaceClient, local_server: LocalServer
) -> None:
    made = client.warehouses.create(name="stops", cluster_size="Small").result()
    assert made.id is not None
    connection = connect(local_server, made.id)
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    running = client.statement_execution.execute_statement(
        "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000000) b",
        made.id,
        wait_timeout="0s",
    )
    stopped = client.warehouses.stop(made.id).result()
    after = client.statement_execution.get_statement(str(running.statement_id)).status
    assert after is not None and after.state is StatementState.CANCELED
    assert (stopped.state, stopped.num_clusters) == (State.STOPPED, 0)
    with pytest.raises(DatabaseError, match="Invalid SessionHandle"):
        cursor.execute("SELECT 1")
    assert client.warehouses.get(made.id).state is State.RUNNING
    client.warehouses.stop(made.id).result()
    with connect(local_server, made.id) as again, again.cursor() as other:
        other.execute("SELECT 2")
        assert other.fetchone()[0] == 2
    assert client.warehouses.get(made.id).state is State.RUNNING
    client.warehouses.stop(made.id).result()
    assert client.warehouses.start(made.id).result().state is State.RUNNING
    client.warehouses.delete(made.id)
    connection.close()


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 100}, "shorter than 100"),
        ({"name": "a", "cluster_size": "Tiny"}, "cluster_size"),
        ({"name": "a", "auto_stop_mins": -5}, "auto_stop_mins"),
        ({"name": "a", "min_num_clusters": 3, "max_num_clusters": 2}, "min_num_clusters"),
        ({"name": "This machine (local workspace)"}, "already exists"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    client: WorkspaceClient, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidParameterValue, match=complaint):
        client.warehouses.create(**fields)


def test_the_default_warehouse_stays(client: WorkspaceClient) -> None:
    with pytest.raises(InvalidParameterValue, match="default warehouse"):
        client.warehouses.delete("local")
    for call in (client.warehouses.start, client.warehouses.stop, client.warehouses.delete):
        with pytest.raises(NotFound):
            call("nope")


def engine_of(server: LocalServer) -> int:
    """The process of a server's engine."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"brickloop.localws.engine" in line and parent == server.pid:
            return int(folder.name)
    raise AssertionError("no engine")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="ends a process by its id")
def test_a_killed_engine_ends_the_sessions_and_another_takes_its_place(server_root: Path) -> None:
    server = launcher.ensure_started(server_root)
    with connect(server, "local") as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(engine_of(server), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while True:
            # the one that runs into it fails in some way, those after it are told
            with pytest.raises(DatabaseError) as failed:
                cursor.execute("SELECT 1")
            if "Invalid SessionHandle" in str(failed.value):
                break
            assert time.monotonic() < deadline
        with connect(server, "local") as fresh, fresh.cursor() as other:
            other.execute("SELECT answer FROM kept")
            assert other.fetchone()[0] == 42


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="ends a process by its id")
def test_tables_and_warehouses_survive_a_killed_server_and_sessions_do_not(
    server_root: Path,
) -> None:
    server = launcher.ensure_started(server_root)
    client = WorkspaceClient(host=server.host, token=server.token)
    client.warehouses.create(name="kept", cluster_size="Small")
    connection = connect(server, "local")
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(server.pid, signal.SIGKILL)
    again = launcher.ensure_started(server_root)
    assert again.host == server.host
    with pytest.raises(DatabaseError, match="Invalid SessionHandle"):
        cursor.execute("SELECT 1")
    with connect(again, "local") as fresh, fresh.cursor() as other:
        other.execute("SELECT answer FROM kept")
        assert other.fetchone()[0] == 42
    assert "kept" in [each.name for each in client.warehouses.list()]
    connection.close()
