"""Starts, finds and stops the local workspace's server, which outlives the command that needs it.

Only the standard library is imported, and of that what a command needs that has nothing to do;
the rest where it is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from brickloop.errors import ConnectionFailed, UsageError
from brickloop.localws.record import (
    ENGINE_VARIABLE,
    ServerRecord,
    read_record,
    workspace_id,
)
from brickloop.model.locking import FileLock, is_held

if TYPE_CHECKING:
    import subprocess

__all__ = [
    "LocalServer",
    "check_installed",
    "ensure_started",
    "find_running",
    "is_held",
    "read_record",
    "reset",
    "server_environment",
    "stop",
    "workspace_id",
]

_READY_SECONDS = 30.0
_STOP_SECONDS = 15.0
_PROBE_SECONDS = 2.0
_POLL_SECONDS = 0.01
_IDLE_SECONDS = 12 * 3600.0
_LOG_LINES = 12
_LOG_BYTES = 1024 * 1024
_LOOPBACK = ("127.0.0.1", "localhost")
# the modules of the extra "local", each by what it is known as
_NEEDED = {
    "pysail": "pysail",
    "pyspark": "pyspark-client",
    "pandas": "pandas",
    "deltalake": "deltalake",
    "matplotlib": "matplotlib",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "cryptography": "cryptography",
    "certifi": "certifi",
}
# servers that this process started: they must be waited for, or they linger as zombies
_started: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class LocalServer:
    """A local workspace that answers."""

    host: str
    """``http://127.0.0.1:port``, what ``DATABRICKS_HOST`` is set to."""
    token: str
    http_path: str
    pid: int
    root: Path
    workspace_id: str
    tls_host: str = ""
    """``https://127.0.0.1:port`` where the server speaks TLS too, else empty."""

    @property
    def authority_file(self) -> Path:
        """The certificate of the authority behind ``tls_host``: what a client adds to its own."""
        return self.root / "tls" / "ca.pem"

    @property
    def trust_file(self) -> Path:
        """The public authorities and ours, for clients that take one file for all."""
        return self.root / "tls" / "bundle.pem"

    def __repr__(self) -> str:
        """The server without its token, fit for logs."""
        return f"LocalServer(host={self.host!r}, pid={self.pid}, root={str(self.root)!r})"


def ensure_started(
    root: Path,
    *,
    port: int | None = None,
    idle_seconds: float = _IDLE_SECONDS,
    latency_ms: int = 0,
    warm: bool = True,
    tls: bool | None = None,
    tls_port: int | None = None,
    engine: str | None = None,
) -> LocalServer:
    """The running server of the workspace in ``root``, started where there is none.

    ``port`` None takes the port of the last time, so that exported settings stay good; a taken
    port gives way to a free one. The server ends by itself after ``idle_seconds`` without a
    request (0: never). ``warm`` starts the engine at once, so that the first run finds it ready.
    ``tls`` True serves https beside http from now on, on ``tls_port`` or any that is free, False
    no longer; None leaves it as it was. ``engine`` is the Spark Connect server to run on, empty for
    one of its own; None takes what a running server has. A server that runs the other way is
    started anew.
    Raises ConnectionFailed with the end of its log when it does not start, UsageError when it would
    have to be started anew while runs are going on, or is not installed, SettingsError for an
    engine that is no address.
    """
    root = root.resolve()
    if engine:
        from brickloop.localws.engine import read_address

        read_address(engine)
    _spare_proxy()
    wanted = _wanted_tls(root, tls, tls_port)
    found = _find_ours(root)
    tls_fits = found is None or tls is None or _fits(found, wanted, tls_port)
    if found is not None and not (tls_fits and _runs_on(found, engine)):
        _end_idle(found)
        found = None
    if found is not None:
        return found
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(root / "launch.lock", wait_seconds=2 * _READY_SECONDS):
            # whoever held the lock may have started it
            found = _find_ours(root) or _wait_until_ready(root)
            if found is not None:
                return found
            last = read_record(root)
            _end_server(root)
            if port is None:
                port = last.port if last else _last_port(root / "port") or 0
            options = [f"--idle-seconds={idle_seconds}", f"--latency-ms={latency_ms}"]
            if wanted is not None:
                options.append(f"--tls-port={wanted}")
            if not warm:
                options.append("--cold")
            return _spawn(root, port, options, tls=wanted, engine=engine or "")
    except TimeoutError:
        raise ConnectionFailed(
            "another command has been starting the local workspace for too long",
            where=str(root),
            hint="look for a hanging command, or run 'invoke local.stop'",
        ) from None


