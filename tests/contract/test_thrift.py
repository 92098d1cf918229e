"""The unmodified connector against the local workspace's HiveServer2 endpoint."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pytest
import requests
from databricks import sql
from databricks.sql.exc import DatabaseError, RequestError, ServerOperationError
from databricks.sql.parameters.native import (
    ArrayParameter,
    MapParameter,
    VoidParameter,
)
from databricks.sql.thrift_api.TCLIService import TCLIService, ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

from brickloop.launcher import LocalServer

ENDLESS = (
    "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000000) b WHERE a.id + b.id = 7"
)


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


class Wire:
    """HiveServer2 calls as they are on the wire, without a client that smooths them over."""

    def __init__(self, server: LocalServer, path: str | None = None) -> None:
        self._url = server.host + (path or server.http_path)
        self._headers = {"Authorization": f"Bearer {server.token}"}

    def __call__(self, name: str, request: Any) -> Any:
        sent, received = TMemoryBuffer(), TMemoryBuffer()
        client = TCLIService.Client(TBinaryProtocol(sent))
        getattr(client, f"send_{name}")(request)
        answer = requests.post(self._url, sent.getvalue(), headers=self._headers, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/x-thrift"
        received = TMemoryBuffer(answer.content)
        limits: dict[str, Any] = {"string_length_limit": None, "container_length_limit": None}
        return getattr(TCLIService.Client(TBinaryProtocol(received, **limits)), f"recv_{name}")()


@pytest.fixture
def wire(local_server: LocalServer) -> Wire:
    return Wire(local_server)


@pytest.fixture
def session(wire: Wire) -> Iterator[Any]:
    opened = wire("OpenSession", ttypes.TOpenSessionReq(client_protocol_i64=42247))
    assert opened.status.statusCode == ttypes.TStatusCode.SUCCESS_STATUS
    yield opened.sessionHandle
    wire("CloseSession", ttypes.TCloseSessionReq(opened.sessionHandle))


def execute(wire: Wire, session: Any, text: str, **more: Any) -> Any:
    direct = ttypes.TSparkGetDirectResults(maxRows=1000, maxBytes=1_000_000)
    given = {"getDirectResults": direct, "runAsync": True, **more}
    return wire("ExecuteStatement", ttypes.TExecuteStatementReq(session, text, **given))


def test_direct_results_hold_everything_of_a_small_result(wire: Wire, session: Any) -> None:
    answer = execute(wire, session, "SELECT 1 AS a, 1.5 AS d", canDecompressLZ4Result=True)
    direct = answer.directResults
    assert direct.operationStatus.operationState == ttypes.TOperationState.FINISHED_STATE
    metadata = direct.resultSetMetadata
    assert metadata.resultFormat == ttypes.TSparkRowSetType.ARROW_BASED_SET
    assert metadata.lz4Compressed and metadata.isStagingOperation is False
    entries = [each.typeDesc.types[0].primitiveEntry for each in metadata.schema.columns]
    assert [each.type for each in entries] == [
        ttypes.TTypeId.INT_TYPE, ttypes.TTypeId.DECIMAL_TYPE,
    ]  # fmt: skip
    qualifiers = entries[1].typeQualifiers.qualifiers
    assert (qualifiers["precision"].i32Value, qualifiers["scale"].i32Value) == (2, 1)
    assert direct.resultSet.hasMoreRows is False
    assert direct.resultSet.results.startRowOffset == 0
    (batch,) = direct.resultSet.results.arrowBatches
    content = metadata.arrowSchema + lz4.frame.decompress(batch.batch)
    assert pa.ipc.open_stream(content).read_all()["a"].to_pylist() == [1]
    # nothing is left to be closed
    assert direct.closeOperation is not None
    again = wire("CloseOperation", ttypes.TCloseOperationReq(answer.operationHandle))
    assert again.status.statusCode == ttypes.TStatusCode.INVALID_HANDLE_STATUS


def test_rows_are_compressed_only_for_clients_that_ask(wire: Wire, session: Any) -> None:
    direct = execute(wire, session, "SELECT 1 AS a", canDecompressLZ4Result=False).directResults
    assert direct.resultSetMetadata.lz4Compressed is False
    content = direct.resultSetMetadata.arrowSchema + direct.resultSet.results.arrowBatches[0].batch
    assert pa.ipc.open_stream(content).read_all().num_rows == 1


def test_more_rows_are_promised_only_where_there_are_some(wire: Wire, session: Any) -> None:
    direct = ttypes.TSparkGetDirectResults(maxRows=100, maxBytes=1_000_000)
    text = "SELECT id FROM range(300)"
    answer = execute(wire, session, text, getDirectResults=direct)
    assert answer.directResults.closeOperation is None
    results = [answer.directResults.resultSet]
    while results[-1].hasMoreRows:
        request = ttypes.TFetchResultsReq(answer.operationHandle, maxRows=100, maxBytes=1_000_000)
        results.append(wire("FetchResults", request))
    counts = [sum(each.rowCount for each in r.results.arrowBatches) for r in results]
    assert sum(counts) == 300 and all(counts) and max(counts) <= 100
    offsets = [each.results.startRowOffset for each in results]
    assert offsets == [sum(counts[:index]) for index in range(len(counts))]
    assert all(each.resultSetMetadata.schema is not None for each in results)
    empty = execute(wire, session, "SELECT id FROM range(3) WHERE id > 5").directResults
    assert (empty.resultSet.hasMoreRows, empty.resultSet.results.arrowBatches) == (False, [])


def test_a_failed_statement_is_a_success_of_the_call(wire: Wire, session: Any) -> None:
    answer = execute(wire, session, "SELECT * FROM nowhere_at_all")
    assert answer.status.statusCode == ttypes.TStatusCode.SUCCESS_STATUS
    status = answer.directResults.operationStatus
    assert status.status.statusCode == ttypes.TStatusCode.SUCCESS_STATUS
    assert status.operationState == ttypes.TOperationState.ERROR_STATE
    assert status.sqlState == "42P01"
    for text in (status.errorMessage, status.displayMessage, status.diagnosticInfo):
        assert "[TABLE_OR_VIEW_NOT_FOUND]" in text and "SQLSTATE: 42P01" in text


def test_no_call_ends_as_a_fault_of_the_transport(wire: Wire, session: Any) -> None:
    refused = wire("GetDelegationToken", ttypes.TGetDelegationTokenReq(session, "a", "b"))
    assert refused.status.statusCode == ttypes.TStatusCode.ERROR_STATUS
    assert "GetDelegationToken" in refused.status.errorMessage
    for text in (None, "", "  -- nothing"):
        state = execute(wire, session, text).directResults.operationStatus
        assert state.operationState == ttypes.TOperationState.ERROR_STATE, text
        assert "PARSE_EMPTY_STATEMENT" in state.errorMessage


@pytest.mark.parametrize("guid", [b"x" * 16, b"", b"short"])
def test_unknown_handles_are_told_as_clients_look_for_them(wire: Wire, guid: bytes) -> None:
    handle = ttypes.THandleIdentifier(guid=guid, secret=guid)
    session = ttypes.TSessionHandle(handle)
    answer = wire("ExecuteStatement", ttypes.TExecuteStatementReq(session, "SELECT 1"))
    assert answer.status.statusCode == ttypes.TStatusCode.INVALID_HANDLE_STATUS
    assert "Invalid SessionHandle" in answer.status.errorMessage
    operation = ttypes.TOperationHandle(handle, 0, True)
    status = wire("GetOperationStatus", ttypes.TGetOperationStatusReq(operation))
    assert status.status.statusCode == ttypes.TStatusCode.INVALID_HANDLE_STATUS
    assert "Invalid OperationHandle" in status.status.errorMessage


def test_a_message_that_is_none_is_refused(ask: Callable[..., requests.Response]) -> None:
    for content in (b"", b"hello", b"\x80\x01\x00\x01\xff\xff\xff\xff"):
        answer = ask("POST", "/sql/1.0/warehouses/local", data=content)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    "path", ["/sql/1.0/endpoints/local", "/sql/protocolv1/o/12345/local-cluster"]
)
def test_older_paths_lead_to_the_same_engine(local_server: LocalServer, path: str) -> None:
    wire = Wire(local_server, path)
    session = wire("OpenSession", ttypes.TOpenSessionReq()).sessionHandle
    assert execute(wire, session, "SELECT 1").directResults.resultSet.results.arrowBatches
    wire("CloseSession", ttypes.TCloseSessionReq(session))


@pytest.mark.parametrize("path", ["/sql/1.0/warehouses/nope", "/sql/protocolv1/o/1/nope"])
def test_an_unknown_warehouse_is_not_found(
    ask: Callable[..., requests.Response], path: str
) -> None:
    answer = ask("POST", path, data=b"x")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_wrong_token_is_told_in_words(local_server: LocalServer) -> None:
    with pytest.raises(RequestError, match="Invalid access token"):
        sql.connect(
            server_hostname=local_server.host,
            http_path=local_server.http_path,
            access_token="dapi-wrong",
            _connection_uri=local_server.host + local_server.http_path,
        )


def test_a_first_connection_with_all_defaults_is_quick(local_server: LocalServer) -> None:
    begun = time.monotonic()
    with connect(local_server) as made, made.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
    # a client that looks for its feature flags elsewhere takes 30 s and more
    assert time.monotonic() - begun < 20


def test_parameters_of_every_kind(run: Callable[..., Any]) -> None:
    cursor = run(
        "SELECT :i + 1, :s, :d, :day, :at, :f, :b, :a, :m, :n, :v",
        {
            "i": 41,
            "s": "it's; -- :i",
            "d": Decimal("1.50"),
            "day": datetime.date(2024, 2, 29),
            "at": datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc),
            "f": 2.5,
            "b": True,
            "a": [1, 2],
            "m": {"k": 1},
            "n": None,
            "v": "x",
        },
    )
    (row,) = cursor.fetchall()
    assert tuple(row)[:7] == (
        42, "it's; -- :i", Decimal("1.50"), datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc), 2.5, True,
    )  # fmt: skip
    assert list(row[7]) == [1, 2]
    assert dict(row[8]) == {"k": 1}
    assert tuple(row)[9:] == (None, "x")


def test_positional_and_explicit_parameters(run: Callable[..., Any]) -> None:
    assert tuple(run("SELECT ?, ?", [1, "b"]).fetchone()) == (1, "b")
    cursor = run(
        "SELECT ?, ?, ?",
        [ArrayParameter(["a", "b"]), MapParameter({"x": "y"}), VoidParameter(None)],
    )
    (row,) = cursor.fetchall()
    assert (list(row[0]), dict(row[1]), row[2]) == (["a", "b"], {"x": "y"}, None)
    run("CREATE TABLE IF NOT EXISTS bound (a INT, b STRING)")
    assert run("INSERT INTO bound VALUES (:`a`, :b)", {"a": 1, "b": "z"}).rowcount == 1
    assert tuple(run("SELECT * FROM bound WHERE a = :a", {"a": 1}).fetchone()) == (1, "z")


def test_what_only_changes_something_has_an_empty_result(run: Callable[..., Any]) -> None:
    cursor = run("CREATE OR REPLACE TABLE changed (a INT)")
    assert (cursor.description, cursor.fetchall()) == ([], [])
    assert run("INSERT INTO changed VALUES (1), (2), (3)").rowcount == 3
    assert run("SELECT * FROM changed").rowcount == -1
    assert run("DROP TABLE changed").fetchall() == []


def test_dml_counts_the_rows_that_changed(run: Callable[..., Any]) -> None:
    run("CREATE OR REPLACE TABLE counted AS SELECT id AS a, 'x' AS b FROM range(5)")
    assert run("UPDATE counted SET b = 'y' WHERE a = 1").rowcount == 1
    assert run("DELETE FROM counted WHERE a > 2").rowcount == 2
    assert run("SELECT count(*) FROM counted").fetchone()[0] == 3


def test_nested_types_are_json_text_for_clients_that_ask(local_server: LocalServer) -> None:
    with connect(local_server, _use_arrow_native_complex_types=False) as made:
        cursor = made.cursor()
        cursor.execute("SELECT array(1, 2) a, map('k', 1.50) m, struct(1 AS x) s")
        assert tuple(cursor.fetchone()) == ("[1,2]", '{"k":1.50}', '{"x":1}')
        assert [each[1] for each in cursor.description] == ["array", "map", "struct"]


def test_timestamps_and_decimals_are_text_for_clients_that_ask(wire: Wire, session: Any) -> None:
    native = ttypes.TSparkArrowTypes(timestampAsArrow=False, decimalAsArrow=False)
    text = "SELECT timestamp'2024-02-29 12:00:00.5' t, 1.50 d"
    direct = execute(wire, session, text, useArrowNativeTypes=native).directResults
    content = direct.resultSetMetadata.arrowSchema + direct.resultSet.results.arrowBatches[0].batch
    (row,) = pa.ipc.open_stream(content).read_all().to_pylist()
    assert row == {"t": "2024-02-29 12:00:00.5", "d": "1.50"}


def test_large_results_arrive_whole_in_pieces_of_any_size(local_server: LocalServer) -> None:
    text = "SELECT id, cast(id AS string) s FROM range(200000)"
    with connect(local_server) as made:
        for size in (1000, 100_000):
            cursor = made.cursor(arraysize=size)
            cursor.execute(text)
            first = cursor.fetchmany_arrow(1500)
            assert first.num_rows == 1500
            rest = cursor.fetchall_arrow()
            ids = pa.concat_tables([first, rest])["id"].to_pylist()
            assert sorted(ids) == list(range(200_000))
            cursor.close()


def test_a_row_limit_holds(local_server: LocalServer) -> None:
    with connect(local_server) as made:
        cursor = made.cursor(row_limit=7)
        cursor.execute("SELECT id FROM range(100000)")
        assert len(cursor.fetchall()) == 7


def test_large_strings_and_duplicate_names(run: Callable[..., Any]) -> None:
    (row,) = run("SELECT repeat('ä', 5000000) s, 1 a, 2 a").fetchall()
    assert (len(row[0]), row[1], row[2]) == (5_000_000, 1, 2)


def test_sessions_are_apart_and_keep_what_is_set(local_server: LocalServer) -> None:
    with connect(local_server) as one, connect(local_server) as two:
        first, second = one.cursor(), two.cursor()
        first.execute("CREATE SCHEMA IF NOT EXISTS apart")
        first.execute("USE SCHEMA apart")
        first.execute("CREATE TEMPORARY VIEW mine AS SELECT 1 AS a")
        first.execute("SELECT current_schema(), a FROM mine")
        assert tuple(first.fetchone()) == ("apart", 1)
        second.execute("SELECT current_schema()")
        assert second.fetchone()[0] == "default"
        with pytest.raises(ServerOperationError, match="TABLE_OR_VIEW_NOT_FOUND"):
            second.execute("SELECT * FROM mine")


def test_a_session_begins_where_and_how_it_is_asked_to(local_server: LocalServer) -> None:
    with connect(local_server) as made:
        made.cursor().execute("CREATE SCHEMA IF NOT EXISTS begins")
    settings = {"timezone": "Europe/Berlin", "ansi_mode": "false"}
    with connect(
        local_server, catalog="main", schema="begins", session_configuration=settings
    ) as made:
        cursor = made.cursor()
        cursor.execute(
            "SELECT current_catalog(), current_schema(), timestamp'2024-01-01 00:00:00' AS at"
        )
        catalog, schema, at = cursor.fetchone()
        assert (catalog, schema) == ("main", "begins")
        assert at == datetime.datetime(2023, 12, 31, 23, tzinfo=datetime.timezone.utc)
        assert at.utcoffset() == datetime.timedelta(hours=1)
    with pytest.raises(DatabaseError, match="nowhere"):
        connect(local_server, schema="nowhere")


def test_metadata_calls_list_by_pattern(run: Callable[..., Any], connection: Any) -> None:
    run("CREATE SCHEMA IF NOT EXISTS listed")
    run("CREATE TABLE IF NOT EXISTS listed.a_b (id INT NOT NULL, d DECIMAL(10, 2), l ARRAY<INT>)")
    run("CREATE TABLE IF NOT EXISTS listed.axb (id INT) COMMENT 'said of it'")
    run("CREATE OR REPLACE VIEW listed.seen AS SELECT id FROM listed.axb")
    with connection.cursor() as cursor:
        assert ("main",) in [tuple(row) for row in cursor.catalogs().fetchall()]
        cursor.schemas(catalog_name="main", schema_name="list%")
        assert [row.TABLE_SCHEM for row in cursor.fetchall()] == ["listed"]
        cursor.tables(catalog_name="main", schema_name="listed")
        found = {row.TABLE_NAME: row.TABLE_TYPE for row in cursor.fetchall()}
        assert found == {"a_b": "TABLE", "axb": "TABLE", "seen": "VIEW"}
        cursor.tables(schema_name="listed", table_name="a\\_b", table_types=["TABLE"])
        assert [row.TABLE_NAME for row in cursor.fetchall()] == ["a_b"]
        cursor.tables(schema_name="listed", table_name="axb")
        assert [row.REMARKS for row in cursor.fetchall()] == ["said of it"]
        cursor.tables(schema_name="listed", table_types=["VIEW"])
        assert [row.TABLE_NAME for row in cursor.fetchall()] == ["seen"]
        cursor.columns(schema_name="listed", table_name="a\\_b")
        rows = cursor.fetchall()
        assert [(r.COLUMN_NAME, r.TYPE_NAME, r.ORDINAL_POSITION) for r in rows] == [
            ("id", "INT", 0), ("d", "DECIMAL(10,2)", 1), ("l", "ARRAY<INT>", 2),
        ]  # fmt: skip
        assert (rows[0].NULLABLE, rows[0].IS_NULLABLE) == (0, "NO")
        assert (rows[1].COLUMN_SIZE, rows[1].DECIMAL_DIGITS, rows[1].DATA_TYPE) == (10, 2, 3)


def test_metadata_that_other_drivers_ask_for(wire: Wire, session: Any) -> None:
    direct = ttypes.TSparkGetDirectResults(maxRows=1000, maxBytes=1_000_000)

    def column(answer: Any) -> list[Any]:
        results = answer.directResults
        batches = b"".join(each.batch for each in results.resultSet.results.arrowBatches)
        table = pa.ipc.open_stream(results.resultSetMetadata.arrowSchema + batches).read_all()
        return list(table.column(0).to_pylist())

    kinds = wire("GetTableTypes", ttypes.TGetTableTypesReq(session, getDirectResults=direct))
    assert column(kinds) == ["TABLE", "VIEW"]
    types = wire("GetTypeInfo", ttypes.TGetTypeInfoReq(session, getDirectResults=direct))
    assert {"INT", "STRING", "DECIMAL", "TIMESTAMP"} <= set(column(types))
    info = ttypes.TGetInfoReq(session, ttypes.TGetInfoType.CLI_DBMS_NAME)
    assert wire("GetInfo", info).infoValue.stringValue == "Spark SQL"


def rows_of(answer: Any) -> list[tuple[Any, ...]]:
    """The rows of a metadata call's direct result."""
    fields = answer.directResults.resultSetMetadata.arrowSchema
    batches = answer.directResults.resultSet.results.arrowBatches
    found: list[tuple[Any, ...]] = []
    for batch in batches:
        table = pa.ipc.open_stream(fields + batch.batch).read_all()
        found += [tuple(row.values()) for row in table.to_pylist()]
    return found


