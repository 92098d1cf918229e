"""The main job: a notebook goes up, runs, and its output comes back. Reads straight down."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from brickloop.config.profile import Target
from brickloop.config.settings import Settings
from brickloop.display import diagnostics
from brickloop.errors import BrickloopError, OutputUnavailable, SettingsError
from brickloop.flows.local_outputs import LocalOutputs
from brickloop.sync.ledger import Ledger, RunRecord

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from brickloop.clients.files import RemoteFiles
    from brickloop.flows.edges import Observed
    from brickloop.flows.graph_job import GraphJob, JobNotebookFacts
    from brickloop.flows.run import Interrupt, Runs
    from brickloop.flows.run_observer import RunObserver
    from brickloop.flows.target import OpenTarget
    from brickloop.jobs.document_follower import DocumentFollower
    from brickloop.jobs.submit import RunRequest
    from brickloop.model.run import RunStatus


@dataclass(frozen=True)
class _Followed:
    """A run that has ended, as far as it is known before its cells are fetched."""

    run_key: str
    status: RunStatus
    document: DocumentFollower
    observer: RunObserver


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
        self.outputs = LocalOutputs(settings.root / settings.required("outputs"))
        """Where the output of notebooks is saved."""
        self._lock = threading.Lock()
        self._opened: OpenTarget | None = None
        self._known_runs: Runs | None = None
        self._learner: ThreadPoolExecutor | None = None
        self._learned: list[Future[bool]] = []
        self._followed: dict[str, _Followed] = {}
        """The runs that this process has followed to their end and not fetched yet."""

    def uploaded(self) -> dict[str, str]:
        """Content hash of each file that is known to be in the workspace, by name; no network."""
        folder = self._known_folder()
        if not folder:
            return {}
        return {
            path.removeprefix(f"{folder}/"): sha256
            for path, sha256 in self._ledger.remote_hashes(self._key).items()
            if path.startswith(f"{folder}/")
        }

    def strayed(self) -> dict[str, str]:
        """What is not in the workspace as it was sent, by name, each with what became of it.

        Nothing where the setting ``offline`` spares the look. Raises what ``find_strayed`` does.
        """
        from brickloop.flows.look import find_strayed

        folder = self._known_folder()
        if not folder or self._settings.text("offline") not in {None, "", "0", "false"}:
            return {}
        remote = {name: f"{folder}/{name}" for name in self.uploaded()}
        return find_strayed(
            self._settings, self._target, self._key, self._ledger, remote, self._open
        )

    def forget_sent(self, name: str) -> None:
        """Forget that a file was sent."""
        self._ledger.forget_remote_object(self._key, f"{self._known_folder()}/{name}")

    def removable(self, names: Iterable[str] | None = None) -> tuple[dict[str, str], list[str]]:
        """Remote paths, by name, of what was sent and is there as it was sent; and what is not.

        Of all that was sent, or of these names. Raises what ``find_strayed`` does.
        """
        from brickloop.flows.look import find_strayed

        folder = self._known_folder()
        sent = self.uploaded()
        chosen = sent if names is None else [name for name in names if name in sent]
        remote = {name: f"{folder}/{name}" for name in chosen}
        strayed = find_strayed(
            self._settings, self._target, self._key, self._ledger, remote, self._open
        )
        for name in strayed:
            del remote[name]
        return remote, [f"{name} {what}" for name, what in strayed.items()]

    def remove_sent(self, names: Iterable[str]) -> list[str]:
        """Remove from the workspace what stands there as it was sent; the names of what was.

        Each is looked at once more; folders that are empty then go too.
        """
        from databricks.sdk.errors import NotFound
        from databricks.sdk.errors.base import DatabricksError

        from brickloop.clients.workspace import translate

        remote, _ = self.removable(names)
        if not remote:
            return []
        opened = self._open()
        with translate(opened.host):
            for path in remote.values():
                with contextlib.suppress(NotFound):
                    opened.client.workspace.delete(path)
                self._ledger.forget_remote_object(self._key, path)
        base = self._folder(opened)
        folders = {
            f"{base}/{parent}".removesuffix("/.")
            for name in remote
            for parent in PurePosixPath(name).parents
        }
        for folder in sorted(folders, key=len, reverse=True):
            # one that holds anything is refused, and stays
            with contextlib.suppress(DatabricksError):
                opened.client.workspace.delete(folder)
        return list(remote)

    def upload(self, path: Path, name: str) -> dict[str, Any]:
        """Send one file; what is remembered of it."""
        from brickloop.sync.transfer import push_file

        opened = self._open()
        remote = f"{self._folder(opened)}/{name}"
        pushed = push_file(opened.client, self._ledger, self._key, path, remote)
        if pushed.sent:
            diagnostics.note(f"uploaded {name}")
            self._learn_stamp(opened, remote)
        return {"path": remote}

    def _learn_stamp(self, opened: OpenTarget, remote: str) -> None:
        """Read back what was sent, beside other work: then the next look needs a listing alone."""
        from concurrent.futures import ThreadPoolExecutor

        from brickloop.sync.transfer import is_as_known

        known = self._ledger.remote_object(self._key, remote)
        if known is None:
            return
        with self._lock:
            if self._learner is None:
                self._learner = ThreadPoolExecutor(4)
            learner = self._learner
        self._learned.append(
            learner.submit(is_as_known, opened.client, self._ledger, self._key, known, remote)
        )

    def finish(self) -> None:
        """Wait for what is done beside other work; what fails of it is done again by a look."""
        from concurrent.futures import wait

        wait(self._learned)

    def run(
        self,
        name: str,
        fingerprint: str,
        parameters: Mapping[str, str],
        *,
        again: bool = False,
        job: GraphJob | None = None,
        facts: JobNotebookFacts | None = None,
    ) -> dict[str, Any]:
        """Run a notebook to its end and show it; with ``again`` also if such a run succeeded.

        In a ``job`` that was started its task there is followed. ``facts`` tell whether a task of
        a job's run that nobody followed to its end was this run. Ctrl-C cancels the run; where the
        setting ``on_interrupt`` is ``detach`` it goes on.

        Raises RunFailed when it does not succeed, TimedOut when it reached its time limit.
        """
        from brickloop.flows.run import failure_of

        runs = self._runs()
        request = self._request(runs.opened, name, parameters)
        record = (
            job.record(name, fingerprint)
            if job
            else self._of_job(runs, name, fingerprint, again, facts)
            or runs.ask(name, fingerprint, request, resume="active" if again else "left")
        )
        observer = runs.observe(name, record, request)
        if job:
            status, document = job.follow(name, request.name, observer)
            record = replace(record, run_id=status.run_id)
        else:
            timeout = self._settings.seconds("run_timeout")
            status, document = runs.follow(
                name, record, observer, timeout=timeout, on_interrupt=self._on_interrupt()
            )
        if not status.succeeded:
            result = runs.result(status, document)
            observer.result(result)
            observer.failure(result)
            observer.finished(result, runs.save(result, name))
            hint = f"mend it and run doit again: only {name} and what depends on it will run"
            raise failure_of(result, name, hint)
        self._followed[name] = _Followed(record.run_key, status, document, observer)
        return {"fingerprint": fingerprint, "run_id": record.run_id}

    def _of_job(
        self,
        runs: Runs,
        name: str,
        fingerprint: str,
        again: bool,
        facts: JobNotebookFacts | None,
    ) -> RunRecord | None:
        """A notebook's task in a run of a job that nobody saw the end of, None where none is."""
        from brickloop.flows.graph_job import is_of_job, own_mark
        from brickloop.jobs.status import run_status

        record = self._ledger.latest_run(self._key, name)
        states = {"running"} if again else {"running", "succeeded"}
        if record is None or not is_of_job(record) or record.run_id is None:
            return None
        meant = record.fingerprint == fingerprint
        if facts is not None and record.fingerprint == own_mark(facts.own):
            # it ran after what it needs, unless that was run once more since
            started = record.started
            before = [self._ledger.latest_run(self._key, one) for one in facts.upstream]
            meant = all(one is None or one.started <= started for one in before)
        if not meant or record.state not in states:
            return None
        try:
            status = run_status(runs.opened.client, runs.opened.host, record.run_id)
        except OutputUnavailable:
            status = None
        if status is None or (again and status.life_cycle.is_final):
            runs.end(record, "lost")
            return None
        diagnostics.note(f"{name}: taking up run {record.run_id} of a job")
        return replace(record, fingerprint=fingerprint)

    def graph_job(self, name: str | None) -> GraphJob:
        """The job that holds this folder's graph; nothing is asked for before it is started."""
        from brickloop.flows.graph_job import GraphJob

        if name is None:
            name = f"brickloop {self._label} of {self._open().user}"
        detach = self._on_interrupt() == "detach"
        return GraphJob(name, self._key, self._ledger, detach=detach)

    def start_job(
        self,
        job: GraphJob,
        notebooks: Mapping[str, JobNotebookFacts],
        wanted: list[str],
        parameters: Mapping[str, str],
    ) -> dict[str, Any]:
        """Start a run of the ``wanted`` notebooks; see ``GraphJob.start``."""
        from brickloop.flows.graph_job import JobNotebook

        runs = self._runs()
        held = {
            name: JobNotebook(
                self._request(runs.opened, name, facts.parameters), facts.upstream, facts.own
            )
            for name, facts in notebooks.items()
        }
        return {"run_id": job.start(runs, held, wanted, parameters)}

    def fetch(self, name: str, fingerprint: str) -> dict[str, Any]:
        """Fetch the output of the last run, show what was not shown live, and save it."""
        from brickloop.jobs.document_follower import DocumentFollower
        from brickloop.jobs.status import run_status

        runs = self._runs()
        record = self._ledger.latest_run(self._key, name)
        if record is None or record.run_id is None:
            raise OutputUnavailable("no run is known", where=name, hint=f"doit forget run:{name}")
        followed = self._followed.pop(name, None)
        if followed is None or followed.run_key != record.run_key:
            # another process ran it: its output is read and shown from the start
            status = run_status(runs.opened.client, runs.opened.host, record.run_id)
            document = DocumentFollower(runs.files, record.output)
            followed = _Followed(record.run_key, status, document, runs.observe(name, record, None))
            for section in document.finish(succeeded=status.succeeded):
                followed.observer.section(section)
        result = runs.result(followed.status, followed.document)
        followed.observer.result(result)
        followed.observer.finished(result, runs.save(result, name))
        followed.observer.close()
        return {"fingerprint": fingerprint}

    def state_place(self) -> tuple[RemoteFiles, str]:
        """Where the workspace keeps what is known of the project's runs: store, and path."""
        runs = self._runs()
        return runs.files, f"{self._folder(runs.opened)}.state.json"

    def observed(self, name: str) -> Observed | None:
        """What the last run of a notebook was seen to read and write, None where nobody looked."""
        from brickloop.flows.observed import read_observed
        from brickloop.runtime.recorder import OBSERVED_NAME

        runs = self._runs()
        record = self._ledger.latest_run(self._key, name)
        data = runs.files.read_if_there(f"{record.output}/{OBSERVED_NAME}") if record else None
        return read_observed(data, self._folder(runs.opened)) if data else None

    def table_digests(self, tables: Mapping[str, str]) -> dict[str, str]:
        """A digest of each table's data by its key, where one can be had; none without warehouse.

        A warehouse of a real workspace costs money while it runs, so there it must be named.
        """
        from brickloop.flows.digest import table_digest
        from brickloop.flows.job_places import find_warehouse

        opened, named = self._open(), self._settings.text("warehouse")
        if named is None and not self._target.is_local:
            return {}
        warehouse = find_warehouse(opened, named)
        if warehouse is None:
            return {}
        found = {key: table_digest(opened.client, warehouse, name) for key, name in tables.items()}
        return {key: digest for key, digest in found.items() if digest is not None}

    def _request(self, opened: OpenTarget, name: str, parameters: Mapping[str, str]) -> RunRequest:
        from brickloop.jobs.submit import NotebookWork, RunRequest, parse_compute

        return RunRequest(
            name=f"brickloop {self._label}/{name}",
            work=NotebookWork(f"{self._folder(opened)}/{name}"),
            run_key="",
            compute=parse_compute(self._settings.required("compute"), self._settings.root),
            parameters=parameters,
            timeout_seconds=math.ceil(self._settings.seconds("run_timeout")),
        )

    def _runs(self) -> Runs:
        from brickloop.flows.run import Runs

        opened = self._open()
        with self._lock:
            if self._known_runs is None:
                self._known_runs = Runs(self._settings, opened, self._key, self._ledger)
            return self._known_runs

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

    def _folder(self, opened: OpenTarget) -> str:
        from brickloop.flows.target import upload_folder

        return upload_folder(self._settings, opened.user, self._project)

    @property
    def _label(self) -> str:
        """The project in the names of jobs and runs: each target has its own."""
        target = self._settings.target
        return self._project if target is None else f"{target.name}/{self._project}"

    def _on_interrupt(self) -> Interrupt:
        value = self._settings["on_interrupt"]
        if value.value == "detach":
            return "detach"
        if value.value == "cancel":
            return "cancel"
        raise SettingsError(
            f"on_interrupt is '{value.value}'",
            where=value.source,
            hint="write 'cancel', or 'detach' to let runs go on",
        )

    def _known_folder(self) -> str | None:
        """The project's folder in the workspace as far as that is known without asking."""
        from brickloop.flows.target import upload_folder

        user = self._ledger.fact("user", self._key)
        named = self._settings.text("folder") or "~"
        if not user and (named.startswith("~") or "${" in named):
            return None
        return upload_folder(self._settings, user or "", self._project)
