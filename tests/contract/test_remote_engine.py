"""The local workspace on a Spark Connect server that somebody else runs."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks import sql
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import NotebookTask, SubmitTask
from databricks.sdk.service.workspace import ImportFormat, Language

from brickloop.config.settings import load_settings
from brickloop.errors import ConnectionFailed, SettingsError
from brickloop.flows.target import open_target
from brickloop.launcher import LocalServer, ensure_started, find_running, stop
from brickloop.localws.engine import RemoteEngine, read_address

SERVE = (
    "import sys; from pysail.spark import SparkConnectServer;"
    "SparkConnectServer(ip='127.0.0.1', port=int(sys.argv[1])).start(background=False)"
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Sail server as anybody starts one: its address, and its process."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = int(chosen.getsockname()[1])
    with (tmp_path / "sail.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", SERVE, str(port)], stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
    yield f"sc://127.0.0.1:{port}", process
    process.kill()
    process.wait()


def rows(server: LocalServer, text: str) -> list[list[Any]]:
    """The rows of a statement in a session of its own."""
    with (
        sql.connect(
            server_hostname=server.host,
            http_path=server.http_path,
            access_token=server.token,
            _connection_uri=server.host + server.http_path,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(text)
        return [list(row) for row in cursor.fetchall()]


def children(pid: int) -> list[str]:
    """The command lines of a process's children."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if parent == pid:
            found.append(line)
    return found


def test_sql_and_notebooks_run_on_the_engine_that_the_settings_name(
    tmp_path: Path, engine: tuple[str, subprocess.Popen[bytes]]
) -> None:
    address, process = engine
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(f'[tool.brickloop.local]\nengine = "{address}"\n')
    opened = open_target(load_settings(project))
    root = project / ".brickloop" / "local"
    try:
        server = find_running(root)
        assert server is not None
        rows(server, "CREATE TABLE made AS SELECT 1 AS x")
        rows(server, "CREATE SCHEMA zoo")
        rows(server, "CREATE TABLE zoo.animals AS SELECT 'cat' AS name")
        path = "/Workspace/Users/local@brickloop.test/on_it"
        text = (
            "# Databricks notebook source\n"
            "spark.range(3).write.saveAsTable('written')\n"
            "n = spark.sql('SELECT x + 1 FROM main.default.made').first()[0]\n"
            "dbutils.notebook.exit(f\"{n} {spark.table('zoo.animals').first().name}\")\n"
        )
        opened.client.workspace.upload(
            path, text.encode(), format=ImportFormat.SOURCE, language=Language.PYTHON
        )
        task = SubmitTask(task_key="main", notebook_task=NotebookTask(path))
        run = opened.client.jobs.submit(tasks=[task]).result()
        assert run.tasks and run.tasks[0].run_id
        output = opened.client.jobs.get_run_output(run.tasks[0].run_id).notebook_output
        assert output is not None and output.result == "2 cat"
        if Path("/proc").is_dir():
            started = children(server.pid)
            assert started and not any("brickloop.localws.engine" in line for line in started)
        rows(server, "CREATE CATALOG nowhere")
        with pytest.raises(sql.exc.ServerOperationError, match="one catalog only"):
            rows(server, "CREATE TABLE nowhere.default.t AS SELECT 1")
        # it is gone: what wants it says so, and where it was looked for
        process.kill()
        process.wait()
        with pytest.raises(Exception, match=r"local\.engine.*Spark Connect server does not"):
            rows(server, "SELECT 1")
        # the tables are ours: an engine of our own finds them
        (project / "pyproject.toml").write_text("[tool.brickloop]\n")
        client: WorkspaceClient = open_target(load_settings(project)).client
        own = find_running(root)
        assert own is not None and own.pid != server.pid and own.host == client.config.host
        assert rows(own, "SELECT count(*) FROM written") == [[3]]
        assert rows(own, "SELECT name FROM zoo.animals") == [["cat"]]
    finally:
        stop(root)


@pytest.mark.parametrize("address", ["localhost:15002", "sc://", "sc://host:port", "http://x:1"])
def test_what_is_no_address_is_refused_before_anything_starts(tmp_path: Path, address: str) -> None:
    with pytest.raises(SettingsError, match=r"local\.engine is no address"):
        ensure_started(tmp_path / "local", engine=address)
    assert not (tmp_path / "local").exists()


def test_addresses_are_read() -> None:
    assert read_address("sc://cluster.example") == ("cluster.example", 15002)
    assert read_address("sc://[::1]:7/;use_ssl=true;token=t") == ("::1", 7)


def test_an_engine_that_does_not_answer_is_named_without_its_token() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionFailed) as caught:
        RemoteEngine(f"sc://127.0.0.1:{port}/;token=hush").start()
    assert f"sc://127.0.0.1:{port}" in str(caught.value) and "hush" not in str(caught.value)
