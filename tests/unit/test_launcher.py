from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from brickloop import launcher
from brickloop.errors import ConnectionFailed, UsageError
from brickloop.localws.record import read_record
from brickloop.model.locking import FileLock, is_held


def test_importing_the_launcher_loads_nothing_heavy() -> None:
    code = "import sys, brickloop.launcher; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"http.client", "asyncio", "sqlite3", "socket", "subprocess", "hashlib", "uvicorn"}
    assert not loaded & {*heavy, "databricks.sdk", "pandas", "pyarrow", "pyspark", "rich"}


def test_the_workspace_id_is_made_once_without_a_server(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "local"
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(launcher.workspace_id, [root] * 8))
    assert len(ids) == 1
    assert ids.pop().isdecimal()
    assert launcher.find_running(root) is None


def test_there_is_no_server_where_there_is_no_folder(tmp_path: Path) -> None:
    root = tmp_path / "none"
    assert launcher.find_running(root) is None
    assert launcher.stop(root) is False
    launcher.reset(root)
    assert not root.exists()


def test_a_running_server_is_found_and_not_started_twice(server_root: Path) -> None:
    first = launcher.ensure_started(server_root, warm=False)
    assert launcher.ensure_started(server_root, warm=False) == first
    assert launcher.find_running(server_root) == first
    assert first.workspace_id == launcher.workspace_id(server_root)
    assert first.http_path.startswith("/sql/1.0/warehouses/")
    assert launcher.stop(server_root) is True
    assert launcher.find_running(server_root) is None
    assert launcher.stop(server_root) is False


def test_commands_that_start_at_once_share_one_server(server_root: Path) -> None:
    code = textwrap.dedent(
        f"""
        from pathlib import Path
        from brickloop import launcher
        server = launcher.ensure_started(Path({str(server_root)!r}), warm=False)
        print(server.pid, server.host)
        """
    )
    commands = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = {command.communicate(timeout=60)[0] for command in commands}
    assert len(answers) == 1
    pid = int(answers.pop().split()[0])
    found = launcher.find_running(server_root)
    assert found is not None and found.pid == pid


def test_a_stale_record_is_no_server(server_root: Path) -> None:
    first = launcher.ensure_started(server_root, warm=False)
    os.kill(first.pid, signal.SIGKILL)
    for _ in range(500):
        if not is_held(server_root / "server.lock"):
            break
        threading.Event().wait(0.01)
    assert read_record(server_root) is not None
    assert launcher.find_running(server_root) is None
    again = launcher.ensure_started(server_root, warm=False)
    assert again.pid != first.pid
    assert (again.host, again.token) == (first.host, first.token)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"port": 1}', '{"pid": "x"}', "null", '"text"'])
def test_a_record_that_cannot_be_read_is_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    assert launcher.find_running(tmp_path) is None
    assert launcher.stop(tmp_path) is False


def test_another_server_behind_the_record_s_port_is_not_ours(
    tmp_path: Path, local_server: launcher.LocalServer
) -> None:
    record = json.loads((local_server.root / "server.json").read_text())
    record["workspace_id"] = "1"
    (tmp_path / "server.json").write_text(json.dumps(record))
    assert launcher.find_running(tmp_path) is None
    assert launcher.stop(tmp_path) is False
    assert launcher.find_running(local_server.root) == local_server


def test_a_port_that_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "_PROBE_SECONDS", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        record = {
            "host": "127.0.0.1",
            "port": silent.getsockname()[1],
            "token": "t",
            "http_path": "/",
            "pid": os.getpid(),
            "started": 0.0,
            "workspace_id": "1",
            "version": "0",
        }
        (tmp_path / "server.json").write_text(json.dumps(record))
        assert launcher.find_running(tmp_path) is None


def test_a_taken_port_gives_way_to_a_free_one(server_root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = launcher.ensure_started(server_root, port=port, warm=False)
        assert server.host != f"http://127.0.0.1:{port}"
        assert f"port {port} is taken" in (server_root / "server.log").read_text()


def test_a_free_port_that_is_asked_for_is_taken(server_root: Path) -> None:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    server = launcher.ensure_started(server_root, port=port, warm=False)
    assert server.host == f"http://127.0.0.1:{port}"


def test_a_server_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    root = tmp_path / "local"
    root.mkdir()
    (root / "store").write_text("a file where the folder belongs")
    with pytest.raises(ConnectionFailed, match="ended while it started") as caught:
        launcher.ensure_started(root, warm=False)
    assert "FileExistsError" in caught.value.message or "NotADirectory" in caught.value.message
    assert caught.value.exit_code == 3
    assert str(root / "server.log") in str(caught.value.hint)


def test_a_server_of_another_version_is_replaced(server_root: Path) -> None:
    first = launcher.ensure_started(server_root, warm=False)
    path = server_root / "server.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": "0.0.0"}))
    again = launcher.ensure_started(server_root, warm=False)
    assert again.pid != first.pid
    assert launcher.ensure_started(server_root, warm=False) == again


def test_real_credentials_do_not_reach_the_server(
    server_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-a-real-workspace")
    server = launcher.ensure_started(server_root, warm=False)
    environment = Path(f"/proc/{server.pid}/environ")
    if not environment.exists():
        pytest.skip("reads the process's environment from /proc")
    assert b"DATABRICKS_TOKEN" not in environment.read_bytes()


def test_only_a_local_workspace_is_reset(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="no local workspace"):
        launcher.reset(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_reset_leaves_what_a_link_leads_to(tmp_path: Path) -> None:
    root, outside = tmp_path / "local", tmp_path / "outside"
    before = launcher.workspace_id(root)
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    (root / "link").symlink_to(outside)
    launcher.reset(root)
    assert (outside / "kept.txt").read_text() == "kept"
    assert launcher.workspace_id(root) != before


def test_a_lock_is_held_by_one_and_freed_by_its_end(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path, wait_seconds=0):
        assert is_held(path)
        with pytest.raises(TimeoutError), FileLock(path, wait_seconds=0.05):
            pass
    assert not is_held(path)
