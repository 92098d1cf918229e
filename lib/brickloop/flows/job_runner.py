"""JobRunner: notebooks and other files as job runs, from Python and from ``invoke run``."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from brickloop.config.profile import resolve_target
from brickloop.config.settings import Settings, find_root, load_settings
from brickloop.display import diagnostics
from brickloop.errors import BrickloopError, UsageError
from brickloop.flows.job_places import (
    modified_ms,
    name_of,
    path_of,
    remote_path,
    warehouse_of,
)
from brickloop.flows.protection import require_committed
from brickloop.flows.run_options import RunOptions as RunOptions
from brickloop.model.file_names import shown_path
from brickloop.model.job_result import JobResult, job_result
from brickloop.model.notebook import language_of_source
from brickloop.model.paths import parse_remote_path
from brickloop.model.run import ResultState, RunResult
from brickloop.sync.ledger import Ledger

if TYPE_CHECKING:
    from brickloop.flows.project import ProjectFile
    from brickloop.flows.run import Interrupt, Resume, Runs
    from brickloop.flows.target import OpenTarget
    from brickloop.jobs.submit import RunRequest, Work
    from brickloop.sync.ledger import RunRecord

DEFAULT_OUTPUT = "/tmp/notebook_output.txt"
_HEAD_BYTES = 64


class JobRunner:
    """Runs notebooks and files as jobs on the workspace that the settings name.

    Nothing is opened before the first run. Safe to use from several threads.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        profile: str | None = None,
        target: str | None = None,
        compute: str | None = None,
        opened: OpenTarget | None = None,
    ) -> None:
        """``settings`` are those of the project that the working folder is in, if not given.

        ``opened`` is a workspace that is open already. Raises SettingsError for wrong settings.
        """
        self._settings = settings or load_settings(
            find_root(Path.cwd()),
            overrides={"profile": profile, "target": target, "compute": compute},
        )
        self._opened = opened
        self._known_runs: Runs | None = None
        self._ledger: Ledger | None = None
        self._key = ""
        self._lock = threading.RLock()

    def create_and_run(
        self,
        notebook_path: str,
        notebook_content: str | bytes,
        job_name: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        language: str | None = None,
        compute: str | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_pause: int = 0,
        libraries: Sequence[str] = (),
        wait: bool = True,
        fresh: bool = False,
    ) -> JobResult:
        """The result of a notebook made of ``notebook_content`` at ``notebook_path`` and run.

        The content may be in any language and in the source format or an .ipynb; a missing header
        line is added. A relative path is below the user's own folder. A run that fails is a result
        like any other. Raises HeldBack where the workspace holds a version at that path that was
        not sent from here, NotebookError, SettingsError and UsageError for wrong arguments, and
        ConnectionFailed.
        """
        options = RunOptions(
            job_name=job_name,
            parameters=parameters,
            compute=compute,
            timeout=timeout,
            retries=retries,
            retry_pause=retry_pause,
            libraries=libraries,
            wait=wait,
            fresh=fresh,
        )
        return self._run_content(notebook_path, notebook_content, language, options)

    def create_and_run_with_output(
        self,
        notebook_path: str,
        notebook_content: str | bytes,
        output_path: str = DEFAULT_OUTPUT,
        job_name: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        language: str | None = None,
        compute: str | None = None,
        timeout: float | None = None,
        retries: int = 0,
        retry_pause: int = 0,
        libraries: Sequence[str] = (),
        fresh: bool = False,
    ) -> JobResult:
        """As ``create_and_run``, with the output shown as it comes and saved below ``outputs``.

        A Python notebook that does not use ``NotebookOutput`` gets it, as the variable ``output``,
        whose text goes to ``output_path``. The result's ``output`` is the text that this run wrote
        there, or its sections as text where it wrote elsewhere.
        """
        options = RunOptions(
            job_name=job_name,
            parameters=parameters,
            compute=compute,
            timeout=timeout,
            retries=retries,
            retry_pause=retry_pause,
            libraries=libraries,
            fresh=fresh,
            show=True,
        )
        return self._run_content(notebook_path, notebook_content, language, options, output_path)

    def run(self, work: Work, options: RunOptions | None = None, *, name: str = "") -> JobResult:
        """The result of a task whose notebook, file or package is in the workspace already.

        ``work`` is a NotebookWork, PythonFileWork, WheelWork or SqlFileWork of ``brickloop.jobs``.
        """
        return self._run(work, options or RunOptions(), name or name_of(work), "")

    def run_file(
        self, path: Path, options: RunOptions | None = None, *, entry_point: str = ""
    ) -> JobResult:
        """The result of a local file: sent with what it reaches, and run.

        A notebook runs as one; a ``.py`` without the header as a program, a ``.sql`` as a file of
        statements, a ``.whl`` by its ``entry_point``. Raises UsageError for anything else.
        """
        options = options or RunOptions()
        if not path.is_file():
            raise UsageError("there is no such file", where=str(path))
        path = path.resolve()
        suffix = path.suffix.lower()
        if suffix == ".whl":
            return self._run_wheel(path, entry_point, options)
        with path.open("rb") as opened:
            head = opened.read(_HEAD_BYTES)
        is_notebook = suffix == ".ipynb" or language_of_source(suffix, head) is not None
        if not is_notebook and suffix not in {".py", ".sql"}:
            raise UsageError(
                "is no notebook, Python file, SQL file or wheel",
                where=str(path),
                hint="line 1 of a notebook is '# Databricks notebook source'",
            )
        options.check(self._settings)
        file, reached, folder = self._send_reach(path)
        runs = self.runs()
        content = [[each.name, each.sha256] for each in (file, *reached)]
        work = self._work_of(runs, f"{folder}/{file.name}", file.is_notebook, suffix)
        if file.is_notebook and self._settings.target is not None:
            theirs = self._settings.target.parameters_of(file.name)
            options = replace(options, parameters={**theirs, **(options.parameters or {})})
        if not file.is_notebook:
            diagnostics.note(f"{path.name} has no notebook header and is run as a {suffix} file")
        return self._run(work, options, file.name, content, save_as=file.name)

    def deploy_file(self, path: Path) -> str:
        """The workspace path of a local notebook or file, which was sent with what it reaches.

        Raises HeldBack where the workspace holds a version that was not sent from here.
        """
        if not path.is_file():
            raise UsageError("there is no such file", where=str(path))
        file, _, folder = self._send_reach(path.resolve())
        return f"{folder}/{file.name}"

    def changed_since_sent(self, path: Path) -> dict[str, str]:
        """What ``deploy_file`` would send: local files, each with its workspace path."""
        from brickloop.flows.reach import read_reach

        if not path.is_file():
            raise UsageError("there is no such file", where=str(path))
        runs = self.runs()
        assert self._ledger is not None
        base, file, reached = read_reach(path.resolve(), self._ledger)
        folder = self._folder(runs, base.name)
        known = self._ledger.remote_hashes(self._key)
        return {
            shown_path(each.path, Path.cwd()): f"{folder}/{each.name}"
            for each in (file, *reached)
            if known.get(f"{folder}/{each.name}") != each.sha256
        }

    def runs(self) -> Runs:
        """The runs of the workspace, which is opened on the first call."""
        from brickloop.flows.run import Runs
        from brickloop.flows.target import ledger_key, open_target

        with self._lock:
            if self._known_runs is None:
                target = self._opened.target if self._opened else resolve_target(self._settings)
                if self._opened is None:
                    self._opened = open_target(self._settings, target)
                    diagnostics.note(self._opened.announcement)
                self._key = ledger_key(self._settings, target=target)
                self._ledger = Ledger(self._settings.state_folder / "ledger.db")
                self._known_runs = Runs(self._settings, self._opened, self._key, self._ledger)
            return self._known_runs

    def close(self) -> None:
        """Close the ledger; what was written stays written."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
            self._ledger, self._known_runs = None, None

    def _send_reach(self, path: Path) -> tuple[ProjectFile, tuple[ProjectFile, ...], str]:
        """A local file, what it reaches, and the workspace folder that holds them now."""
        from brickloop.flows.reach import read_reach

        runs = self.runs()
        assert self._ledger is not None
        base, file, reached = read_reach(path, self._ledger)
        require_committed(self._settings, [each.path for each in (file, *reached)])
        folder = self._folder(runs, base.name)
        for each in (file, *reached):
            self._push(runs, each.path.read_bytes(), each.path.name, f"{folder}/{each.name}")
        return file, reached, folder

    def _run_content(
        self,
        notebook_path: str,
        content: str | bytes,
        language: str | None,
        options: RunOptions,
        output_path: str | None = None,
    ) -> JobResult:
        from brickloop.jobs.inject import inject, mend_imports, prepare
        from brickloop.jobs.submit import NotebookWork

        if output_path is not None:
            parse_remote_path(output_path)
        prepared = mend_imports(prepare(content, notebook_path, language))
        if prepared.mended:
            diagnostics.note(
                f"{notebook_path}: 'from core.notebook_output import' is sent as"
                " 'from brickloop import', which a cluster can resolve"
            )
        if output_path is not None:
            prepared = inject(prepared, output_path)
        options.check(self._settings)
        require_committed(self._settings)
        runs = self.runs()
        path = remote_path(runs, notebook_path)
        data = prepared.text.encode("utf-8")
        self._push(runs, data, PurePosixPath(path).name + prepared.suffix, path)
        name = PurePosixPath(path).name
        digest = hashlib.sha256(data).hexdigest()
        return self._run(
            NotebookWork(path),
            options,
            name,
            digest,
            save_as=name if options.show else None,
            output_path=output_path,
        )

    def _run(
        self,
        work: Work,
        options: RunOptions,
        name: str,
        content: Any,
        *,
        save_as: str | None = None,
        output_path: str | None = None,
    ) -> JobResult:
        runs = self.runs()
        request = options.request(work, name, self._settings)
        resume: Resume = "never" if options.fresh else "active"
        record = runs.ask(
            name,
            options.fingerprint(request, content),
            request,
            job_name=options.job_name,
            known_as=f"job:{path_of(work)}",
            resume=resume,
        )
        if options.on_run is not None:
            options.on_run(record.run_id or 0)
        if not options.wait:
            return self._left(runs, record, request, name)
        return self._waited(runs, record, request, options, name, save_as, output_path)

    def _waited(
        self,
        runs: Runs,
        record: RunRecord,
        request: RunRequest,
        options: RunOptions,
        name: str,
        save_as: str | None,
        output_path: str | None,
    ) -> JobResult:
        observer = runs.observe(name, record, request, show=options.show)
        on_interrupt: Interrupt = "detach" if options.detach else "cancel"
        status, document = runs.follow(
            name,
            record,
            observer,
            timeout=options.seconds(self._settings),
            on_interrupt=on_interrupt,
        )
        result = runs.result(status, document)
        observer.result(result)
        cut = options.on_run is not None and status.result is ResultState.CANCELED
        if cut:
            observer.say("cancelled", f"{name}: cancelled")
        elif not status.succeeded:
            observer.failure(result)
        saved = runs.save(result, save_as) if save_as and not cut else ()
        observer.finished(result, saved)
        return job_result(
            result,
            path_of(request.work),
            output_path=output_path,
            output=self._text_output(runs, output_path, result),
            saved=saved,
        )

    def _left(self, runs: Runs, record: RunRecord, request: RunRequest, name: str) -> JobResult:
        from brickloop.flows.run import come_back
        from brickloop.jobs.status import run_status

        status = run_status(runs.opened.client, runs.opened.host, record.run_id or 0)
        observer = runs.observe(name, record, request, show=False)
        observer.started(status.run_id, status.page_url)
        observer.close()
        runs.end(record, "detached")
        diagnostics.note(come_back(name, status.run_id))
        return job_result(RunResult(status), path_of(request.work))

    def _run_wheel(self, path: Path, entry_point: str, options: RunOptions) -> JobResult:
        from brickloop.jobs.submit import WheelWork

        package = path.name.split("-", 1)[0]
        if not entry_point:
            raise UsageError(
                "a wheel is run by one of its entry points",
                where=str(path),
                hint="--entry-point NAME, as in [project.scripts], or a function of the package",
            )
        options.check(self._settings)
        require_committed(self._settings)
        runs = self.runs()
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        # the folder is the content's, because compute keeps a wheel that it has seen by its path
        remote = f"{runs.opened.home}/.brickloop/wheels/{digest[:16]}/{path.name}"
        if not runs.files.exists(remote):
            runs.files.write(remote, data)
        return self._run(WheelWork(package, entry_point, remote), options, package, digest)

    def _work_of(self, runs: Runs, remote: str, is_notebook: bool, suffix: str) -> Work:
        from brickloop.jobs.submit import NotebookWork, PythonFileWork, SqlFileWork

        if is_notebook:
            return NotebookWork(remote)
        if suffix == ".py":
            return PythonFileWork(remote)
        return SqlFileWork(remote, warehouse_of(runs, self._settings.text("warehouse")))

    def _push(self, runs: Runs, data: bytes, file_name: str, remote: str) -> None:
        from brickloop.sync.transfer import push_file

        assert self._ledger is not None
        pushed = push_file(
            runs.opened.client, self._ledger, self._key, Path(file_name), remote, data=data
        )
        if pushed.sent:
            diagnostics.note(f"uploaded {remote}")

    def _folder(self, runs: Runs, project: str) -> str:
        from brickloop.flows.target import upload_folder

        return upload_folder(self._settings, runs.opened.user, project or "notebooks")

    def _text_output(self, runs: Runs, output_path: str | None, result: RunResult) -> str | None:
        """The text at ``output_path`` where this run wrote it, else its document as text."""
        if output_path is None:
            return None
        from brickloop.jobs.output_reader import OutputReader, document_text

        try:
            modified = modified_ms(runs, output_path)
            # an older text is another run's
            if modified is not None and modified >= result.status.started_ms:
                return OutputReader(runs.files).read_output(output_path)
        except BrickloopError as error:
            diagnostics.note(f"{output_path} cannot be read: {error}")
        return document_text(result.document) if result.document is not None else None