def test_functions_and_keys_are_told(run: Callable[..., Any], wire: Wire, session: Any) -> None:
    run("CREATE SCHEMA IF NOT EXISTS keyed")
    run("CREATE OR REPLACE FUNCTION keyed.twice(x INT) RETURNS INT COMMENT 'doubles' RETURN x * 2")
    run("CREATE OR REPLACE FUNCTION keyed.ones() RETURNS TABLE (one INT) RETURN SELECT 1")
    run("CREATE OR REPLACE TABLE keyed.people (id BIGINT NOT NULL PRIMARY KEY, name STRING)")
    run(
        "CREATE OR REPLACE TABLE keyed.visits (person BIGINT CONSTRAINT of REFERENCES keyed.people,"
        " day DATE NOT NULL, n INT NOT NULL, CONSTRAINT visits_key PRIMARY KEY (day, n))"
    )
    run("CREATE OR REPLACE TABLE keyed.notes (day DATE, n INT, text STRING)")
    run(
        "ALTER TABLE keyed.notes ADD CONSTRAINT on_visit FOREIGN KEY (day, n)"
        " REFERENCES keyed.visits (day, n)"
    )
    direct = ttypes.TSparkGetDirectResults(maxRows=10_000, maxBytes=10_000_000)

    def ask(name: str, **fields: Any) -> list[tuple[Any, ...]]:
        request = getattr(ttypes, f"T{name}Req")(session, getDirectResults=direct, **fields)
        return rows_of(wire(name, request))

    mine = ask("GetFunctions", schemaName="keyed", functionName="%")
    assert mine == [
        ("main", "keyed", "ones", "", 2, "main.keyed.ones"),
        ("main", "keyed", "twice", "doubles", 1, "main.keyed.twice"),
    ]
    built_in = ask("GetFunctions", catalogName="system", functionName="%")
    assert len(built_in) > 300 and {"abs", "explode"} <= {row[2] for row in built_in}
    assert [row[2] for row in ask("GetFunctions", functionName="date\\_ad_")] == ["date_add"]
    keys = ask("GetPrimaryKeys", schemaName="keyed")
    assert keys == [
        ("main", "keyed", "people", "id", 1, "people_pk"),
        ("main", "keyed", "visits", "day", 1, "visits_key"),
        ("main", "keyed", "visits", "n", 2, "visits_key"),
    ]
    assert ask("GetPrimaryKeys", schemaName="keyed", tableName="people") == keys[:1]
    visits = ask("GetCrossReference", foreignSchemaName="keyed", foreignTableName="visits")
    assert visits == [
        ("main", "keyed", "people", "id", "main", "keyed", "visits", "person", 1, 3, 3, "of",
         "people_pk", 7)
    ]  # fmt: skip
    notes = ask("GetCrossReference", parentSchemaName="keyed", parentTableName="visits")
    assert [(row[3], row[7], row[8], row[11]) for row in notes] == [
        ("day", "day", 1, "on_visit"), ("n", "n", 2, "on_visit"),
    ]  # fmt: skip
    # they go with what they are of
    run("ALTER TABLE keyed.notes DROP CONSTRAINT on_visit")
    run("ALTER TABLE keyed.visits DROP PRIMARY KEY")
    run("ALTER TABLE keyed.people RENAME TO keyed.persons")
    run("CREATE OR REPLACE TABLE keyed.visits (person BIGINT)")
    assert [row[2:4] for row in ask("GetPrimaryKeys", schemaName="keyed")] == [("persons", "id")]
    assert ask("GetCrossReference", foreignSchemaName="keyed") == []
    run("DROP TABLE keyed.persons")
    run("CREATE TABLE keyed.persons (id INT)")
    assert ask("GetPrimaryKeys", schemaName="keyed") == []


