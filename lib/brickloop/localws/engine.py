"""The SQL engine: a Sail server (Spark Connect) in a process of its own, which can be killed.

Sail keeps its catalog in memory and per session; what outlives a session is ours to keep (see
``session``). The engine dies with the process that started it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from brickloop.errors import ConnectionFailed
from brickloop.localws.layout import StoreLayout

CATALOG = "main"
_READY_SECONDS = 30.0
_SETTINGS = {
    # the boot schema has no folder; every schema that people see is created with one
    "SAIL_CATALOG__LIST": f'[{{name="{CATALOG}", type="memory", initial_database=["_boot"]}}]',
    "SAIL_CATALOG__DEFAULT_CATALOG": CATALOG,
    "SAIL_SPARK__SESSION_TIMEOUT_SECS": "31536000",
    "TOKIO_WORKER_THREADS": "8",
    "RUST_LOG": "error",
}


class Engine:
    """One Sail server for one local workspace."""

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoint = ""

    def start(self) -> str:
        """The Spark Connect address of the running engine, starting it when it is not there.

        Raises ConnectionFailed when it does not answer within 30 seconds.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._spawn()
            return self._endpoint

    def stop(self) -> None:
        """End the engine; what it wrote stays on disk."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = None

    def is_alive(self) -> bool:
        """Whether the engine's process runs."""
        return self._process is not None and self._process.poll() is None

    def _spawn(self) -> None:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = int(chosen.getsockname()[1])
        log_path = self._layout.root / "engine.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "brickloop.localws.engine", str(port), str(os.getpid())],
                env={**os.environ, **_SETTINGS},
                cwd=self._layout.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                self._endpoint = f"sc://127.0.0.1:{port}"
                return
            time.sleep(0.02)
        raise ConnectionFailed("the SQL engine did not start", where=str(log_path))


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
