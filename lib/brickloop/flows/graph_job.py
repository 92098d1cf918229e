"""The notebooks of a folder as one job of the workspace: run in one go, followed task by task.

What becomes of each notebook is recorded as for a run of its own, so that the next command decides
alike whichever way it was run.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from brickloop.display import diagnostics
from brickloop.errors import BrickloopError, OutputUnavailable, WorkFailed
from brickloop.flows.interruption import INTERRUPTION
from brickloop.model.run import LifeCycle, ResultState, RunStatus
from brickloop.sync.ledger import Ledger, RunRecord

if TYPE_CHECKING:
    from brickloop.flows.run import Runs
    from brickloop.flows.run_observer import RunObserver
    from brickloop.jobs.document_follower import DocumentFollower
    from brickloop.jobs.follow import Pace
    from brickloop.jobs.submit import RunRequest

_FACT = "graph_job"
_KEY_MARK = "job-"
_ALIVE = {"asked", "running"}
_NO_LIMIT = float(10**9)
"""Seconds: the workspace ends each task at its own time limit."""


@dataclass(frozen=True)
class JobNotebook:
    """One notebook of the graph, as the job holds it."""

    request: RunRequest
    upstream: tuple[str, ...]
    own: str
    """A hash of what its run is made of, without what comes before it."""


@dataclass(frozen=True)
class JobNotebookFacts:
    """What a job is told of a notebook; see ``JobNotebook``."""

    parameters: Mapping[str, str]
    upstream: tuple[str, ...]
    own: str


@dataclass(frozen=True)
class TaskTimes:
    """When a task ran, in seconds by the workspace's clock."""

    began: float
    ended: float
    worked: float
    """How long its own work took, without what it waited for."""

    @classmethod
    def of(cls, status: RunStatus) -> TaskTimes:
        """The times in the last look at a task."""
        ended = status.ended_ms / 1000
        worked = status.busy_ms / 1000 or max(ended - status.started_ms / 1000, 0.0)
        return cls(ended - worked, ended, worked)