def engine_seconds(server: LocalServer) -> dict[int, float]:
    """CPU time that each engine of a server has used, by process; most of the time there is one."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            parts = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if b"brickloop.localws.engine" in line and int(parts[1]) == server.pid:
            found[int(folder.name)] = (int(parts[11]) + int(parts[12])) / 100
    return found


def wait_until_busy(server: LocalServer) -> None:
    """Return when the engine computes; fails after a minute."""
    before, deadline = sum(engine_seconds(server).values()), time.monotonic() + 60
    while sum(engine_seconds(server).values()) - before < 0.5:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_rest(server: LocalServer) -> None:
    """Return when one engine is there and uses no processor; fails after a minute."""
    deadline = time.monotonic() + 60
    while True:
        before = engine_seconds(server)
        time.sleep(0.5)
        after = engine_seconds(server)
        used = sum(after.values()) - sum(before.values())
        if len(after) == 1 and before.keys() == after.keys() and used < 0.05:
            return
        assert time.monotonic() < deadline


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads CPU times from /proc")
def test_a_runaway_statement_is_canceled_and_the_engine_rests(local_server: LocalServer) -> None:
    with connect(local_server) as made:
        cursor = made.cursor()
        failures: list[BaseException] = []

        def run_away() -> None:
            try:
                cursor.execute(ENDLESS)
            except BaseException as error:  # noqa: BLE001 - looked at below
                failures.append(error)

        thread = threading.Thread(target=run_away)
        wait_for_rest(local_server)
        thread.start()
        wait_until_busy(local_server)
        deadline = time.monotonic() + 60
        while cursor.active_command_id is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # others are answered meanwhile
        with connect(local_server) as other, other.cursor() as second:
            second.execute("SELECT 1")
            assert second.fetchone()[0] == 1
        cursor.cancel()
        thread.join(60)
        assert not thread.is_alive() and failures
        wait_for_rest(local_server)
        # the session is as good as before
        fresh = made.cursor()
        fresh.execute("SELECT 2")
        assert fresh.fetchone()[0] == 2


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads CPU times from /proc")
def test_the_engine_rests_however_many_statements_were_stopped(local_server: LocalServer) -> None:
    settings = {"STATEMENT_TIMEOUT": "1"}
    with connect(local_server) as kept, kept.cursor() as cursor:
        for text in (
            "CREATE TEMPORARY VIEW ones AS SELECT 1 AS one",
            "DECLARE VARIABLE seven INT DEFAULT 7",
            "SET TIME ZONE 'Europe/Berlin'",
        ):
            cursor.execute(text)
        for _ in range(4):
            made = connect(local_server, session_configuration=settings)
            with made, pytest.raises(ServerOperationError, match="limit of 1 s"):
                made.cursor().execute(ENDLESS)
            wait_for_rest(local_server)
        # whether its engine had to be replaced or not, the session is what it was
        cursor.execute("SELECT one, session.seven, current_timezone() FROM ones")
        assert list(cursor.fetchone()) == [1, 7, "Europe/Berlin"]


def test_a_statement_can_be_followed_and_fetched_later(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute_async("SELECT count(*) FROM range(3000000)")
        deadline = time.monotonic() + 60
        while cursor.is_query_pending():
            assert time.monotonic() < deadline
        cursor.get_async_execution_result()
        assert cursor.fetchone()[0] == 3_000_000


def test_polls_wait_but_not_for_long(wire: Wire, session: Any) -> None:
    answer = execute(wire, session, ENDLESS, getDirectResults=None)
    request = ttypes.TGetOperationStatusReq(answer.operationHandle)
    wire("GetOperationStatus", request)
    begun = time.monotonic()
    count = 5
    for _ in range(count):
        state = wire("GetOperationStatus", request).operationState
        assert state == ttypes.TOperationState.RUNNING_STATE
    # else a client that polls without a pause would keep a processor busy
    assert time.monotonic() - begun > count * 0.1
    wire("CancelOperation", ttypes.TCancelOperationReq(answer.operationHandle))
    state = wire("GetOperationStatus", request).operationState
    assert state == ttypes.TOperationState.CANCELED_STATE
    metadata = ttypes.TGetResultSetMetadataReq(answer.operationHandle)
    assert wire("GetResultSetMetadata", metadata).status.statusCode == (
        ttypes.TStatusCode.ERROR_STATUS
    )


def test_a_time_limit_ends_a_statement(wire: Wire, session: Any) -> None:
    answer = execute(wire, session, ENDLESS, queryTimeout=1, getDirectResults=None)
    request = ttypes.TGetOperationStatusReq(answer.operationHandle)
    deadline = time.monotonic() + 60
    while (status := wire("GetOperationStatus", request)).operationState in {
        ttypes.TOperationState.RUNNING_STATE, ttypes.TOperationState.PENDING_STATE,
    }:  # fmt: skip
        assert time.monotonic() < deadline
    assert status.operationState == ttypes.TOperationState.ERROR_STATE
    assert "limit of 1 s" in status.errorMessage


def test_a_session_may_limit_its_statements(local_server: LocalServer) -> None:
    settings = {"STATEMENT_TIMEOUT": "1"}
    with connect(local_server, session_configuration=settings) as made, made.cursor() as cursor:
        with pytest.raises(ServerOperationError, match="limit of 1 s"):
            cursor.execute(ENDLESS)
        cursor.execute("SELECT 1")
        assert cursor.fetchone()[0] == 1


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads CPU times from /proc")
def test_closing_a_session_stops_what_runs_in_it(local_server: LocalServer, wire: Wire) -> None:
    session = wire("OpenSession", ttypes.TOpenSessionReq()).sessionHandle
    wait_for_rest(local_server)
    answer = execute(wire, session, ENDLESS, getDirectResults=None)
    wait_until_busy(local_server)
    wire("CloseSession", ttypes.TCloseSessionReq(session))
    status = wire("GetOperationStatus", ttypes.TGetOperationStatusReq(answer.operationHandle))
    assert "Invalid OperationHandle" in status.status.errorMessage
    wait_for_rest(local_server)


def test_several_results_of_one_session_are_read_in_turns(connection: Any) -> None:
    one, two = connection.cursor(arraysize=1000), connection.cursor(arraysize=1000)
    one.execute("SELECT id FROM range(50000)")
    two.execute("SELECT id + 1000000 AS id FROM range(50000)")
    mine, yours = [], []
    for _ in range(5):
        mine += [row.id for row in one.fetchmany(10_000)]
        yours += [row.id for row in two.fetchmany(10_000)]
    assert sorted(mine) == list(range(50_000))
    assert sorted(yours) == list(range(1_000_000, 1_050_000))
    one.close()
    two.close()


def test_flags_and_telemetry_are_answered(ask: Callable[..., requests.Response]) -> None:
    flags = ask("GET", "/api/2.0/connector-service/feature-flags/PYTHON/4.9.0")
    assert flags.json() == {"flags": [], "ttl_seconds": 900}
    sent = ask("POST", "/telemetry-ext", json={"uploadTime": 1, "items": [], "protoLogs": ["{}"]})
    assert sent.json()["numProtoSuccess"] == 1
