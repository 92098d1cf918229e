"""The SQL engine: a Sail server (Spark Connect) in a process of its own, which can be killed.

Sail keeps its catalog in memory and per session; what outlives a session is ours to keep (see
``session``). The engine dies with the process that started it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from brickloop.errors import ConnectionFailed, SettingsError
from brickloop.localws.layout import StoreLayout

_DEFAULT_CATALOG = "main"
_READY_SECONDS = 30.0
_CATALOG_NAME = re.compile(r"[a-z0-9_-]{1,255}")
SPARE = "_spare"
"""How the engine's catalogs begin that stand in for those made while it runs."""
_SPARES = 8
_ADDRESS = re.compile(r"sc://([\w.-]+|\[[0-9a-fA-F:]+\])(?::(\d{1,5}))?(?:/.*)?")
_DEFAULT_PORT = 15002
_REMOTE_SECONDS = 10.0
_PROCESSOR_TIME = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_LARGEST_POOL = 64 * 2**30
_SETTINGS = {
    "SAIL_CATALOG__DEFAULT_CATALOG": _DEFAULT_CATALOG,
    "SAIL_SPARK__SESSION_TIMEOUT_SECS": "31536000",
    "SAIL_RUNTIME__MEMORY_POOL__TYPE": "greedy",
    # with fewer, one heavy statement keeps the engine from answering anything else
    "TOKIO_WORKER_THREADS": "32",
    "RUST_LOG": "error",
}


class RemoteEngine:
    """A Spark Connect server that somebody else runs; it must see our files under our paths."""

    def __init__(self, address: str) -> None:
        """``address`` is a Spark Connect string, ``sc://host:port`` and parameters."""
        self._address = address
        self._place = read_address(address)

    def start(self) -> str:
        """The address; raises ConnectionFailed where nothing listens."""
        try:
            with socket.create_connection(self._place, _REMOTE_SECONDS):
                return self._address
        except OSError as error:
            host, port = self._place
            raise ConnectionFailed(
                f"the Spark Connect server does not answer: {error.strerror or error}",
                where=f"sc://{host}:{port} (local.engine)",
                hint="start it, or take 'engine' out of [tool.brickloop.local]",
            ) from None

    def stop(self) -> None:
        """Leave it running: it is not ours."""

    def outdate(self, endpoint: str) -> None:
        """Keep it: there is no other."""

    def end(self, endpoint: str) -> None:
        """Leave it running: it is not ours."""

    def is_alive_at(self, endpoint: str) -> bool:
        """Whether it is this one, as far as is known."""
        return endpoint == self._address

    def processor_seconds(self, endpoint: str) -> float | None:
        """None: it is not looked at, and never replaced."""
        return None


