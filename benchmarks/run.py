"""A one-cell notebook from submit to output, cold and warm, and how soon the server is ready.

"By hand" is the same cell as a script of its own on the same engine: start Python, import, start
Sail, ask. "Three requests" is what no client can save: submit, one look at the run, its output.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure, write_table
from benchmarks.processes import run_process
from brickloop import launcher
from brickloop.jobs.cells import export_cells

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

ANSWER = "the answer is 42"
_CELL = "print('the answer is', spark.sql('SELECT 6 * 7').collect()[0][0])\n"
_NOTEBOOK = f"# Databricks notebook source\n{_CELL}"
_BY_HAND = f"""
from pysail.spark import SparkConnectServer
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession

server = SparkConnectServer(ip="127.0.0.1", port=0)
server.start(background=True)
_, port = server.listening_address
address = DefaultChannelBuilder(f"sc://127.0.0.1:{{port}}")
spark = SparkSession.builder.channelBuilder(address).create()
{_CELL}
"""
_WEB_FLOOR = "import starlette.requests, uvicorn, uvicorn.protocols.http.h11_impl"
_LOOK_SECONDS = 0.01
_LIMIT_SECONDS = 120.0


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks run", description=__doc__)
    parser.add_argument("--cold", type=int, default=4, help="servers that are started anew")
    parser.add_argument("--warm", type=int, default=15, help="runs on the last of them")
    options = parser.parse_args(argv)
    if options.cold < 1 or options.warm < 1:
        parser.error("numbers must be 1 or more")
    ready: list[float] = []
    cold: list[float] = []
    warm: list[float] = []
    requests: list[float] = []
    hand: list[float] = []
    web: list[float] = []
    for number in range(options.cold):
        with tempfile.TemporaryDirectory(prefix="brickloop-run-") as folder:
            root = Path(folder) / "local"
            hand.append(run_by_hand(Path(folder)))
            web.append(run_process([sys.executable, "-c", _WEB_FLOOR], Path(folder)).seconds)
            begun = time.perf_counter()
            server = launcher.ensure_started(root)
            ready.append(time.perf_counter() - begun)
            try:
                client = connect(server)
                cold.append(time_run(client))
                if number == options.cold - 1:
                    for _ in range(options.warm):
                        warm.append(time_run(client))
                        requests.append(time_requests(client))
            finally:
                launcher.stop(root)
    print(
        write_table(
            "one cell from submit to output on the local workspace",
            [
                Figure("server ready", ready, "start, import the web parts", web, budget="1.5 s"),
                Figure("first run of a new server", cold, "by hand", hand, budget="2 s"),
                Figure("later run", warm, "by hand", hand, budget="0.3 s"),
                Figure("later run", warm, "three requests", requests, budget="0.3 s"),
            ],
        )
    )
    return 0


def connect(server: launcher.LocalServer) -> WorkspaceClient:
    """The stock SDK's client of a server."""
    from databricks.sdk import WorkspaceClient

    return WorkspaceClient(host=server.host, token=server.token)


def run_by_hand(folder: Path) -> float:
    """Seconds for the cell as a script of its own; raises RuntimeError when it fails."""
    script = folder / "by_hand.py"
    script.write_text(_BY_HAND)
    done = run_process([sys.executable, str(script)], folder)
    if ANSWER not in done.text:
        raise RuntimeError(f"the script said: {done.text}")
    return done.seconds


def time_run(client: WorkspaceClient) -> float:
    """Seconds from submit until the output of the cell is in hand."""
    from databricks.sdk.service import jobs
    from databricks.sdk.service.workspace import ImportFormat, Language

    path = f"/Workspace/Users/{client.current_user.me().user_name}/one-{uuid.uuid4().hex[:8]}"
    client.workspace.upload(
        path, io.BytesIO(_NOTEBOOK.encode()), format=ImportFormat.SOURCE, language=Language.PYTHON
    )
    begun = time.perf_counter()
    task = jobs.SubmitTask(task_key="main", notebook_task=jobs.NotebookTask(notebook_path=path))
    run_id = client.jobs.submit(run_name="benchmark", tasks=[task]).run_id
    while True:
        run = client.jobs.get_run(run_id)
        if run.state and run.state.result_state:
            break
        if time.perf_counter() - begun > _LIMIT_SECONDS:
            raise RuntimeError(f"run {run_id} does not end: {run.state}")
        time.sleep(_LOOK_SECONDS)
    cells = export_cells(client, (run.tasks or [])[0].run_id or 0)
    seconds = time.perf_counter() - begun
    texts = [getattr(output, "text", "") for cell in cells for output in cell.outputs]
    if not any(ANSWER in text for text in texts):
        raise RuntimeError(f"the run's output is: {texts}")
    return seconds


def time_requests(client: WorkspaceClient) -> float:
    """Seconds for three of the smallest requests."""
    begun = time.perf_counter()
    for _ in range(3):
        client.workspace.get_status("/Workspace/Users")
    return time.perf_counter() - begun