def check_installed() -> None:
    """Raise UsageError where the local workspace cannot run: its packages, or the system."""
    if sys.platform == "win32":
        raise UsageError(
            "the local workspace needs Linux, macOS or WSL",
            hint="work in WSL, or name a workspace with --profile",
        )
    from importlib.util import find_spec

    missing = [name for module, name in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise UsageError(
            f"the local workspace is not installed: there is no {', '.join(missing)}",
            hint="pip install 'brickloop[local]', or name a workspace with --profile",
        )


def find_running(root: Path) -> LocalServer | None:
    """The server of the workspace in ``root`` if it runs and answers, else None."""
    root = root.resolve()
    record = read_record(root)
    if record is None:
        return None
    health = _probe(record)
    if health is None or health.get("pid") != record.pid:
        return None
    if health.get("workspace_id") != record.workspace_id:
        return None
    _spare_proxy()
    return LocalServer(
        record.url,
        record.token,
        record.http_path,
        record.pid,
        root,
        record.workspace_id,
        record.tls_url,
    )


def stop(root: Path) -> bool:
    """End the server of ``root`` and wait until it is gone; whether there was one."""
    root = root.resolve()
    if not root.is_dir():
        return False
    with FileLock(root / "launch.lock", wait_seconds=2 * _READY_SECONDS):
        return _end_server(root)


def reset(root: Path) -> None:
    """End the server and delete all data of the workspace; the next one has a new id.

    Raises UsageError for a folder that is no local workspace.
    """
    root = root.resolve()
    if not root.is_dir() or not any(root.iterdir()):
        return
    if not (root / "workspace_id").is_file():
        raise UsageError(
            "is no local workspace; nothing was deleted",
            where=str(root),
            hint="name the folder that holds 'workspace_id'",
        )
    import shutil

    stop(root)
    with FileLock(root / "launch.lock", wait_seconds=2 * _READY_SECONDS):
        for child in root.iterdir():
            if child.name == "launch.lock":
                continue
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink(missing_ok=True)


def _spare_proxy() -> None:
    """Have no client of this process, nor of the server's, ask this machine through a proxy."""
    proxies = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in proxies):
        return
    # a lower-case variable wins over the other, for Python's clients
    present = [name for name in ("no_proxy", "NO_PROXY") if os.environ.get(name)]
    for name in present or ["no_proxy", "NO_PROXY"]:
        known = [one.strip() for one in os.environ.get(name, "").split(",") if one.strip()]
        missing = [one for one in _LOOPBACK if one not in known]
        if missing and "*" not in known:
            os.environ[name] = ",".join([*known, *missing])


def _find_ours(root: Path) -> LocalServer | None:
    """A running server of the version that is installed now."""
    found = find_running(root)
    if found is None:
        return None
    from importlib.metadata import version

    record = read_record(root)
    return found if record is not None and record.version == version("brickloop") else None


def _wait_until_ready(root: Path) -> LocalServer | None:
    """The server that is just starting, also when it was started by hand; None when none is."""
    deadline = time.monotonic() + _PROBE_SECONDS
    while is_held(root / "server.lock") and time.monotonic() < deadline:
        found = find_running(root)
        if found is not None:
            return _find_ours(root)
        time.sleep(_POLL_SECONDS)
    return None


def _spawn(
    root: Path, port: int, options: list[str], *, tls: int | None, engine: str
) -> LocalServer:
    import subprocess

    check_installed()
    log_path = root / "server.log"
    command = [
        sys.executable,
        "-m",
        "brickloop.localws",
        f"--root={root}",
        f"--port={port}",
        *options,
    ]
    detached = 0
    if sys.platform == "win32":
        detached = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
    with contextlib.suppress(FileNotFoundError):
        if log_path.stat().st_size > _LOG_BYTES:
            log_path.replace(root / "server.log.1")
    handle = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            command,
            cwd=root,
            env=server_environment(engine),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            creationflags=detached,
        )
    _started[process.pid] = process
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        record = read_record(root)
        if record is not None and record.pid == process.pid:
            found = find_running(root)
            if found is not None:
                _remember_port(root / "port", record.port)
                if tls is not None:
                    _remember_port(root / "tls" / "port", record.tls_port)
                return found
        time.sleep(_POLL_SECONDS)
    why = "did not answer in time" if process.poll() is None else "ended while it started"
    if process.poll() is None:
        process.kill()
    process.wait()
    _started.pop(process.pid, None)
    raise ConnectionFailed(
        f"the local workspace {why}\n{_last_lines(log_path, begin)}".rstrip(),
        where=str(root),
        hint=f"see {log_path}",
    )


