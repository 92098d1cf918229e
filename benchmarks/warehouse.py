"""Fetching 1,000,000 rows from the local warehouse, and a SELECT 1, beside the engine directly.

Every way is asked in turns in the same minute, each through its usual client; the engine directly
is the same engine in a process of its own, asked with pyspark.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, write_table
from brickloop import launcher

_COLUMNS = (
    "SELECT id, id * 2 AS doubled, cast(id AS string) AS text, id / 3.0 AS third,"
    " timestamp_seconds(id) AS at FROM range({rows})"
)
_Way = Callable[[str], int]


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks warehouse", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--queries", type=int, default=50, help="round trips of SELECT 1")
    options = parser.parse_args(argv)
    if min(options.rows, options.repeats, options.queries) < 1:
        parser.error("numbers must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="brickloop-warehouse-") as folder:
        measure(Path(folder), options.rows, options.repeats, options.queries)
    return 0


def measure(folder: Path, rows: int, repeats: int, queries: int) -> None:
    """Print both tables; raises RuntimeError when a way gives another number of rows."""
    from brickloop.localws.engine import Engine
    from brickloop.localws.layout import StoreLayout
    from brickloop.localws.session import open_session

    server = launcher.ensure_started(folder / "local")
    layout = StoreLayout(folder / "direct")
    layout.make()
    engine = Engine(layout)
    with contextlib.ExitStack() as stack:
        stack.callback(launcher.stop, folder / "local")
        stack.callback(engine.stop)
        spark = open_session(layout, engine.start(), user="benchmark")
        # clients end before what they talk to: they would look for it when this process ends
        stack.callback(spark.stop)
        connection = stack.enter_context(connect(server))
        ways: dict[str, _Way] = {
            "engine, pyspark toArrow": lambda text: int(spark.sql(text).toArrow().num_rows),
            "Thrift, connector fetchall_arrow": connector_way(connection),
            "Statement API, Arrow by links": links_way(server),
        }
        title = f"{rows:,} rows x 5 columns"
        print(compare(title, ways, _COLUMNS.format(rows=rows), rows, repeats, "ratio 2"))
        ways["Statement API, inline"] = inline_way(server)
        del ways["Statement API, Arrow by links"]
        print("\n" + compare("SELECT 1", ways, "SELECT 1", 1, queries, ""))


def compare(
    title: str, ways: dict[str, _Way], text: str, rows: int, repeats: int, budget: str
) -> str:
    """The table of one query; every way is beside the first one."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            found = way(text)
            seconds = time.perf_counter() - begun
            if found != rows:
                raise RuntimeError(f"{name} gave {found} rows, not {rows}")
            # the first turn opens connections and imports
            if turn:
                times[name].append(seconds)
    direct, *others = times
    figures = [Figure(direct, times[direct])]
    for name in others:
        judged = budget if name.startswith("Thrift") else ""
        figures.append(Figure(name, times[name], direct, times[direct], budget=judged))
    return write_table(title, figures)


def connect(server: launcher.LocalServer) -> Any:
    """A connection of databricks-sql-connector."""
    from databricks import sql

    return sql.connect(
        server_hostname=server.host,
        http_path=server.http_path,
        access_token=server.token,
        _connection_uri=server.host + server.http_path,
        enable_telemetry=False,
    )


def connector_way(connection: Any) -> _Way:
    """Through databricks-sql-connector and HiveServer2."""

    def run(text: str) -> int:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return int(cursor.fetchall_arrow().num_rows)

    return run


def links_way(server: launcher.LocalServer) -> _Way:
    """Through the Statement Execution API, its chunks fetched by their links."""
    import pyarrow as pa
    import requests

    session = requests.Session()

    def run(text: str) -> int:
        answer = execute(session, server, text, disposition="EXTERNAL_LINKS", format="ARROW_STREAM")
        count, result = 0, answer["result"]
        while True:
            (link,) = result["external_links"]
            content = requests.get(link["external_link"], timeout=60).content
            count += pa.ipc.open_stream(content).read_all().num_rows
            if "next_chunk_internal_link" not in link:
                return count
            url = server.host + link["next_chunk_internal_link"]
            result = session.get(url, headers=token_of(server), timeout=60).json()

    return run


def inline_way(server: launcher.LocalServer) -> _Way:
    """Through the Statement Execution API, rows in the answer."""
    import requests

    session = requests.Session()
    return lambda text: len(execute(session, server, text)["result"]["data_array"])


def execute(session: Any, server: launcher.LocalServer, text: str, **more: str) -> Any:
    """The answer to a statement; raises RuntimeError when it has not succeeded."""
    body = {"statement": text, "warehouse_id": "local", "wait_timeout": "50s", **more}
    url = f"{server.host}/api/2.0/sql/statements"
    answer = session.post(url, json=body, headers=token_of(server), timeout=120).json()
    if answer.get("status", {}).get("state") != "SUCCEEDED":
        raise RuntimeError(f"the statement failed: {answer}")
    return answer


def token_of(server: launcher.LocalServer) -> dict[str, str]:
    """The header that lets a request in."""
    return {"Authorization": f"Bearer {server.token}"}
