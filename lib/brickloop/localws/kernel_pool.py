"""Kernels for the server: a forkserver that is kept warm, a process of its own for each run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brickloop.errors import ConnectionFailed
from brickloop.localws.kernel_job import KernelJob, KernelOutcome
from brickloop.localws.layout import StoreLayout

_READY_SECONDS = 60.0
_GRACE_SECONDS = 2.0


class KernelPool:
    """Runs jobs in child processes; several at once, each killable."""

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        # a socket's path may not be longer than about 100 bytes, a project's path may
        self._folder = tempfile.TemporaryDirectory(prefix="brickloop-")
        self._address = str(Path(self._folder.name) / "kernels")
        self._pids: dict[int, int] = {}
        self._canceled: set[int] = set()

    def start(self) -> None:
        """Start the forkserver where it does not run, and wait until it is warm."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            Path(self._address).unlink(missing_ok=True)
            with (self._layout.root / "kernels.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "brickloop.localws.forkserver",
                        self._address,
                        str(os.getpid()),
                    ],
                    env={**os.environ, "MPLBACKEND": "Agg"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            self._wait_until_warm()

    def stop(self) -> None:
        """End the forkserver and every run that is going on."""
        for run_id in list(self._pids):
            self.cancel(run_id)
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._folder.cleanup()

    def run(self, job: KernelJob, on_event: Callable[[dict[str, Any]], None]) -> KernelOutcome:
        """Execute a job in a new process and give each of its events to ``on_event``.

        Returns when the process has ended, however it ended.
        """
        begun = time.monotonic()
        if job.run_id in self._canceled:
            return KernelOutcome("canceled")
        self.start()
        end: dict[str, Any] | None = None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(self._address)
            connection.sendall(json.dumps(job.to_json()).encode() + b"\n")
            with connection.makefile("rb") as lines:
                # a process that dies closes its end, which ends this loop
                for line in lines:
                    event = json.loads(line)
                    if event["kind"] == "started":
                        self._pids[job.run_id] = event["pid"]
                        if job.run_id in self._canceled:
                            self._kill(event["pid"])
                    elif event["kind"] == "ended":
                        end = event["outcome"]
                    else:
                        on_event(event)
        self._pids.pop(job.run_id, None)
        seconds = time.monotonic() - begun
        if end is not None:
            return KernelOutcome(**{**end, "seconds": seconds})
        if job.run_id in self._canceled:
            return KernelOutcome("canceled", seconds=seconds)
        return KernelOutcome(
            "died",
            error="The Python process ended unexpectedly (killed, out of memory, or os._exit)",
            seconds=seconds,
        )

    def cancel(self, run_id: int) -> None:
        """End a run's process, and what it started; a run that is not there yet will not start."""
        self._canceled.add(run_id)
        pid = self._pids.get(run_id)
        if pid is not None:
            self._kill(pid)

    def _kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < deadline and pid in self._pids.values():
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)

    def _wait_until_warm(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if Path(self._address).exists():
                return
            time.sleep(0.02)
        raise ConnectionFailed(
            "the notebook kernel did not start", where=str(self._layout.root / "kernels.log")
        )