class GraphJob:
    """One job and, once it is started, one run of it; its tasks are followed from many threads."""

    def __init__(self, name: str, key: str, ledger: Ledger, *, detach: bool = False) -> None:
        """With ``detach`` Ctrl-C leaves the run to itself."""
        self.name = name
        self._detach = detach
        self._key = key
        self._ledger = ledger
        self._record: RunRecord | None = None
        self._runs: Runs | None = None
        self._looks: _Looks | None = None
        self._children: dict[str, RunRecord] = {}
        self._times: dict[str, TaskTimes] = {}
        self._cancelled = False
        self._left_alone = False

    def start(
        self,
        runs: Runs,
        notebooks: Mapping[str, JobNotebook],
        wanted: list[str],
        parameters: Mapping[str, str],
    ) -> int:
        """The id of a run of the ``wanted`` notebooks of the job, which holds all ``notebooks``.

        A run that was begun for them and not seen to end is taken up again. ``parameters`` go to
        all of them. Raises what ``ensure_graph_job`` does, and WorkFailed where one of them runs
        already.
        """
        # Ctrl-C finds a run that can be cancelled, or none
        with INTERRUPTION.acting():
            return self._start(runs, notebooks, wanted, parameters)

    def record(self, notebook: str, fingerprint: str) -> RunRecord:
        """The record of a notebook's run, with the fingerprint that it has now."""
        record = replace(self._children[notebook], fingerprint=fingerprint)
        self._children[notebook] = record
        self._ledger.record_run(record)
        return record

    def follow(
        self, notebook: str, title: str, observer: RunObserver
    ) -> tuple[RunStatus, DocumentFollower]:
        """The final status of a notebook's task and its output, after its sections were shown.

        ``title`` is the name that a run of its own would have. Raises ConnectionFailed as
        ``jobs.follow`` does, and KeyboardInterrupt after Ctrl-C.
        """
        from brickloop.jobs.document_follower import DocumentFollower

        assert self._runs is not None and self._looks is not None
        runs, looks, record = self._runs, self._looks, self._children[notebook]
        document = DocumentFollower(runs.files, record.output)
        key, run_id = _task_key(notebook), record.run_id or 0

        def look() -> RunStatus:
            return replace(looks.at(key), name=title)

        try:
            last = runs.watch(run_id, document, observer, _NO_LIMIT, look)
        except BrickloopError:
            self._left_alone = True
            raise
        finally:
            runs.note_change()
        self._times[notebook] = TaskTimes.of(last)
        # a run that was tried again has another id than the one that it began with
        record = replace(record, run_id=last.run_id)
        runs.end(record, "succeeded" if last.succeeded else "failed")
        self._children[notebook] = replace(record, state="ended")
        return last, document

    def times(self, notebook: str) -> TaskTimes | None:
        """When a notebook's task ran, None where it was not followed to its end."""
        return self._times.get(notebook)

    def end(self, *, interrupted: bool) -> None:
        """Nobody follows the run any more; after Ctrl-C it is cancelled, or left to itself."""
        if interrupted and not self._detach:
            self._cancel()
        self._close(detached=interrupted)

    def _cancel(self) -> None:
        if self._runs is None or self._record is None or self._record.run_id is None:
            return
        run_id, self._cancelled = self._record.run_id, True
        try:
            self._runs.opened.client.jobs.cancel_run(run_id)
        except Exception as error:  # noqa: BLE001  whatever it is, the interrupt goes on
            diagnostics.warn(f"run {run_id} could not be cancelled and may go on: {error}")
        else:
            diagnostics.note(f"{self.name}: run {run_id} is being cancelled")

    def _close(self, *, detached: bool) -> None:
        if self._runs is None or self._record is None or self._record.run_id is None:
            return
        if self._cancelled:
            state, rest = "cancelled", "cancelled"
        elif detached or self._left_alone:
            diagnostics.note(f"{self.name}: run {self._record.run_id} goes on; build takes it up")
            return
        else:
            # what needs a notebook that failed was never run
            state, rest = "succeeded", "lost"
        self._runs.end(self._record, state)
        for child in self._children.values():
            if child.state == "running":
                self._runs.end(child, rest)

    def _start(
        self,
        runs: Runs,
        notebooks: Mapping[str, JobNotebook],
        wanted: list[str],
        parameters: Mapping[str, str],
    ) -> int:
        from brickloop.jobs.status import look_at_tasks

        self._runs = runs
        run_id = self._taken_up(runs, notebooks, wanted)
        if run_id is None:
            self._refuse_active(runs, wanted)
            run_id = self._new_run(runs, notebooks, wanted, parameters)
        assert self._record is not None
        self._record = replace(self._record, run_id=run_id, state="running")
        self._ledger.record_run(self._record)
        client, host = runs.opened.client, runs.opened.host
        self._looks = _Looks(lambda: look_at_tasks(client, host, run_id), host)
        whole, tasks = self._looks.fresh()
        counted = _counted(len(wanted))
        diagnostics.note(f"{self.name}: job run {run_id} of {counted}  {whole.page_url}")
        self._note_children(run_id, {name: notebooks[name].own for name in wanted}, tasks)
        return run_id

    def _taken_up(
        self, runs: Runs, notebooks: Mapping[str, JobNotebook], wanted: list[str]
    ) -> int | None:
        from brickloop.jobs.patience import patiently
        from brickloop.jobs.status import is_gone, run_status

        record = self._ledger.latest_run(self._key, self._known_as)
        fact = self._ledger.fact(_FACT, self._fact_key) or {}
        if record is None or record.state not in _ALIVE or fact.get("run_key") != record.run_key:
            return None
        then = fact["notebooks"]
        if any(then.get(name) != notebooks[name].own for name in wanted):
            return None
        self._record = record
        try:
            if record.run_id is None:
                run_id = patiently(lambda: self._ask(runs, fact))
            else:
                run_id = record.run_id
            run_status(runs.opened.client, runs.opened.host, run_id)
        except OutputUnavailable:
            runs.end(record, "lost")
            return None
        except BrickloopError as error:
            if not is_gone(error):
                raise
            runs.end(record, "lost")
            return None
        diagnostics.note(f"{self.name}: taking up run {run_id}, which was asked for before")
        return run_id

    def _refuse_active(self, runs: Runs, wanted: list[str]) -> None:
        """Raise WorkFailed where a run of a notebook goes on by itself: two would run at once."""
        from brickloop.jobs.status import run_status

        for name in wanted:
            record = self._ledger.latest_run(self._key, name)
            if record is None or record.state != "running" or record.run_id is None:
                continue
            try:
                status = run_status(runs.opened.client, runs.opened.host, record.run_id)
            except OutputUnavailable:
                continue
            if not status.life_cycle.is_final:
                raise WorkFailed(
                    f"run {record.run_id} of {name}, which was asked for before, still goes on",
                    where=status.page_url,
                    hint="take it up with: doit, or cancel it; then build once more",
                )

    def _new_run(
        self,
        runs: Runs,
        notebooks: Mapping[str, JobNotebook],
        wanted: list[str],
        parameters: Mapping[str, str],
    ) -> int:
        from brickloop.jobs.graph_job import GraphTask, ensure_graph_job
        from brickloop.jobs.patience import patiently

        client, host = runs.opened.client, runs.opened.host
        wheel = runs.runtime()
        tasks = [
            GraphTask(
                _task_key(name),
                replace(one.request, wheel=wheel, output=_output(runs, _task_key(name))),
                tuple(_task_key(before) for before in one.upstream),
            )
            for name, one in notebooks.items()
        ]
        known = self._ledger.fact(_FACT, self._fact_key) or {}
        job_id = ensure_graph_job(client, host, self.name, tasks, known.get("job_id"))
        run_key = f"{_KEY_MARK}{uuid.uuid4().hex}"
        fact = {
            "job_id": job_id,
            "run_key": run_key,
            "only": None
            if len(wanted) == len(notebooks)
            else sorted(_task_key(name) for name in wanted),
            "parameters": dict(parameters),
            "notebooks": {name: notebooks[name].own for name in wanted},
        }
        self._record = RunRecord(
            run_key, self._key, self._known_as, "", None, "asked", "", time.time(), None
        )
        self._ledger.record_run(self._record)
        self._ledger.record_fact(_FACT, self._fact_key, fact)
        # the key makes it harmless: an answer that was lost was to the same run
        return patiently(lambda: self._ask(runs, fact))

    def _ask(self, runs: Runs, fact: dict[str, object]) -> int:
        from brickloop.jobs.graph_job import run_tasks

        only, given = fact["only"], fact["parameters"]
        assert isinstance(given, dict)
        return run_tasks(
            runs.opened.client,
            runs.opened.host,
            int(str(fact["job_id"])),
            only if isinstance(only, list) else None,
            str(fact["run_key"]),
            given,
        )

    def _note_children(
        self, run_id: int, wanted: Mapping[str, str], tasks: Mapping[str, RunStatus]
    ) -> None:
        assert self._record is not None and self._runs is not None
        started = time.time()
        for name, own in wanted.items():
            key = _task_key(name)
            task = tasks.get(key)
            record = RunRecord(
                f"{self._record.run_key}/{key}",
                self._key,
                name,
                own_mark(own),
                task.run_id if task else None,
                "running",
                _output(self._runs, key, run_id),
                started,
                None,
            )
            self._children[name] = record
            self._ledger.record_run(record)

    @property
    def _known_as(self) -> str:
        # no notebook's name begins so
        return f"/job/{self.name}"

    @property
    def _fact_key(self) -> str:
        return f"{self._key}|{self.name}"