def read_address(address: str) -> tuple[str, int]:
    """Host and port of a Spark Connect string; raises SettingsError for what is none."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise SettingsError(
            "local.engine is no address of a Spark Connect server",
            hint='write it as engine = "sc://host:port" in [tool.brickloop.local]',
        )
    host, port = found.groups()
    return host.strip("[]"), int(port or _DEFAULT_PORT)


class Engine:
    """One Sail server for one local workspace.

    The engine learns of catalogs when it starts. When there are new ones, another process takes the
    sessions from then on; those that are open keep theirs until ``stop``. So it is with an engine
    that does not rest (``engine_watch``), but that its sessions are moved and it is ended.
    """

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._outdated: dict[str, subprocess.Popen[bytes]] = {}
        self._catalogs: frozenset[str] = frozenset()
        self._endpoint = ""

    def start(self) -> str:
        """The Spark Connect address of the running engine, starting it when it is not there.

        Raises ConnectionFailed when it does not answer within 30 seconds.
        """
        with self._lock:
            catalogs = _catalogs(self._layout)
            if not self.is_alive() or not catalogs <= self._catalogs:
                if self._process is not None:
                    self._outdated[self._endpoint] = self._process
                self._process = None
                self._spawn(catalogs)
            return self._endpoint

    def stop(self) -> None:
        """End the engine; what it wrote stays on disk."""
        with self._lock:
            for process in (self._process, *self._outdated.values()):
                if process is not None and process.poll() is None:
                    process.kill()
                if process is not None:
                    process.wait()
            self._process = None
            self._outdated.clear()

    def outdate(self, endpoint: str) -> None:
        """Give no more sessions to the engine at this address: the next ``start`` is another's."""
        with self._lock:
            if self._process is not None and endpoint == self._endpoint:
                self._outdated[endpoint] = self._process
                self._process = None

    def end(self, endpoint: str) -> None:
        """End an outdated engine, which nobody uses any more."""
        with self._lock:
            process = self._outdated.pop(endpoint, None)
        if process is not None:
            process.kill()
            process.wait()

    def processor_seconds(self, endpoint: str) -> float | None:
        """The processor time that the engine at this address has used; None where none is told."""
        with self._lock:
            process = self._at(endpoint)
        return None if process is None else processor_seconds(process.pid)

    def _at(self, endpoint: str) -> subprocess.Popen[bytes] | None:
        newest = endpoint == self._endpoint and self._process is not None
        return self._process if newest else self._outdated.get(endpoint)

    def is_alive_at(self, endpoint: str) -> bool:
        """Whether an engine of ours, the newest or an outdated one, runs at this address."""
        with self._lock:
            process = self._at(endpoint)
            return process is not None and process.poll() is None

    def is_alive(self) -> bool:
        """Whether the engine's process runs."""
        return self._process is not None and self._process.poll() is None

    def _spawn(self, catalogs: frozenset[str]) -> None:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = int(chosen.getsockname()[1])
        log_path = self._layout.root / "engine.log"
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "brickloop.localws.engine", str(port), str(os.getpid())],
                env={**os.environ, **_settings(catalogs)},
                cwd=self._layout.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                self._process = process
                self._catalogs = catalogs
                self._endpoint = f"sc://127.0.0.1:{port}"
                return
            time.sleep(0.01)
        process.kill()
        process.wait()
        raise ConnectionFailed("the SQL engine did not start", where=str(log_path))


def _catalogs(layout: StoreLayout) -> frozenset[str]:
    """The catalogs that have a folder, and the default one."""
    found = {_DEFAULT_CATALOG}
    with contextlib.suppress(OSError), os.scandir(layout.warehouse) as entries:
        found |= {
            entry.name
            for entry in entries
            if _CATALOG_NAME.fullmatch(entry.name) and entry.is_dir()
        }
    return frozenset(found)


def _settings(catalogs: frozenset[str]) -> dict[str, str]:
    # the boot schema has no folder; every schema that people see is created with one
    names = [*sorted(catalogs), *(f"{SPARE}{number}" for number in range(_SPARES))]
    listed = ",".join(
        f'{{name="{name}",type="memory",initial_database=["_boot"]}}' for name in names
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    largest = min(max(memory // 2, 2**30), _LARGEST_POOL)
    return {
        **_SETTINGS,
        "SAIL_CATALOG__LIST": f"[{listed}]",
        "SAIL_RUNTIME__MEMORY_POOL__GREEDY__MAX_SIZE": str(largest),
    }


def processor_seconds(pid: int) -> float | None:
    """The processor time that a process has used so far, None where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    if sys.platform == "darwin":
        asked = ["/bin/ps", "-o", "time=", "-p", str(pid)]
        shown = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        return read_processor_time(shown)
    return None


def read_processor_time(shown: str) -> float | None:
    """Seconds of a time as ``ps`` writes it, ``[[days-]hours:]minutes:seconds``."""
    found = _PROCESSOR_TIME.fullmatch(shown.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def die_with(parent: int) -> None:
    """Make this process end when its parent does, however the parent ends."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _serve(port: int, parent: int) -> None:
    die_with(parent)
    from pysail.spark import SparkConnectServer

    SparkConnectServer(ip="127.0.0.1", port=port).start(background=False)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
