"""Copies of a kernel between two cells, from which a later run of the notebook goes on.

After a cell the kernel forks; the copy waits, with every name and object as it is, and forks again
for each run that begins where it stands. Nothing is pickled. A copy is only left where a fork is
exact: with other threads, open files, sockets or streams, or with a native library that does not
bear a fork, the kernel says why and leaves none from then on. Linux only: elsewhere a process does
not tell its threads and open files.
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
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any

from brickloop.localws.inputs import UsedInputs
from brickloop.localws.kernel_channel import KernelChannel
from brickloop.localws.session_log import connect_again, disconnect, make_again
from brickloop.localws.spark_globals import LiveSession

_LEAST_SECONDS = 0.05
"""A cell that is quicker than this is run again with the next: that is cheaper than a copy."""
_CLOSING_SECONDS = 0.5
_FORK_SECONDS = 20.0
_NO_FORK = (
    "deltalake", "duckdb", "polars", "torch", "tensorflow", "jax", "ray", "dask.distributed",
    "lightgbm", "xgboost", "catboost", "numba", "datafusion", "geopandas",
)  # fmt: skip
_NO_FORK_LIBRARIES = ("libgomp", "libiomp", "libomp.", "libomp-", "libtbb")
_HARMLESS = ("/dev/", "anon_inode:[event", "anon_inode:[io_uring")


@dataclass(frozen=True)
class Resumed:
    """In a copy that is to run: the job, which came over the channel."""

    job: dict[str, Any]


class Snapshots:
    """Leaves copies of this process; ``after`` is called between two cells."""

    def __init__(self, channel: KernelChannel, session: LiveSession, inputs: UsedInputs) -> None:
        self._channel = channel
        self._session = session
        self._inputs = inputs
        self._last = 0.0
        self._open: dict[str, str] = {}
        self._said = ""
        self.secrets: list[str] = []
        """Values that must not be shown, also in runs that go on from here."""

    def begin(self) -> None:
        """Listen to what the cells use, from now on."""
        self._open = _descriptors()
        self._last = time.monotonic()
        if not sys.platform.startswith("linux"):
            self._inputs.give_up("cells are kept on Linux only")
        self._inputs.begin()

    def give_up(self, why: str) -> None:
        """Leave no copies from now on."""
        self._inputs.give_up(why)

    def after(self, count: int, *, last: bool) -> Resumed | None:
        """Leave a copy that stands after ``count`` cells; what a copy gives when it is to run.

        None in the process that goes on.
        """
        if time.monotonic() - self._last < _LEAST_SECONDS and not last:
            return None
        self._inputs.pause()
        try:
            return self._leave(count)
        finally:
            self._last = time.monotonic()
            self._inputs.go_on()

    def _leave(self, count: int) -> Resumed | None:
        spark = self._session.opened
        why = self._inputs.unknown or _lasting_hindrance()
        if not why and spark is not None:
            why = spark._front.context.interceptor.log.unknown
        if why:
            self._say(count, why)
            return None
        state = self._inputs.state(spark)
        if self._inputs.unknown:
            self._say(count, self._inputs.unknown)
            return None
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            if spark is not None and not disconnect(spark):
                self._say(count, "a result is still being read")
                return None
            gc.collect()
            why = self._hindrance_patiently(0 if spark is None else _CLOSING_SECONDS)
            resumed = None
            if why:
                self._say(count, why)
            else:
                resumed = self._fork(count, state)
            if spark is not None and resumed is None:
                connect_again(spark)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if resumed is not None:
            if spark is not None:
                self._make_session_again(spark)
            self._inputs.begin_again()
            self._open = _descriptors()
            self._channel.send("resumed", count=count)
            for secret in self.secrets:
                self._channel.send("secret", value=secret)
        return resumed

    def _make_session_again(self, spark: Any) -> None:
        try:
            make_again(spark)
        except Exception:  # noqa: BLE001 - all cells are run then
            self._channel.send("stale")
            os._exit(1)

    def _fork(self, count: int, state: dict[str, Any]) -> Resumed | None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._channel.send_descriptor(
                "snapshot", theirs.fileno(), count=count, state=state, network=self._inputs.network
            )
        begun_read, begun_write = os.pipe()
        pid = _fork()
        if pid:
            ours.close()
            os.close(begun_write)
            # a run's end kills its group: the copy must have left it by then
            os.read(begun_read, 1)
            os.close(begun_read)
            return None
        os.setsid()
        os.close(begun_read)
        self._channel.forget()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.close(nothing)
        os.write(begun_write, b".")
        os.close(begun_write)
        return self._wait(ours)

    def _wait(self, line: socket.socket) -> Resumed:
        """Be the copy: fork for each run that is asked for. Returns only in such a fork."""
        children: dict[int, int] = {}
        while True:
            ready = select.select([line], [], [], 0.02 if children else None)[0]
            for pid, number in list(children.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    del children[pid]
                    report = {"number": number, "exit_code": os.waitstatus_to_exitcode(status)}
                    with contextlib.suppress(OSError):
                        line.sendall(json.dumps(report).encode() + b"\n")
            if not ready:
                continue
            message, descriptors, _, _ = socket.recv_fds(line, 8, 4)
            if len(message) < 8 or len(descriptors) < 4:
                for pid in children:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(pid, signal.SIGKILL)
                os._exit(0)
            pid = _fork()
            if pid == 0:
                line.close()
                return self._become_kernel(descriptors)
            children[pid] = int.from_bytes(message, "big")
            for descriptor in descriptors:
                os.close(descriptor)

    def _become_kernel(self, descriptors: list[int]) -> Resumed:
        os.setsid()
        channel, out, err, taken = descriptors
        for descriptor in (channel, taken):
            os.set_inheritable(descriptor, False)
        for number, pipe in ((1, out), (2, err)):
            os.dup2(pipe, number)
            os.close(pipe)
        self._channel.reopen(socket.socket(fileno=channel), taken)
        self._channel.send("hello", pid=os.getpid())
        return Resumed(self._channel.read_job())

    def _hindrance_patiently(self, seconds: float) -> str:
        """As ``_hindrance``, once what the closed channel still had has ended."""
        deadline = time.monotonic() + seconds
        while True:
            why = self._hindrance()
            if not why or why == self._said or time.monotonic() >= deadline:
                return why
            time.sleep(0.005)

    def _hindrance(self) -> str:
        """Why a fork would not be exact just now; empty where it would be."""
        for each in threading.enumerate():
            if each is not threading.main_thread():
                return f"a thread runs ({each.name})"
        for descriptor, target in _descriptors().items():
            if self._open.get(descriptor) != target and not target.startswith(_HARMLESS):
                kind = target.partition(":")[0]
                named = {"socket": "a connection", "pipe": "a pipe"}.get(kind, target)
                return f"{named} is open"
        threads = _threads()
        if len(threads) > 1:
            with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
                text = maps.read()
            for name in _NO_FORK_LIBRARIES:
                if name in text:
                    return f"threads of {name.rstrip('.-')} run"
            for name in threads:
                if name.startswith(("tokio", "polars", "rayon")):
                    return f"threads of {name} run"
        if not _has_memory():
            return "there is too little memory for a copy of the process"
        return ""

    def _say(self, count: int, why: str) -> None:
        if why != self._said:
            self._said = why
            self._channel.send("unkept", count=count, why=why)


def _lasting_hindrance() -> str:
    """Why no fork of this process would be exact from now on; empty where one would be."""
    for name in _NO_FORK:
        if name in sys.modules:
            return f"{name} does not bear that its process is copied"
    stream = sys.modules.get("brickloop.runtime.stream")
    if getattr(stream, "_numbers", None):
        return "an output document has been begun"
    return ""


def _fork() -> int:
    """As ``os.fork``; a process in which it hangs is ended, and the run begins at its beginning.

    What a library does before a fork can wait for threads that an earlier fork has left behind.
    """
    handler = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    left, interval = signal.setitimer(signal.ITIMER_REAL, _FORK_SECONDS)
    try:
        with warnings.catch_warnings():
            # the threads that are left are known to bear it
            warnings.simplefilter("ignore", DeprecationWarning)
            return os.fork()
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)


def _descriptors() -> dict[str, str]:
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{name}")
                if not target.endswith("/fd"):
                    found[name] = target
    return found


def _threads() -> list[str]:
    """The names of all threads, native ones too."""
    names = []
    with contextlib.suppress(OSError):
        for number in os.listdir("/proc/self/task"):
            with (
                contextlib.suppress(OSError),
                open(f"/proc/self/task/{number}/comm", encoding="utf-8") as name,
            ):
                names.append(name.read().strip())
    return names


def _has_memory() -> bool:
    """Whether a process that changed all of its memory would still leave a tenth free."""
    with contextlib.suppress(OSError, KeyError, ValueError, IndexError):
        with open("/proc/meminfo", encoding="ascii") as file:
            facts = {line.split(":")[0]: int(line.split()[1]) for line in file}
        with open("/proc/self/statm", encoding="ascii") as file:
            own = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
        return facts["MemAvailable"] - own > facts["MemTotal"] // 10
    return False
