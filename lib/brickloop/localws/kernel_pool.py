"""Kernels for the server: a forkserver that is kept warm, a process of its own for every run."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from brickloop.localws.commands import CommandRecorder
from brickloop.localws.kernel_job import KernelJob, KernelOutcome
from brickloop.localws.kernel_links import KernelEnds, KernelLinks, open_links
from brickloop.localws.layout import StoreLayout

OnEvent = Callable[[dict[str, Any]], None]
_GRACE_SECONDS = 2.0


@dataclass
class _Run:
    """One job under way."""

    job: KernelJob
    pid: int | None = None
    exit_code: int | None = None
    process: subprocess.Popen[bytes] | None = None
    """Set for a kernel that was started without the forkserver."""
    canceled: bool = False
    heard: bool = False
    origin: socket.socket | None = None
    """The line to the copy of a kernel that it goes on from."""
    on_event: OnEvent = lambda event: None
    nested: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    task_values: dict[str, Any] = field(default_factory=dict)

    def has_ended(self) -> bool:
        """Whether the process is known to be gone."""
        if self.process is not None and self.exit_code is None:
            self.exit_code = self.process.poll()
        return self.exit_code is not None


class KernelPool:
    """Runs jobs in child processes; several at once, each of which can be killed."""

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._runs: dict[int, _Run] = {}
        self._launched: dict[int, _Run] = {}
        self._numbers = itertools.count(1)
        self._nested_ids = itertools.count(-1, -1)
        self._canceled: set[int] = set()
        self._stopped = False

    def start(self) -> None:
        """Start the forkserver where it does not run; it warms up by itself."""
        with self._lock:
            self._stopped = False
            self._start_server()

    def stop(self) -> None:
        """Cancel every run that is going on and end the forkserver."""
        self._stopped = True
        for run_id in list(self._runs):
            self.cancel(run_id)
        with self._lock:
            if self._control is not None:
                # wakes the thread that listens; the forkserver ends with this connection
                with contextlib.suppress(OSError):
                    self._control.shutdown(socket.SHUT_RDWR)
                self._control = None
            if self._server is not None:
                try:
                    self._server.wait(_GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    self._server.kill()
                    self._server.wait()
                self._server = None

    def run(
        self, job: KernelJob, on_event: OnEvent, origin: socket.socket | None = None
    ) -> KernelOutcome:
        """Execute a job in a new process and give each of its events to ``on_event``.

        Returns when the job has ended, however it ended; ``died`` when its process did. ``origin``
        is a line from an event of kind ``snapshot``: the job goes on from there, which an event of
        kind ``resumed`` tells; where the copy is gone or stale it begins at its beginning.
        """
        begun = time.monotonic()
        run = _Run(job, origin=origin, on_event=on_event)
        self._runs[job.run_id] = run
        if job.run_id in self._canceled:
            run.canceled = True
        recorder = CommandRecorder(on_event)
        try:
            outcome = {} if run.canceled else self._attempt(run, recorder, fresh=False)
            if outcome is None and run.origin is not None:
                run.origin = None
                outcome = self._attempt(run, recorder, fresh=False)
            if outcome is None:
                # the forkserver died before it took the job
                outcome = self._attempt(run, recorder, fresh=True)
        finally:
            del self._runs[job.run_id]
            for nested in run.nested:
                self.cancel(nested)
        status, facts = _judge(run, outcome, recorder)
        recorder.skip_rest()
        return KernelOutcome(
            status,
            logs="" if "notebook_task" in job.task else recorder.logs,
            task_values=run.task_values,
            seconds=time.monotonic() - begun,
            **facts,
        )

    def cancel(self, run_id: int) -> None:
        """End a run's process and all that it started; one that is yet to come will not begin."""
        self._canceled.add(run_id)
        run = self._runs.get(run_id)
        if run is None:
            return
        with run.lock:
            run.canceled = True
        for nested in list(run.nested):
            self.cancel(nested)
        self._signal(run, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < deadline and run_id in self._runs:
            time.sleep(0.01)
        self._signal(run, signal.SIGKILL)

    def _attempt(
        self, run: _Run, recorder: CommandRecorder, *, fresh: bool
    ) -> dict[str, Any] | None:
        """The outcome that the kernel sent, ``{}`` when it died, None when it never began."""
        links, ends = open_links()
        try:
            launched = self._launch(run, ends, fresh=fresh)
            try:
                links.channel.sendall(json.dumps(run.job.to_json()).encode() + b"\n")
                outcome = links.follow(
                    recorder,
                    lambda message: self._take(run, recorder, links, message),
                    run.has_ended,
                )
            except (BrokenPipeError, ConnectionResetError):
                outcome = None
            finally:
                # whatever the run left behind goes with it
                self._signal(run, signal.SIGKILL)
                self._launched.pop(launched, None)
                if run.process is not None:
                    run.process.wait()
        finally:
            links.close()
        if outcome is None and not run.heard and not fresh and not run.canceled:
            return None
        return outcome or {}

    def _launch(self, run: _Run, ends: KernelEnds, *, fresh: bool) -> int:
        number = next(self._numbers)
        run.pid = run.exit_code = None
        try:
            if run.origin is not None:
                self._launched[number] = run
                _ask_for_fork(run.origin, number, ends)
                return number
            if not fresh:
                with self._lock:
                    self._start_server()
                    self._launched[number] = run
                    if self._control is not None and _ask_for_fork(self._control, number, ends):
                        return number
            self._launched.pop(number, None)
            run.process = subprocess.Popen(
                [sys.executable, "-m", "brickloop.localws.kernel", *map(str, ends.descriptors)],
                pass_fds=ends.descriptors,
                start_new_session=True,
                cwd=self._layout.root,
                stdin=subprocess.DEVNULL,
            )
            return number
        finally:
            ends.close()

    def _start_server(self) -> None:
        """Start the forkserver where there is none; the lock is held."""
        if self._stopped or not hasattr(os, "fork"):
            return
        if self._control is not None and self._server is not None and self._server.poll() is None:
            return
        if self._server is not None:
            self._server.wait()
        ours, theirs = socket.socketpair()
        with (self._layout.root / "kernels.log").open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "brickloop.localws.forkserver", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd=self._layout.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        theirs.close()
        self._control = ours
        threading.Thread(target=self._listen, args=(ours,), daemon=True).start()

    def _listen(self, control: socket.socket) -> None:
        """Hear from the forkserver which kernels have ended; ends with the forkserver."""
        with control, contextlib.suppress(OSError), control.makefile("rb") as lines:
            for line in lines:
                report = json.loads(line)
                run = self._launched.get(report["number"])
                if run is not None:
                    run.exit_code = report["exit_code"]
        with self._lock:
            if self._control is control:
                self._control = None

    def _take(
        self, run: _Run, recorder: CommandRecorder, links: KernelLinks, message: dict[str, Any]
    ) -> None:
        kind = message["k"]
        if kind == "plan":
            recorder.plan(message["heads"])
        elif kind == "hello":
            run.heard = True
            with run.lock:
                run.pid = message["pid"]
                canceled = run.canceled
            if canceled:
                self._signal(run, signal.SIGKILL)
        elif kind == "begin":
            recorder.begin(message["position"])
            links.acknowledge()
        elif kind == "item":
            recorder.item(message["item"])
            links.acknowledge()
        elif kind == "end":
            recorder.end(message["state"], message.get("summary"), message.get("error"))
        elif kind == "snapshot":
            line = socket.socket(fileno=links.descriptors.pop(0))
            threading.Thread(target=self._listen, args=(line,), daemon=True).start()
            run.on_event({"kind": "snapshot", "line": line, **message})
            links.acknowledge()
        elif kind in {"resumed", "unkept"}:
            run.on_event({"kind": kind, **message})
        elif kind == "stale":
            run.heard = False
        elif kind == "secret":
            recorder.hide(message["value"])
        elif kind == "task_value":
            run.task_values[message["key"]] = message["value"]
        elif kind == "call":
            threading.Thread(
                target=self._answer, args=(run, links.channel, message), daemon=True
            ).start()

    def _answer(self, run: _Run, channel: socket.socket, call: dict[str, Any]) -> None:
        """Run another notebook for ``dbutils.notebook.run`` and tell the kernel how it went."""
        run_id = next(self._nested_ids)
        job = KernelJob.from_json({**run.job.to_json(), **call["job"], "run_id": run_id})
        run.nested.append(run_id)
        timer = None
        if call["timeout"] > 0:
            timer = threading.Timer(call["timeout"], self.cancel, (run_id,))
            timer.daemon = True
            timer.start()
        outcome = self.run(job, lambda event: None)
        if timer is not None:
            timer.cancel()
        answer = {"id": call["id"], "status": outcome.status, "error": outcome.error}
        line = json.dumps({**answer, "value": outcome.exit_value}).encode() + b"\n"
        with contextlib.suppress(OSError), run.lock:
            channel.sendall(line)

    def _signal(self, run: _Run, number: signal.Signals) -> None:
        pid = run.process.pid if run.process is not None else run.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)


