"""The server's process: what it keeps, what it leaves, how it ends."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import ResourceDoesNotExist
from databricks.sdk.service.jobs import NotebookTask, RunLifeCycleState, RunResultState, SubmitTask
from databricks.sdk.service.workspace import ImportFormat, Language

from brickloop import launcher
from brickloop.launcher import LocalServer

HOME = "/Workspace/Users/local@brickloop.test"
VOLUME = "/Volumes/main/default/brickloop"


def connect(server: LocalServer) -> WorkspaceClient:
    return WorkspaceClient(host=server.host, token=server.token)


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start_loop(client: WorkspaceClient, marker: str) -> tuple[int, int]:
    """A run that goes on for ever, with a process of its own; its ids."""
    text = (
        "# Databricks notebook source\nimport subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', '{marker}'])\n"
        "while True: time.sleep(0.05)"
    )
    path = f"{HOME}/loop"
    client.workspace.upload(
        path, text.encode(), format=ImportFormat.SOURCE, language=Language.PYTHON, overwrite=True
    )
    task = SubmitTask(task_key="main", notebook_task=NotebookTask(path))
    run_id = int(client.jobs.submit(tasks=[task]).run_id or 0)

    def has_begun() -> bool:
        state = client.jobs.get_run(run_id).state
        assert state is not None and state.result_state is None, state
        return bool(processes_with(marker))

    until(has_begun, 60)
    run = client.jobs.get_run(run_id)
    assert run.tasks
    return run_id, int(run.tasks[0].run_id or 0)


def processes_with(text: str) -> list[int]:
    """Processes whose command line holds ``text``, this one and dead ones left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in line and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def children_of(pid: int) -> set[int]:
    """All processes below ``pid``."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(text.rpartition(")")[2].split()[1])
    below: set[int] = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return below - {pid}


def is_alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the process table from /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_data_survives_and_no_process_does(server_root: Path, how: signal.Signals) -> None:
    server = launcher.ensure_started(server_root)
    client = connect(server)
    client.workspace.upload(f"{HOME}/kept.txt", b"kept", format=ImportFormat.RAW)
    client.files.upload(f"{VOLUME}/kept.txt", io.BytesIO(b"kept"))
    client.dbfs.upload("/kept.txt", io.BytesIO(b"kept"))
    before = client.workspace.get_status(f"{HOME}/kept.txt")
    run_id, task_run_id = start_loop(client, f"marker-{server.pid}")
    below = children_of(server.pid)
    assert len(below) >= 4
    os.kill(server.pid, how)
    until(lambda: not any(is_alive(pid) for pid in below))

    again = launcher.ensure_started(server_root, warm=False)
    assert (again.workspace_id, again.token) == (server.workspace_id, server.token)
    assert again.host == server.host
    client = connect(again)
    assert client.workspace.get_status(f"{HOME}/kept.txt") == before
    assert client.workspace.download(f"{HOME}/kept.txt").read() == b"kept"
    assert client.dbfs.download("/kept.txt").read() == b"kept"
    contents = client.files.download(f"{VOLUME}/kept.txt").contents
    assert contents is not None and contents.read() == b"kept"
    for one in (run_id, task_run_id):
        state = client.jobs.get_run(one).state
        assert state is not None
        assert state.life_cycle_state is RunLifeCycleState.INTERNAL_ERROR
        assert state.result_state is RunResultState.FAILED
        assert "was stopped while this run was going on" in str(state.state_message)


def test_only_the_owner_may_read_the_token(local_server: LocalServer) -> None:
    root = local_server.root
    assert stat.S_IMODE(root.stat().st_mode) & 0o077 == 0 or root.parent.stat().st_mode & 0o077 == 0
    for name in ("server.json", "token", "server.log"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o600
    assert local_server.token not in (root / "server.log").read_text()
    assert local_server.token not in repr(local_server)


def test_the_server_listens_on_loopback_only(local_server: LocalServer) -> None:
    port = int(local_server.host.rpartition(":")[2])
    address = socket.gethostbyname(socket.gethostname())
    if address.startswith("127."):
        pytest.skip("this machine has no other address")
    with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
        socket.create_connection((address, port), timeout=2).close()


def test_it_ends_by_itself_when_nobody_asks(server_root: Path) -> None:
    server = launcher.ensure_started(server_root, idle_seconds=0.5, warm=False)
    until(lambda: launcher.find_running(server_root) is None)
    until(lambda: not (server_root / "server.json").exists())
    assert "stopping" in (server_root / "server.log").read_text()
    assert server.root == server_root.resolve()


def test_a_second_server_in_the_same_folder_gives_way(local_server: LocalServer) -> None:
    command = [sys.executable, "-m", "brickloop.localws", f"--root={local_server.root}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert "another server works with this folder" in done.stderr
    assert launcher.find_running(local_server.root) == local_server


def test_each_answer_can_be_made_to_wait(server_root: Path) -> None:
    server = launcher.ensure_started(server_root, latency_ms=120, warm=False)
    begun = time.monotonic()
    requests.get(f"{server.host}/.well-known/databricks-config", timeout=10)
    assert time.monotonic() - begun >= 0.12


@pytest.mark.parametrize("damage", [b"this is no database at all", b""])
def test_a_broken_database_is_kept_aside_and_the_files_stay(
    server_root: Path, damage: bytes
) -> None:
    client = connect(launcher.ensure_started(server_root, warm=False))
    client.workspace.upload(f"{HOME}/kept.txt", b"kept", format=ImportFormat.RAW)
    source = b"-- Databricks notebook source\nselect 1"
    client.workspace.upload(f"{HOME}/nb", source, format=ImportFormat.SOURCE, language=Language.SQL)
    launcher.stop(server_root)
    for path in server_root.glob("state.db*"):
        path.unlink()
    (server_root / "state.db").write_bytes(damage)
    client = connect(launcher.ensure_started(server_root, warm=False))
    assert client.workspace.download(f"{HOME}/kept.txt").read() == b"kept"
    assert client.workspace.get_status(f"{HOME}/nb").language is Language.SQL
    asides = list(server_root.glob("state.db.unreadable-*"))
    assert [path.read_bytes() for path in asides] == ([damage] if damage else [])


def test_a_reset_forgets_everything(server_root: Path) -> None:
    server = launcher.ensure_started(server_root, warm=False)
    connect(server).workspace.upload(f"{HOME}/gone.txt", b"x", format=ImportFormat.RAW)
    launcher.reset(server_root)
    assert launcher.find_running(server_root) is None
    again = launcher.ensure_started(server_root, warm=False)
    assert again.workspace_id != server.workspace_id
    assert again.token != server.token
    with pytest.raises(ResourceDoesNotExist):
        connect(again).workspace.get_status(f"{HOME}/gone.txt")


def test_old_runs_are_forgotten_and_so_is_a_deleted_one(server_root: Path) -> None:
    server = launcher.ensure_started(server_root, warm=False)
    client = connect(server)
    task = SubmitTask(task_key="main", notebook_task=NotebookTask("/Users/nobody/nothing"))
    run_ids = [int(client.jobs.submit(tasks=[task]).run_id or 0) for _ in range(3)]
    for run_id in run_ids:
        until(lambda: client.jobs.get_run(run_id).end_time is not None, 60)  # noqa: B023
    old, deleted, kept = run_ids
    client.jobs.delete_run(deleted)
    launcher.stop(server_root)
    with contextlib.closing(sqlite3.connect(server_root / "state.db")) as database, database:
        database.execute("UPDATE runs SET ended_ms = 1 WHERE ? IN (run_id, parent_id)", (old,))
    client = connect(launcher.ensure_started(server_root, warm=False))
    assert [run.run_id for run in client.jobs.list_runs()] == [kept]
    assert len(list((server_root / "runs").iterdir())) == 1


def test_a_server_ends_at_once_while_a_session_is_just_opened(server_root: Path) -> None:
    """What asks an engine that is gone must not hold the process up."""
    for pause in (0.0, 0.1, 0.3):
        server = launcher.ensure_started(server_root)
        asked = requests.post(
            f"{server.host}/api/2.0/sql/statements",
            json={"statement": "SELECT 1", "warehouse_id": "local", "wait_timeout": "0s"},
            headers={"Authorization": f"Bearer {server.token}"},
            timeout=60,
        )
        assert asked.status_code == 200
        process = launcher._started[server.pid]
        time.sleep(pause)
        os.kill(server.pid, signal.SIGTERM)
        assert process.wait(60) == 0
        launcher._started.pop(server.pid)