class _Looks:
    """One look at the run, for all who follow its tasks."""

    def __init__(self, look: Callable[[], tuple[RunStatus, dict[str, RunStatus]]], host: str):
        from brickloop.jobs.follow import Pace

        self._look = look
        self._pace: Pace = Pace.of(host)
        self._pause = self._pace.first
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._at = 0.0
        self._seen: tuple[RunStatus, dict[str, RunStatus]] | None = None

    def fresh(self) -> tuple[RunStatus, dict[str, RunStatus]]:
        """The run and its tasks as they stand, from a request unless the last one is recent."""
        with self._lock:
            if self._seen is None or time.monotonic() - self._at >= self._pause:
                last = self._seen
                self._seen = self._look()
                self._at = time.monotonic()
                came = last is None or last[1] != self._seen[1]
                self._pause = self._pace.next(self._pause, self._at - self._begun, came)
            return self._seen

    def at(self, key: str) -> RunStatus:
        """A task as it stands; one that the run does not show waits as long as the run goes on."""
        whole, tasks = self.fresh()
        if key in tasks:
            return tasks[key]
        if whole.life_cycle.is_final:
            said = whole.message or "the run ended without this task"
            return replace(whole, result=ResultState.EXCLUDED, message=said, tasks=())
        return replace(whole, life_cycle=LifeCycle.PENDING, result=None, tasks=())


def is_of_job(record: RunRecord) -> bool:
    """Whether a run is a task of a job's run: it is taken up by its id, not by its key."""
    return record.run_key.startswith(_KEY_MARK)


def own_mark(own: str) -> str:
    """What stands for the fingerprint of a task's run as long as what comes before it runs."""
    return f"own {own}"


def _counted(number: int) -> str:
    return f"{number} notebook{'' if number == 1 else 's'}"


def _task_key(notebook: str) -> str:
    from brickloop.jobs.graph_job import task_key

    return task_key(notebook)


def _output(runs: Runs, key: str, run_id: int | None = None) -> str:
    from brickloop.jobs.submit import RUN_ID

    return f"{runs.output_root()}/runs/{_KEY_MARK}{run_id or RUN_ID}/{key}"
