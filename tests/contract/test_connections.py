"""ConnectionManager and ConnectionHealth through the real connector, on the local workspace."""

from __future__ import annotations

import datetime
import decimal
import os
import signal
import sys
import threading
import time
import uuid

import pytest

from brickloop import ConnectionHealth, ConnectionManager, launcher
from brickloop.errors import ConnectionFailed, NotAuthenticated, StatementFailed, UsageError
from brickloop.model.query import parse_parameter, split_statements
from brickloop.sql.query import Wishes


@pytest.fixture(scope="module")
def root(tmp_path_factory, local_server):
    """A project whose local workspace is that of the test session."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "tasks.py").write_text("")
    (folder / ".brickloop").mkdir()
    (folder / ".brickloop" / "local").symlink_to(local_server.root)
    return folder


@pytest.fixture
def manager(root):
    with ConnectionManager(root=root, max_connections=4) as opened:
        yield opened


@pytest.fixture
def schema(manager):
    name = f"s{uuid.uuid4().hex[:10]}"
    manager.execute(f"CREATE SCHEMA main.{name}")
    return name


def close_on_server(manager):
    """Have the server forget the idle session, as it does in time; the client does not know."""
    session = manager._pool._idle[-1]
    connection = session.connection.session
    connection.backend.close_session(connection._session_id)
    return session


def test_rows_pandas_and_arrow_have_the_exact_types(manager):
    result = manager.execute(
        "SELECT CAST(1 AS BIGINT) AS n, CAST('12.50' AS DECIMAL(4, 2)) AS d,"
        " DATE'2024-02-29' AS day, array(1, 2) AS a, CAST(NULL AS STRING) AS z, X'6869' AS b,"
        " true AS t"
    )
    (row,) = result.rows()
    assert row.n == 1
    assert row["d"] == decimal.Decimal("12.50")
    assert row[2] == datetime.date(2024, 2, 29)
    assert (row.a, row.z, row.b, row.t) == ([1, 2], None, b"hi", True)
    assert row.asDict()["n"] == 1
    assert dict(result.columns)["d"] == "decimal(4,2)"
    assert next(iter(result.plain_rows()))[2] == "2024-02-29"
    assert result.to_arrow().num_rows == 1
    assert list(result.to_pandas()["n"]) == [1]
    assert len(result) == 1
    assert not result.from_cache


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("SELECT :a + 1 AS n, :b AS s", {"a": 41, "b": "it's"}),
        ("SELECT ? + 1 AS n, ? AS s", [41, "it's"]),
        (
            "SELECT :a + 1 AS n, :b AS s",
            [parse_parameter("a=41"), parse_parameter("b:string=it's")],
        ),
    ],
)
def test_parameters_are_bound(manager, query, params):
    assert manager.execute(query, params).rows() == [(42, "it's")]


def test_typed_parameters_arrive_with_their_types(manager):
    pairs = ["a=1.50", "b=2024-02-29", "c=null", "d=true", "e:timestamp=2024-01-01 10:00:00"]
    bound = [parse_parameter(pair) for pair in pairs]
    text = "SELECT typeof(:a), typeof(:b), :c IS NULL, typeof(:d), typeof(:e)"
    assert manager.execute(text, bound).rows() == [
        ("decimal(3,2)", "date", True, "boolean", "timestamp")
    ]


def test_connections_are_used_again_and_bounded(manager):
    for _ in range(5):
        manager.execute("SELECT 1")
    assert manager.stats().opened == 1
    found = []

    def work():
        for number in range(4):
            found.append(manager.execute("SELECT :n AS n", {"n": number})[0].n == number)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found == [True] * 32
    assert manager.stats().opened <= 4
    assert manager.stats().in_use == 0


def test_an_expired_session_is_replaced_and_the_statement_runs_once(manager, schema):
    manager.execute(f"CREATE TABLE main.{schema}.t (n INT)")
    session = close_on_server(manager)
    manager.execute(f"INSERT INTO main.{schema}.t VALUES (1)")
    assert session.broken
    assert manager.execute(f"SELECT count(*) AS n FROM main.{schema}.t")[0].n == 1
    assert manager.stats().discarded == 1


def test_an_idle_session_is_checked_before_it_is_used(root):
    with ConnectionManager(root=root, check_after=0.0) as manager:
        manager.execute("SELECT 1")
        session = close_on_server(manager)
        connection = manager.get_sql_connection()
        assert session.broken
        with connection.cursor() as cursor:
            assert cursor.execute("SELECT 2 AS n").fetchall()[0].n == 2


def test_use_holds_for_later_statements_on_any_session(manager, schema):
    manager.execute(f"CREATE TABLE main.{schema}.t AS SELECT 7 AS n")
    manager.execute(f"USE main.{schema}")
    assert manager.execute("SELECT n FROM t")[0].n == 7
    close_on_server(manager)
    assert manager.execute("SELECT n FROM t")[0].n == 7
    with manager.get_sql_connection(force_new=True).cursor() as cursor:
        assert cursor.execute("SELECT n FROM t").fetchall()[0].n == 7


def test_the_seeds_two_calls(manager, schema):
    query = f"SELECT * FROM main.{schema}.t"
    manager.execute(f"CREATE TABLE main.{schema}.t AS SELECT 7 AS n")
    first = manager.execute_with_cache(query)
    leased = manager.stats().leased
    second = manager.execute_with_cache(query)
    assert manager.stats().leased == leased
    assert (first.from_cache, second.from_cache) == (False, True)
    assert list(first) == list(second) == [(7,)]
    assert not manager.execute(query).from_cache
    named = manager.execute_with_cache(query, cache_key="mine", ttl=60)
    assert not named.from_cache
    assert manager.execute_with_cache("SELECT  *  FROM nowhere", "mine").rows() == [(7,)]
    assert manager.clear_cache() >= 2
    assert not manager.execute_with_cache(query).from_cache


def test_fresh_goes_by_the_versions_of_the_tables(manager, schema):
    manager.execute(f"CREATE TABLE main.{schema}.t AS SELECT 7 AS n")
    (statement,) = split_statements(f"SELECT sum(n) AS s FROM main.{schema}.t")
    fresh = Wishes(fresh=True, ttl=0.001)
    assert not manager._runner.run(statement, (), fresh).from_cache
    again = manager._runner.run(statement, (), fresh)
    assert again.origin.why == "1 table unchanged"
    # by a connection that the cache knows nothing of
    with manager.get_sql_connection().cursor() as cursor:
        cursor.execute(f"INSERT INTO main.{schema}.t VALUES (5)")
    changed = manager._runner.run(statement, (), fresh)
    assert changed.origin.why == "a table has a new version"
    assert changed[0].s == 12
    # a view has no version of its own
    manager.execute(f"CREATE VIEW main.{schema}.v AS SELECT * FROM main.{schema}.t")
    (viewed,) = split_statements(f"SELECT * FROM main.{schema}.v")
    for _ in range(2):
        assert not manager._runner.run(viewed, (), fresh).from_cache


def test_a_workspace_named_by_host_and_token_is_asked_for_its_warehouse(
    tmp_path, local_server, monkeypatch
):
    monkeypatch.setenv("DATABRICKS_HOST", local_server.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", local_server.token)
    with ConnectionManager(root=tmp_path) as manager:
        assert manager.execute_with_cache("SELECT 1 AS n")[0].n == 1
        assert manager.warehouse.endpoint().http_path.startswith("/sql/1.0/warehouses/")
    with ConnectionManager(root=tmp_path) as again:
        assert again.execute_with_cache("SELECT 1 AS n").from_cache
    with (
        ConnectionManager(root=tmp_path, warehouse="nope") as other,
        pytest.raises(UsageError, match="there is no warehouse 'nope'"),
    ):
        other.execute("SELECT 1")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-nobody")
    with (
        ConnectionManager(root=tmp_path) as stranger,
        pytest.raises(NotAuthenticated),
    ):
        stranger.execute_with_cache("SELECT 1 AS n")


def test_a_connection_of_the_pool_is_the_connectors(manager):
    connection = manager.get_sql_connection()
    assert manager.get_sql_connection() is connection
    with connection.cursor() as cursor:
        assert cursor.execute("SELECT 1 AS n").fetchall()[0].n == 1
    other = manager.get_sql_connection(force_new=True)
    assert other is not connection
    assert not connection.open
    with pytest.raises(UsageError, match="given back"):
        connection.cursor()
    other.close()
    assert manager.stats().in_use == 0


def test_each_thread_has_a_connection_of_its_own(manager):
    mine = manager.get_sql_connection()
    others = []
    thread = threading.Thread(target=lambda: others.append(manager.get_sql_connection()._session))
    thread.start()
    thread.join(60)
    assert others[0] is not mine._session


def test_a_refused_statement_says_where_and_why(manager):
    with pytest.raises(StatementFailed) as caught:
        manager.execute("SELECT 1 AS n\nFORM t WHERE n > 3 AND")
    assert caught.value.sqlstate == "42601"
    assert caught.value.statement.startswith("SELECT 1")
    assert "SQLSTATE" not in str(caught.value)
    assert manager.execute("SELECT 1")[0][0] == 1
    assert manager.stats().opened == 1
    with pytest.raises(UsageError, match="2 statements"):
        manager.execute("SELECT 1; SELECT 2")


def test_a_running_statement_is_cancelled_on_the_server(manager):
    text = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(1000000) b WHERE a.id+b.id>5"
    outcome = []

    def work():
        try:
            outcome.append(manager.execute(text))
        except StatementFailed as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 60
    told = False
    while not told and thread.is_alive() and time.monotonic() < deadline:
        told = manager._runner.cancel()
    thread.join(60)
    assert told
    assert isinstance(outcome[0], StatementFailed)
    # the same session goes on
    assert manager.execute("SELECT 1")[0][0] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork_both_go_on_with_sessions_of_their_own(manager):
    manager.execute("SELECT 1")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"0"
        try:
            if manager.execute("SELECT 2 AS n")[0].n == 2 and manager.stats().opened == 2:
                answer = b"1"
        finally:
            os.write(writing, answer)
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1) == b"1"
    os.close(reading)
    os.close(writing)
    assert manager.execute("SELECT 3 AS n")[0].n == 3
    assert manager.stats().opened == 1


def test_all_parts_of_a_workspace_that_runs_are_well(manager):
    report = ConnectionHealth(manager).check_health()
    assert list(report) == ["sql", "api", "workspace", "storage"]
    assert report, [check.detail for check in report.failed]
    for check in report.values():
        assert check.seconds > 0
        assert check.tried


def test_a_server_that_is_killed_and_comes_back_is_met_again(server_root, tmp_path):
    project = tmp_path / "project"
    (project / ".brickloop").mkdir(parents=True)
    (project / ".brickloop" / "local").symlink_to(server_root)
    server_root.mkdir(exist_ok=True)
    server = launcher.ensure_started(server_root, idle_seconds=600)
    with ConnectionManager(root=project) as manager:
        manager.execute("CREATE TABLE main.default.kept AS SELECT 7 AS n")
        health = ConnectionHealth(manager, seconds=60)
        os.kill(server.pid, signal.SIGKILL)
        # in mid-use: the next statement finds the server gone, has it started, and is answered
        assert manager.execute("SELECT n FROM main.default.kept")[0].n == 7
        again = launcher.find_running(server_root)
        assert again is not None
        assert again.pid != server.pid
        os.kill(again.pid, signal.SIGKILL)
        report = health.auto_reconnect(seconds=90)
        assert report, [check.detail for check in report.failed]
        assert manager.execute("SELECT n FROM main.default.kept")[0].n == 7


def test_a_workspace_that_does_not_answer_is_said_by_every_part(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-secret-of-nobody")
    with ConnectionManager(root=tmp_path, warehouse="w1") as manager:
        report = ConnectionHealth(manager, seconds=30).check_health()
        assert len(report.failed) == 4
        assert "connection refused" in report["api"].detail
        assert not report["sql"]
        with pytest.raises(ConnectionFailed):
            manager.execute("SELECT 1")
    for check in report.values():
        assert "dapi-secret" not in repr(check)