def _ask_for_fork(control: socket.socket, number: int, ends: KernelEnds) -> bool:
    try:
        socket.send_fds(control, [number.to_bytes(8, "big")], ends.descriptors)
    except OSError:
        return False
    return True


def _judge(
    run: _Run, outcome: dict[str, Any] | None, recorder: CommandRecorder
) -> tuple[str, dict[str, Any]]:
    """The status of a run, and its exit value or error."""
    if outcome and not (run.canceled and outcome["status"] != "success"):
        facts = {key: outcome.get(key) for key in ("exit_value", "error", "error_trace")}
        return outcome["status"], {key: recorder.clean(text) for key, text in facts.items()}
    if run.canceled:
        recorder.end("error", "Canceled", "The run was canceled.")
        return "canceled", {"error": "The run was canceled."}
    error = f"The Python process ended unexpectedly: {_cause(run.exit_code)}"
    recorder.end("error", error, error)
    return "died", {"error": error, "error_trace": error}


def _cause(code: int | None) -> str:
    if code is None:
        return "it closed its connection"
    if code >= 0:
        return f"it exited with code {code} in the middle of its work (os._exit?)"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = {
        "SIGKILL": "killed from outside, perhaps for want of memory",
        "SIGSEGV": "a fault in native code",
    }.get(name)
    return f"{name} ({hint})" if hint else name
