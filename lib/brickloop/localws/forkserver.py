"""A process that has imported what notebooks need and forks a kernel for each run.

It stays single-threaded and opens no channel to the engine: neither would survive a fork. A request
is eight bytes, the run's number, with four descriptors; when a kernel ends, a line goes back.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
import warnings
from typing import Any

_IDLE_IMPORTS = (
    "matplotlib.pyplot", "matplotlib.backends.backend_agg", "sqlglot.dialects.databricks"
)  # fmt: skip


class Forkserver:
    """Forks kernels on request until the server's end of the control line closes."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}
        self._idle = list(_IDLE_IMPORTS)

    def serve(self) -> None:
        """Answer requests; ends, with all kernels, when the server is gone."""
        _preload()
        _adopt_orphans()
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        while True:
            wait = 0 if self._idle else None
            sources: list[Any] = [self._control, wake_read]
            ready = select.select(sources, [], [], wait)[0]
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
            self._reap()
            if self._control in ready:
                message, descriptors, _, _ = socket.recv_fds(self._control, 8, 4)
                if len(message) < 8 or len(descriptors) < 4:
                    break
                self._fork(int.from_bytes(message, "big"), descriptors, (wake_read, wake_write))
            elif self._idle and not ready:
                _import(self._idle.pop(0))
                _freeze()
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _fork(self, number: int, descriptors: list[int], ours: tuple[int, int]) -> None:
        with warnings.catch_warnings():
            # numpy's idle worker threads are of no concern: they know of fork
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            _become_kernel(self._control, descriptors, ours)
        self._children[pid] = number
        for descriptor in descriptors:
            os.close(descriptor)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self._children.pop(pid, None)
            if number is None:
                continue
            report = {"number": number, "exit_code": os.waitstatus_to_exitcode(status)}
            with contextlib.suppress(OSError):
                self._control.sendall(json.dumps(report).encode() + b"\n")


def _preload() -> None:
    """Import what nearly every notebook needs; the kernel itself first."""
    from brickloop.localws import kernel  # noqa: F401

    for name in ("pandas", "pyarrow", "pyarrow.parquet", "brickloop.localws.session"):
        _import(name)
    for name in ("pyspark.sql.functions", "pyspark.sql.types", "pyspark.sql.pandas.types"):
        _import(name)
    _freeze()


def _adopt_orphans() -> None:
    """Have the processes that kernels leave behind end as ours, which are waited for (Linux)."""
    with contextlib.suppress(Exception):
        import ctypes

        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def _import(name: str) -> None:
    try:
        __import__(name)
    except Exception:  # noqa: BLE001 - a kernel that needs it will say so itself
        traceback.print_exc()


def _freeze() -> None:
    """Keep the collector from touching, and so copying, pages that all kernels share."""
    gc.collect()
    gc.freeze()


def _become_kernel(control: socket.socket, descriptors: list[int], ours: tuple[int, int]) -> None:
    """In the child: run the job and end the process; never returns."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        for descriptor in ours:
            os.close(descriptor)
        from brickloop.localws.kernel import serve_job

        serve_job(*descriptors)
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, the server hears of it
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    Forkserver(socket.socket(fileno=int(sys.argv[1]))).serve()