def _end_server(root: Path) -> bool:
    """Ask the server to end, then make it; only a process that holds the root's lock is ours."""
    import signal

    lock = root / "server.lock"
    kill = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
    deadline = time.monotonic() + _STOP_SECONDS
    while (record := read_record(root)) is None and is_held(lock):
        if time.monotonic() >= deadline:
            raise ConnectionFailed(
                "a server works with this folder and does not say which process it is",
                where=str(root),
                hint="end the process 'brickloop.localws' that was started with this folder",
            )
        time.sleep(_POLL_SECONDS)
    if record is None or not is_held(lock):
        (root / "server.json").unlink(missing_ok=True)
        return False
    for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (kill, _STOP_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            _reap(record.pid)
            if not is_held(lock):
                (root / "server.json").unlink(missing_ok=True)
                _wait_for(record.pid)
                return True
            time.sleep(_POLL_SECONDS)
    raise ConnectionFailed("the local workspace does not stop", where=f"process {record.pid}")


def _reap(pid: int) -> None:
    process = _started.get(pid)
    if process is not None and process.poll() is not None:
        del _started[pid]


def _wait_for(pid: int) -> None:
    """Wait until a process that has given up its folder is gone."""
    import subprocess

    process = _started.pop(pid, None)
    if process is None:
        return
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _probe(record: ServerRecord) -> dict[str, object] | None:
    """What the server says of its health; a socket by hand, for http.client costs 30 ms."""
    import socket

    request = f"GET /health HTTP/1.1\r\nHost: {record.host}:{record.port}\r\nConnection: close\r\n"
    chunks: list[bytes] = []
    try:
        address = (record.host, record.port)
        with socket.create_connection(address, timeout=_PROBE_SECONDS) as connection:
            connection.sendall(request.encode() + b"\r\n")
            while chunk := connection.recv(65536):
                chunks.append(chunk)
        head, _, body = b"".join(chunks).partition(b"\r\n\r\n")
        answer = json.loads(body) if b" 200 " in head.split(b"\r\n", 1)[0] else None
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def server_environment(engine: str = "") -> dict[str, str]:
    """The caller's environment without what opens a real workspace: notebooks run in it.

    ``engine`` is the Spark Connect server to run on, empty for one of its own.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATABRICKS_")}
    return {**kept, ENGINE_VARIABLE: engine}


def _wanted_tls(root: Path, tls: bool | None, port: int | None) -> int | None:
    """The port to serve https on, 0 for any; None where https is not wanted."""
    kept = _last_port(root / "tls" / "port")
    if tls is False:
        (root / "tls" / "port").unlink(missing_ok=True)
        return None
    if tls is None and port is None:
        return kept
    return port if port is not None else kept or 0


def _fits(server: LocalServer, wanted: int | None, asked: int | None) -> bool:
    """Whether a running server speaks TLS just as it is wanted."""
    if wanted is None or not server.tls_host:
        return (wanted is None) == (not server.tls_host)
    record = read_record(server.root)
    return not asked or (record is not None and record.tls_port == asked)


def _runs_on(server: LocalServer, engine: str | None) -> bool:
    """Whether a running server uses this engine."""
    record = read_record(server.root)
    return engine is None or (record is not None and record.engine == engine)


def _end_idle(server: LocalServer) -> None:
    """End a server that has to be started anew; raises UsageError while it works."""
    record = read_record(server.root)
    health = _probe(record) if record is not None else None
    if health is not None and health.get("active_runs"):
        raise UsageError(
            "the local workspace has to be started anew, and runs or statements are going on",
            where=server.host,
            hint="wait for them or cancel them, or run 'invoke local.stop' first",
        )
    stop(server.root)


def _last_port(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text(encoding="utf-8"))
    return None


def _remember_port(path: Path, port: int) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    path.write_text(str(port), encoding="utf-8")


def _last_lines(path: Path, begin: int) -> str:
    with path.open("rb") as log:
        log.seek(begin)
        text = log.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-_LOG_LINES:])
