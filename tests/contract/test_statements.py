"""The Statement Execution API through the unmodified SDK, and by hand where it hides things."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import requests
from databricks import sql
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
    StatementParameterListItem,
    StatementResponse,
    StatementState,
)

from brickloop.launcher import LocalServer

ENDLESS = (
    "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000000) b WHERE a.id + b.id = 7"
)
# three chunks
LARGE = "SELECT id, cast(id AS string) s, repeat('x', 100) t FROM range(350000)"
EXTERNAL: dict[str, Any] = {"disposition": Disposition.EXTERNAL_LINKS}


@pytest.fixture
def execute(client: WorkspaceClient) -> Callable[..., StatementResponse]:
    def run(text: str, **arguments: Any) -> StatementResponse:
        return client.statement_execution.execute_statement(text, "local", **arguments)

    return run


def rows_of(response: StatementResponse) -> list[list[str]]:
    assert response.status is not None
    assert response.status.state is StatementState.SUCCEEDED, response.status
    assert response.result is not None
    return response.result.data_array or []


def state_of(response: StatementResponse) -> StatementState:
    assert response.status is not None and response.status.state is not None
    return response.status.state


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_every_value_is_a_string_in_its_documented_form(
    execute: Callable[..., StatementResponse],
) -> None:
    response = execute(
        "SELECT 1 a, 'x' b, 1.50 c, 1e10d d, 1e-5d e, true f, date'2024-02-29' g,"
        " timestamp'2024-02-29 12:00:00' h, timestamp_ntz'2024-02-29 12:00:00.123456' i, X'4142' j,"
        " NULL k, cast('nan' AS double) l, interval '1' day m, 2.5f n"
    )
    assert rows_of(response) == [
        [
            "1", "x", "1.50", "1.0E10", "1.0E-5", "true", "2024-02-29", "2024-02-29T12:00:00.000Z",
            "2024-02-29T12:00:00.123456", "QUI=", None, "NaN", "1 00:00:00.000000000", "2.5",
        ]
    ]  # fmt: skip
    assert response.manifest is not None and response.manifest.schema is not None
    columns = response.manifest.schema.columns or []
    assert [each.type_text for each in columns[:4]] == ["INT", "STRING", "DECIMAL(3,2)", "DOUBLE"]
    assert (columns[2].type_precision, columns[2].type_scale) == (3, 2)
    assert [each.position for each in columns] == list(range(14))


def test_nested_values_are_json_text_with_every_digit(
    execute: Callable[..., StatementResponse],
) -> None:
    response = execute(
        "SELECT array(1, NULL) a, map('k', 1.50) b, struct(1 AS x, 'q\"' AS y) c,"
        " array(struct(timestamp'2024-01-01' AS at)) d, parse_json('{\"v\": [1]}') e,"
        " struct(parse_json('[2]') AS inside) f"
    )
    assert rows_of(response) == [
        [
            "[1,null]", '{"k":1.50}', '{"x":1,"y":"q\\""}', '[{"at":"2024-01-01T00:00:00.000Z"}]',
            '{"v":[1]}', '{"inside":[2]}',
        ]
    ]  # fmt: skip


def test_parameters_are_typed(execute: Callable[..., StatementResponse]) -> None:
    item = StatementParameterListItem
    response = execute(
        "SELECT :n + 1 a, :d * 2 b, :s c, :t d, :none IS NULL e",
        parameters=[
            item(name="n", value="41", type="INT"),
            item(name="d", value="1.25", type="DECIMAL(5,2)"),
            item(name="s", value="it's; -- ok"),
            item(name="t", value="2024-02-29", type="DATE"),
            item(name="none", type="STRING"),
        ],
    )
    assert rows_of(response) == [["42", "2.50", "it's; -- ok", "2024-02-29", "true"]]


def test_catalog_and_schema_hold_for_one_statement_only(
    execute: Callable[..., StatementResponse], client: WorkspaceClient
) -> None:
    client.schemas.create("elsewhere", "main")
    place = "SELECT current_catalog(), current_schema()"
    assert rows_of(execute(place, catalog="main", schema="elsewhere")) == [["main", "elsewhere"]]
    assert rows_of(execute(place)) == [["main", "default"]]
    assert rows_of(execute("USE SCHEMA elsewhere")) == []
    assert rows_of(execute(place)) == [["main", "default"]]
    missing = execute("SELECT 1", schema="nowhere")
    assert state_of(missing) is StatementState.FAILED


def test_a_failed_statement_tells_class_and_state(
    ask: Callable[..., requests.Response],
) -> None:
    body = {"statement": "SELECT * FROM nowhere_at_all", "warehouse_id": "local"}
    answer = ask("POST", "/api/2.0/sql/statements", json=body)
    assert answer.status_code == 200
    status = answer.json()["status"]
    assert status["state"] == "FAILED"
    assert status["sql_state"] == "42P01"
    assert status["error"]["error_code"] == "BAD_REQUEST"
    assert "[TABLE_OR_VIEW_NOT_FOUND]" in status["error"]["message"]
    assert "result" not in answer.json() and "manifest" not in answer.json()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"wait_timeout": "3s"}, "wait_timeout"),
        ({"wait_timeout": "51s"}, "wait_timeout"),
        ({"wait_timeout": "soon"}, "wait_timeout"),
        ({"row_limit": 0}, "row_limit"),
        ({"byte_limit": -1}, "byte_limit"),
        ({"format": Format.ARROW_STREAM}, "EXTERNAL_LINKS"),
        ({"format": Format.CSV}, "EXTERNAL_LINKS"),
        ({"parameters": [StatementParameterListItem(name="x", value="1", type="X;Y")]}, "type"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    execute: Callable[..., StatementResponse], arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidParameterValue, match=complaint):
        execute("SELECT 1", **arguments)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"warehouse_id": "local"}, "statement"),
        ({"statement": "SELECT 1"}, "warehouse_id"),
        ({"statement": "SELECT 1", "warehouse_id": "local", "disposition": "X"}, "disposition"),
        ({"statement": "SELECT 1", "warehouse_id": "local", "on_wait_timeout": "X"}, "on_wait"),
    ],
)
def test_bad_bodies_are_refused_by_name(
    ask: Callable[..., requests.Response], body: dict[str, str], complaint: str
) -> None:
    answer = ask("POST", "/api/2.0/sql/statements", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert complaint in answer.json()["message"]


def test_unknown_warehouses_and_statements_are_not_found(client: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        client.statement_execution.execute_statement("SELECT 1", "nope")
    for call in (
        lambda: client.statement_execution.get_statement("nope"),
        lambda: client.statement_execution.cancel_execution("nope"),
        lambda: client.statement_execution.get_statement_result_chunk_n("nope", 0),
    ):
        with pytest.raises(NotFound, match="The statement nope was not found"):
            call()


def test_limits_cut_and_say_so(execute: Callable[..., StatementResponse]) -> None:
    numbers = "SELECT id FROM range(100)"
    for arguments, count in (({"row_limit": 5}, 5), ({"byte_limit": 80}, 10)):
        response = execute(numbers, **arguments)
        assert len(rows_of(response)) == count
        assert response.manifest is not None and response.manifest.truncated
    for arguments in ({"row_limit": 100}, {"byte_limit": 100_000}):
        response = execute(numbers, **arguments)
        assert len(rows_of(response)) == 100
        assert response.manifest is not None and not response.manifest.truncated


def test_more_than_25_mib_do_not_fit_inline(execute: Callable[..., StatementResponse]) -> None:
    response = execute("SELECT repeat('x', 1000) FROM range(30000)", wait_timeout="50s")
    assert state_of(response) is StatementState.FAILED
    assert response.status is not None and response.status.error is not None
    assert "26214400 bytes" in str(response.status.error.message)


def test_an_inline_result_in_chunks(
    execute: Callable[..., StatementResponse], client: WorkspaceClient
) -> None:
    response = execute("SELECT id, repeat('x', 100) FROM range(200000)", wait_timeout="50s")
    assert response.manifest is not None and response.statement_id is not None
    assert response.manifest.total_chunk_count == 2
    assert response.manifest.total_row_count == 200_000
    rows = rows_of(response)
    assert response.result is not None and response.result.next_chunk_index == 1
    rest = client.statement_execution.get_statement_result_chunk_n(response.statement_id, 1)
    assert rest.row_offset == len(rows) and rest.next_chunk_index is None
    everything = rows + (rest.data_array or [])
    assert sorted(int(row[0]) for row in everything) == list(range(200_000))
    with pytest.raises(InvalidParameterValue, match="chunk index 2"):
        client.statement_execution.get_statement_result_chunk_n(response.statement_id, 2)


def links_of(client: WorkspaceClient, response: StatementResponse) -> list[Any]:
    assert response.result is not None and response.statement_id is not None
    found = []
    links = response.result.external_links
    while links:
        found += links
        index = links[-1].next_chunk_index
        if index is None:
            break
        links = client.statement_execution.get_statement_result_chunk_n(
            response.statement_id, index
        ).external_links
    return found


def test_external_links_hold_arrow_streams_and_need_no_token(
    execute: Callable[..., StatementResponse], client: WorkspaceClient
) -> None:
    response = execute(LARGE, format=Format.ARROW_STREAM, wait_timeout="50s", **EXTERNAL)
    links = links_of(client, response)
    assert response.manifest is not None
    assert len(links) == response.manifest.total_chunk_count == 3
    tables = []
    for link in links:
        content = requests.get(link.external_link, timeout=30).content
        tables.append(pa.ipc.open_stream(content).read_all())
        assert tables[-1].num_rows == link.row_count
    whole = pa.concat_tables(tables)
    assert sorted(whole["id"].to_pylist()) == list(range(350_000))
    assert whole.schema.field("s").type == pa.string()


def test_external_links_hold_csv_and_json(
    execute: Callable[..., StatementResponse], client: WorkspaceClient
) -> None:
    query = "SELECT id, IF(id = 1, NULL, 'a,\"b') AS text FROM range(3) ORDER BY id"
    link = links_of(client, execute(query, format=Format.CSV, **EXTERNAL))[0]
    text = requests.get(link.external_link, timeout=30).text
    assert list(csv.reader(io.StringIO(text))) == [
        ["id", "text"], ["0", 'a,"b'], ["1", "null"], ["2", 'a,"b'],
    ]  # fmt: skip
    link = links_of(client, execute(query, format=Format.JSON_ARRAY, **EXTERNAL))[0]
    rows = requests.get(link.external_link, timeout=30).json()
    assert rows == [["0", 'a,"b'], ["1", None], ["2", 'a,"b']]


def test_a_link_opens_nothing_but_its_chunk_and_not_for_ever(
    execute: Callable[..., StatementResponse], client: WorkspaceClient
) -> None:
    response = execute("SELECT 1", format=Format.ARROW_STREAM, **EXTERNAL)
    link = str(links_of(client, response)[0].external_link)
    assert requests.get(link, timeout=10).status_code == 200
    path, _, query = link.partition("?")
    expires, _, signature = query.partition("&")
    later = int(expires.partition("=")[2]) + 9999
    for changed in (
        f"{path}?expires={later}&{signature}",
        f"{path[:-1]}1?{query}",
        f"{path}?{expires}&signature=0000",
        path,
        path.replace("/0", "/../0"),
    ):
        answer = requests.get(changed, timeout=10)
        assert answer.status_code in {401, 403}, changed
    assert response.statement_id is not None


def test_a_statement_can_be_polled_and_canceled(
    execute: Callable[..., StatementResponse], client: WorkspaceClient
) -> None:
    response = execute(ENDLESS, wait_timeout="0s")
    assert state_of(response) in {StatementState.PENDING, StatementState.RUNNING}
    statement_id = str(response.statement_id)
    until(
        lambda: (
            state_of(client.statement_execution.get_statement(statement_id))
            is StatementState.RUNNING
        )
    )
    # a heavy statement holds up nobody else
    assert rows_of(execute("SELECT 1")) == [["1"]]
    client.statement_execution.cancel_execution(statement_id)
    after = client.statement_execution.get_statement(statement_id)
    assert state_of(after) is StatementState.CANCELED
    assert rows_of(execute("SELECT 2")) == [["2"]]


def test_a_statement_that_takes_too_long_is_canceled_where_that_is_asked(
    execute: Callable[..., StatementResponse],
) -> None:
    response = execute(
        ENDLESS,
        wait_timeout="5s",
        on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CANCEL,
    )
    assert state_of(response) is StatementState.CANCELED


def test_a_result_is_fetched_later_and_closed(
    execute: Callable[..., StatementResponse],
    client: WorkspaceClient,
    ask: Callable[..., requests.Response],
    local_server: LocalServer,
) -> None:
    statement_id = str(execute("SELECT 7", wait_timeout="0s").statement_id)
    until(
        lambda: (
            state_of(client.statement_execution.get_statement(statement_id))
            is StatementState.SUCCEEDED
        )
    )
    assert rows_of(client.statement_execution.get_statement(statement_id)) == [["7"]]
    kept = local_server.root / "results" / statement_id
    assert kept.is_dir()
    assert ask("DELETE", f"/api/2.0/sql/statements/{statement_id}").status_code == 200
    closed = client.statement_execution.get_statement(statement_id)
    assert state_of(closed) is StatementState.CLOSED
    assert not kept.exists()
    answer = ask("GET", f"/api/2.0/sql/statements/{statement_id}/result/chunks/0")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")


def test_commands_and_empty_results_have_no_chunks(
    execute: Callable[..., StatementResponse],
) -> None:
    made = execute("CREATE TABLE IF NOT EXISTS statements_empty AS SELECT 1 AS a")
    assert rows_of(made) == []
    assert made.manifest is not None and made.manifest.total_chunk_count == 0
    empty = execute("SELECT * FROM statements_empty WHERE false")
    assert rows_of(empty) == []
    assert empty.manifest is not None and empty.manifest.schema is not None
    assert [each.name for each in empty.manifest.schema.columns or []] == ["a"]
    added = execute("INSERT INTO statements_empty VALUES (2), (3)")
    assert rows_of(added) == [["2", "2"]]


def test_many_statements_at_once_keep_their_own_results(client: WorkspaceClient) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def ask_for(number: int) -> list[list[str]]:
        response = client.statement_execution.execute_statement(f"SELECT {number}", "local")
        return rows_of(response)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask_for, range(24))) == [[[str(each)]] for each in range(24)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_connector_speaks_it_too(local_server: LocalServer) -> None:
    host, _, port = local_server.host.rpartition(":")
    with (
        sql.connect(
            server_hostname=host,
            _port=int(port),
            http_path=local_server.http_path,
            access_token=local_server.token,
            use_sea=True,
            enable_telemetry=False,
            schema="default",
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT :n AS n, array(1, 2) AS a, 1.50 AS d", {"n": 5})
        (row,) = cursor.fetchall()
        assert (row.n, list(row.a), str(row.d)) == (5, [1, 2], "1.50")
        cursor.execute("CREATE TABLE IF NOT EXISTS sea_table AS SELECT 1 AS first")
        # a session keeps what is set in it
        cursor.execute("CREATE TEMPORARY VIEW sea_view AS SELECT 42 AS answer")
        cursor.execute("SELECT answer FROM sea_view")
        assert [tuple(each) for each in cursor.fetchall()] == [(42,)]
        cursor.execute(LARGE)
        assert cursor.fetchall_arrow().num_rows == 350_000
        cursor.tables(catalog_name="main", schema_name="default", table_name="sea_table")
        assert [row.tableName for row in cursor.fetchall()] == ["sea_table"]
        cursor.columns(catalog_name="main", schema_name="default", table_name="sea_table")
        assert [row.col_name for row in cursor.fetchall()] == ["first"]
        with pytest.raises(sql.exc.ServerOperationError, match="PARSE_SYNTAX_ERROR"):
            cursor.execute("SELEC 1")
