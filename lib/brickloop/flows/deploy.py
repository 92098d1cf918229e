"""The main job: a notebook goes up, runs, and its output comes back. Reads straight down."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import brickloop
from brickloop.config.profile import Target
from brickloop.config.settings import Settings
from brickloop.display import diagnostics
from brickloop.errors import BrickloopError, OutputUnavailable, RunFailed
from brickloop.sync.ledger import Ledger, RunRecord

if TYPE_CHECKING:
    from brickloop.clients.files import RemoteFiles
    from brickloop.flows.target import OpenTarget
    from brickloop.jobs.output_reader import DocumentFollower
    from brickloop.model.run import CellResult, RunResult, RunStatus

_DEFAULT_VOLUME = "/Volumes/main/default/brickloop"
_SUFFIXES = (".txt", ".json", ".html")


class Deployment:
    """One project on one target; the workspace is opened when the first thing has to be done."""

    def __init__(
        self, settings: Settings, target: Target, key: str, ledger: Ledger, project: str
    ) -> None:
        self._settings = settings
        self._target = target
        self._key = key
        self._ledger = ledger
        self._project = project
        self._lock = threading.Lock()
        self._opened: OpenTarget | None = None
        self._wheel: str | None = None
        self._shown: dict[str, int] = {}
        """How many sections of a notebook's output this process has shown."""

    def uploaded(self) -> dict[str, str]:
        """Content hash of each file that is known to be in the workspace, by name; no network."""
        user = self._ledger.fact("user", self._key)
        folder = self._settings.text("folder") or (user and self._default_folder(user))
        if not folder:
            return {}
        return {
            path.removeprefix(f"{folder}/"): found.sha256
            for path, found in self._ledger.remote_objects(self._key).items()
            if path.startswith(f"{folder}/")
        }

    def output_files(self, notebook: str) -> list[Path]:
        """The local files that a notebook's output is saved in."""
        folder = self._settings.root / self._settings.required("outputs")
        return [folder / f"{notebook}{suffix}" for suffix in _SUFFIXES]

    def upload(self, path: Path, name: str) -> dict[str, Any]:
        """Send one file; what is remembered of it."""
        from brickloop.sync.transfer import push_file

        opened = self._open()
        remote = f"{self._folder(opened)}/{name}"
        pushed = push_file(opened.client, self._ledger, self._key, path, remote)
        if pushed.sent:
            diagnostics.note(f"uploaded {name}")
        return {"path": remote}

    def run(self, name: str, fingerprint: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Run a notebook to its end and show it; raises RunFailed when it does not succeed."""
        from brickloop.display.run_view import RunView
        from brickloop.jobs.follow import follow
        from brickloop.jobs.output_reader import DocumentFollower
        from brickloop.model.document import Section

        opened = self._open()
        record = self._ask(opened, name, fingerprint, parameters)
        view = RunView(name)
        document = DocumentFollower(self._files(opened), record.output)
        run_id = record.run_id or 0
        last: RunStatus | None = None
        timeout = self._settings.seconds("run_timeout")
        try:
            for value in follow(opened.client, opened.host, run_id, document, timeout):
                if isinstance(value, Section):
                    view.section(value)
                    self._shown[name] = self._shown.get(name, 0) + 1
                else:
                    view.status(value)
                    last = value
        except KeyboardInterrupt:
            self._cancel(opened, name, record)
            raise
        if last is None or not last.succeeded:
            self._end(record, "failed")
            result = self._gather(opened, record, document, last)
            view.failure(result)
            view.finished(result, self._save(result, name))
            reason = result.error or result.status.message or "no reason is given"
            raise RunFailed(
                f"the run did not succeed: {reason}",
                where=name,
                hint=f"mend it and run doit again: only {name} and what depends on it will run",
            )
        self._end(record, "succeeded")
        return {"fingerprint": fingerprint, "run_id": run_id}

    def fetch(self, name: str, fingerprint: str) -> dict[str, Any]:
        """Fetch the output of the last run, show what was not shown live, and save it."""
        from brickloop.display.run_view import RunView
        from brickloop.jobs.follow import run_status
        from brickloop.jobs.output_reader import DocumentFollower

        opened = self._open()
        record = self._ledger.latest_run(self._key, name)
        if record is None or record.run_id is None:
            raise OutputUnavailable("no run is known", where=name, hint=f"doit forget run:{name}")
        document = DocumentFollower(self._files(opened), record.output)
        sections = document.poll()
        status = run_status(opened.client, opened.host, record.run_id)
        result = self._gather(opened, record, document, status)
        view = RunView(name, sections_shown=self._shown.get(name, 0))
        for section in sections[self._shown.get(name, 0) :]:
            view.section(section)
        view.cells(result.cells)
        if result.cells_missing:
            diagnostics.warn(f"{name}: {result.cells_missing}")
        view.finished(result, self._save(result, name))
        return {"fingerprint": fingerprint}

    def _ask(
        self, opened: OpenTarget, name: str, fingerprint: str, parameters: Mapping[str, str]
    ) -> RunRecord:
        """Ask for the run; one that was asked for before and not seen to end is taken up again."""
        from brickloop.jobs.submit import RunRequest, submit

        record = self._ledger.latest_run(self._key, name)
        if (
            record is None
            or record.fingerprint != fingerprint
            or record.state not in {"asked", "running"}
        ):
            run_key = uuid.uuid4().hex
            output = f"{self._output_root(opened)}/runs/{run_key}"
            record = RunRecord(
                run_key, self._key, name, fingerprint, None, "asked", output, time.time(), None
            )
            # before the request: the same key never starts a second run
            self._ledger.record_run(record)
        request = RunRequest(
            name=f"brickloop {self._project}/{name}",
            notebook_path=f"{self._folder(opened)}/{name}",
            run_key=record.run_key,
            output=record.output,
            wheel=self._runtime(opened),
            compute=self._settings.required("compute"),
            parameters=parameters,
        )
        run_id = submit(opened.client, opened.host, request)
        record = replace(record, run_id=run_id, state="running")
        self._ledger.record_run(record)
        return record

    def _gather(
        self,
        opened: OpenTarget,
        record: RunRecord,
        document: DocumentFollower,
        status: RunStatus | None,
    ) -> RunResult:
        """All that is known of a run that has ended."""
        from brickloop.clients.workspace import translate
        from brickloop.jobs.cells import export_cells
        from brickloop.jobs.follow import run_status
        from brickloop.model.run import RunResult

        status = status or run_status(opened.client, opened.host, record.run_id or 0)
        document.poll()
        cells: tuple[CellResult, ...] = ()
        missing = None
        try:
            cells = export_cells(opened.client, status.task_run_id)
        except OutputUnavailable as error:
            missing = str(error)
        with translate(opened.host):
            output = opened.client.jobs.get_run_output(status.task_run_id)
        notebook = output.notebook_output
        return RunResult(
            status=status,
            exit_value=notebook.result if notebook else None,
            error=output.error,
            error_trace=output.error_trace,
            cells=cells,
            cells_missing=missing,
            document=document.document(),
        )

    def _save(self, result: RunResult, name: str) -> tuple[str, ...]:
        from brickloop.report.saved import save_outputs

        folder = self._settings.root / self._settings.required("outputs")
        paths = save_outputs(result, folder, name)
        return tuple(path.relative_to(self._settings.root).as_posix() for path in paths)

    def _cancel(self, opened: OpenTarget, name: str, record: RunRecord) -> None:
        try:
            opened.client.jobs.cancel_run(record.run_id or 0)
        except Exception as error:  # noqa: BLE001  whatever it is, the interrupt goes on
            diagnostics.warn(f"{name}: the run could not be cancelled and may go on: {error}")
        else:
            diagnostics.note(f"{name}: run {record.run_id} is cancelled")
        self._end(record, "failed")

    def _end(self, record: RunRecord, state: str) -> None:
        self._ledger.record_run(replace(record, state=state, ended=time.time()))

    def _open(self) -> OpenTarget:
        from brickloop.flows.target import open_target

        with self._lock:
            if self._opened is None:
                opened = open_target(self._settings, self._target)
                diagnostics.note(opened.announcement)
                known = self._ledger.fact("user", self._key)
                if known != opened.user:
                    self._ledger.record_fact("user", self._key, opened.user)
                if known not in {None, opened.user}:
                    self._ledger.forget_task_state(self._key)
                    raise BrickloopError(
                        f"the workspace knows us as {opened.user}; the last time it was {known}",
                        where=opened.host,
                        hint="run the command again: it begins anew for this user",
                    )
                self._opened = opened
            return self._opened

    def _files(self, opened: OpenTarget) -> RemoteFiles:
        from brickloop.clients.files import RemoteFiles

        return RemoteFiles(opened.client, opened.host)

    def _folder(self, opened: OpenTarget) -> str:
        return (self._settings.text("folder") or self._default_folder(opened.user)).rstrip("/")

    def _default_folder(self, user: str) -> str:
        return f"/Workspace/Users/{user}/.brickloop/{self._project}"

    def _output_root(self, opened: OpenTarget) -> str:
        """A volume where there is one; else workspace files, which every workspace has."""
        named = self._settings.text("output_root")
        if named:
            return named.rstrip("/")
        if self._files(opened).exists(_DEFAULT_VOLUME):
            return _DEFAULT_VOLUME
        return f"{opened.home}/.brickloop/outputs"

    def _runtime(self, opened: OpenTarget) -> str:
        """The remote path of the runtime wheel, which is sent once for each content."""
        from brickloop.runtime.wheel import runtime_wheel

        with self._lock:
            if self._wheel is None:
                name, data = runtime_wheel(brickloop.__version__)
                remote = f"{opened.home}/.brickloop/runtime/{name}"
                files = self._files(opened)
                if not files.exists(remote):
                    files.write(remote, data)
                self._wheel = remote
            return self._wheel
