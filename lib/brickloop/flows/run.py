"""Runs on one workspace: asked for, followed, shown, recorded and gathered, for every command."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import brickloop
from brickloop.config.settings import Settings
from brickloop.display import diagnostics
from brickloop.errors import BrickloopError, RunFailed, TimedOut
from brickloop.flows.interruption import INTERRUPTION
from brickloop.flows.run_events import RunEvents, figure_keeper
from brickloop.flows.run_observer import RunObserver
from brickloop.jobs.follow import Note
from brickloop.model.document import Section
from brickloop.model.run import ResultState, RunResult, reason_of
from brickloop.sync.ledger import Ledger, RunRecord

if TYPE_CHECKING:
    from brickloop.clients.files import RemoteFiles
    from brickloop.flows.target import OpenTarget
    from brickloop.jobs.document_follower import DocumentFollower
    from brickloop.jobs.submit import RunRequest
    from brickloop.model.run import RunStatus

DEFAULT_VOLUME = "/Volumes/main/default/brickloop"
_TAKEN_UP = {"asked", "running"}
# a success may have been seen by a process that was killed before it could tell anybody
_LEFT = {"succeeded", "detached"}
_SERVER_MARGIN = 60.0
_HINTS = (
    (
        "No module named 'core'",
        "in notebooks the framework is imported with: from brickloop import NotebookOutput",
    ),
    (
        "No module named 'brickloop'",
        "the runtime wheel was not installed; an environment that the notebook sets itself"
        " (%pip, %restart_python, a base environment) must keep it",
    ),
)
Interrupt = Literal["cancel", "detach"]
Resume = Literal["never", "active", "ended", "left"]


class Runs:
    """The runs of one target, with what each of them needs there."""

    def __init__(self, settings: Settings, opened: OpenTarget, key: str, ledger: Ledger) -> None:
        from brickloop.clients.files import RemoteFiles

        self.opened = opened
        self.files: RemoteFiles = RemoteFiles(opened.client, opened.host)
        self._settings = settings
        self._key = key
        self._ledger = ledger
        self._lock = threading.Lock()
        self._wheel: str | None = None
        self._root: str | None = None

    def ask(
        self,
        name: str,
        fingerprint: str,
        request: RunRequest,
        *,
        job_name: str | None = None,
        known_as: str | None = None,
        resume: Resume = "ended",
    ) -> RunRecord:
        """Ask for a run; one that was asked for before and not seen to end is taken up again.

        ``request`` needs no key, output folder or wheel: they are given here. ``known_as`` is its
        name in the ledger. ``resume`` says what is taken up: a run that goes on (``active``), also
        one that has ended meanwhile (``ended``), even if it was seen to succeed or left to itself
        (``left``), or none (``never``). Raises what ``submit`` and ``run_job`` do.
        """
        from brickloop.jobs.status import is_gone

        record = self._ledger.latest_run(self._key, known_as or name)
        known = (
            record is not None
            and resume != "never"
            and record.fingerprint == fingerprint
            and (record.state in _TAKEN_UP or (resume == "left" and record.state in _LEFT))
        )
        if record is None or not known:
            record = self._new(known_as or name, fingerprint)
        try:
            run_id = self._send(record, request, job_name)
            gone = known and resume == "active" and self._has_ended(run_id)
        except BrickloopError as error:
            if not (known and is_gone(error)):
                raise
            gone = True
        if gone:
            self.end(record, "lost")
            record = self._new(known_as or name, fingerprint)
            run_id = self._send(record, request, job_name)
        elif known:
            diagnostics.note(f"{name}: taking up run {run_id}, which was asked for before")
        record = replace(record, run_id=run_id, state="running")
        self._ledger.record_run(record)
        return record

    def observe(
        self,
        name: str,
        record: RunRecord,
        request: RunRequest | None,
        *,
        show: bool = True,
    ) -> RunObserver:
        """Who hears of a run, with its record on disk opened."""
        from brickloop.display.run_view import RunView

        asked = {
            "run_key": record.run_key,
            "host": self.opened.host,
            "output": record.output,
            "parameters": dict(request.parameters or {}) if request else {},
        }
        events = RunEvents(self._settings.state_folder / "runs", record.run_id or 0, asked)
        view = RunView(name, keep_figure=figure_keeper(events.folder))
        return RunObserver(name, view, events, shown=show)

    def follow(
        self,
        name: str,
        record: RunRecord,
        observer: RunObserver,
        *,
        timeout: float,
        on_interrupt: Interrupt = "cancel",
    ) -> tuple[RunStatus, DocumentFollower]:
        """The final status of a run and its output, after its sections were shown as they came.

        Ctrl-C asks the run to be cancelled, or leaves it and says how to come back; either way
        KeyboardInterrupt goes on. Raises TimedOut and ConnectionFailed as ``jobs.follow`` does.
        """
        from brickloop.jobs.document_follower import DocumentFollower

        document = DocumentFollower(self.files, record.output)
        with INTERRUPTION.acting():
            try:
                # the workspace ends the run itself; the margin is for a cluster that has to start
                last = self.watch(record.run_id or 0, document, observer, timeout + _SERVER_MARGIN)
            except KeyboardInterrupt:
                self._interrupted(name, record, observer, on_interrupt)
                raise
            finally:
                self.note_change()
        self.end(record, "succeeded" if last.succeeded else "failed")
        return last, document

    def note_change(self) -> None:
        """Have no older result of a query be used: a run may have changed its tables."""
        from brickloop.flows.result_cache import note_change

        note_change(self._settings, self.opened.target)

    def watch(
        self,
        run_id: int,
        document: DocumentFollower | None,
        observer: RunObserver,
        timeout: float,
        look: Callable[[], RunStatus] | None = None,
    ) -> RunStatus:
        """The final status of any run, ours or not, after the observer heard of all that came.

        ``look`` gives the status of what is no run of its own.
        """
        from brickloop.jobs.follow import Waiting, follow

        client, host = self.opened.client, self.opened.host
        last: RunStatus | None = None
        try:
            for value in follow(client, host, run_id, document, timeout, look=look):
                INTERRUPTION.check()
                if isinstance(value, Section):
                    observer.section(value)
                elif isinstance(value, Waiting):
                    if value.status is not None:
                        observer.tick(value.status, value.seconds)
                elif isinstance(value, Note):
                    observer.note(value)
                else:
                    if last is None:
                        observer.started(value.run_id, value.page_url)
                    observer.status(value)
                    if last is not None and value.attempt > last.attempt:
                        observer.retried(value)
                    last = value
        finally:
            observer.close()
        assert last is not None
        return last

    def result(self, status: RunStatus, document: DocumentFollower) -> RunResult:
        """All that is known of a run that has ended."""
        from brickloop.jobs.results import gather

        return gather(self.opened.client, self.opened.host, status, document.document())

    def save(self, result: RunResult, name: str) -> tuple[str, ...]:
        """The files that the output was saved in, below the project's folder."""
        from brickloop.report.saved import save_outputs

        folder = self._settings.root / self._settings.required("outputs")
        paths = save_outputs(result, folder, name)
        return tuple(_shown_path(path, self._settings.root) for path in paths)

    def end(self, record: RunRecord, state: str) -> None:
        """Note that a run is over for us."""
        self._ledger.record_run(replace(record, state=state, ended=time.time()))

    def output_root(self) -> str:
        """A volume where there is one; else workspace files, which every workspace has."""
        with self._lock:
            if self._root is None:
                named = self._settings.text("output_root")
                if named:
                    self._root = named.rstrip("/")
                elif self.files.is_readable(DEFAULT_VOLUME):
                    self._root = DEFAULT_VOLUME
                else:
                    self._root = f"{self.opened.home}/.brickloop/outputs"
            return self._root

    def runtime(self) -> str:
        """The remote path of the runtime wheel, which is sent once for each content."""
        from brickloop.runtime.wheel import runtime_wheel

        with self._lock:
            if self._wheel is None:
                name, data = runtime_wheel(brickloop.__version__)
                remote = f"{self.opened.home}/.brickloop/runtime/{name}"
                if not self.files.exists(remote):
                    self.files.write(remote, data)
                self._wheel = remote
            return self._wheel

    def _has_ended(self, run_id: int) -> bool:
        from brickloop.jobs.status import run_status

        return run_status(self.opened.client, self.opened.host, run_id).life_cycle.is_final

    def _new(self, name: str, fingerprint: str) -> RunRecord:
        """A new record, which is in the ledger before the request is sent."""
        run_key = uuid.uuid4().hex
        output = f"{self.output_root()}/runs/{run_key}"
        record = RunRecord(
            run_key, self._key, name, fingerprint, None, "asked", output, time.time(), None
        )
        self._ledger.record_run(record)
        return record

    def _send(self, record: RunRecord, request: RunRequest, job_name: str | None) -> int:
        from brickloop.jobs.named_job import run_job
        from brickloop.jobs.patience import patiently
        from brickloop.jobs.submit import SqlFileWork, submit

        wheel = "" if isinstance(request.work, SqlFileWork) else self.runtime()
        whole = replace(request, run_key=record.run_key, output=record.output, wheel=wheel)
        client, host = self.opened.client, self.opened.host
        with _uninterrupted_note(record):
            if job_name:
                return patiently(lambda: run_job(client, host, job_name, whole))
            # the key makes it harmless: an answer that was lost was to the same run
            return patiently(lambda: submit(client, host, whole))

    def _interrupted(
        self, name: str, record: RunRecord, observer: RunObserver, on_interrupt: Interrupt
    ) -> None:
        run_id = record.run_id or 0
        if on_interrupt == "detach":
            self.end(record, "detached")
            observer.say("detached", come_back(name, run_id))
            return
        try:
            self.opened.client.jobs.cancel_run(run_id)
        except Exception as error:  # noqa: BLE001  whatever it is, the interrupt goes on
            text = f"run {run_id} could not be cancelled and may go on: {error}"
            observer.note(Note("cancel_failed", text))
        else:
            observer.say("cancel_requested", f"{name}: run {run_id} is being cancelled")
        self.end(record, "cancelled")


def failure_of(result: RunResult, name: str, hint: str | None = None) -> BrickloopError:
    """The error for a run that did not succeed, with the exit code of how it ended."""
    reason = result.error or reason_of(result.status)
    text = f"{result.error or ''} {result.error_trace or ''}"
    known = next((advice for sign, advice in _HINTS if sign in text), None)
    if result.status.result is ResultState.TIMEDOUT:
        return TimedOut(
            f"the run was ended at its time limit: {reason}",
            where=name,
            hint="--timeout, or run_timeout in pyproject.toml [tool.brickloop], sets the limit",
        )
    return RunFailed(f"the run did not succeed: {reason}", where=name, hint=known or hint)


def come_back(name: str, run_id: int) -> str:
    """How to see a run again that was left to itself."""
    return f"{name}: run {run_id} goes on; come back with: invoke output {run_id}"


@contextlib.contextmanager
def _uninterrupted_note(record: RunRecord) -> Iterator[None]:
    """Say what Ctrl-C amid the request means: nobody knows yet whether the run was started."""
    try:
        yield
    except KeyboardInterrupt:
        diagnostics.note(
            f"{record.notebook}: the run may have been started already; the same command takes it"
            " up again"
        )
        raise


def _shown_path(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
