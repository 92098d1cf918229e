"""The tasks that doit sees: upload, run and fetch for each notebook of a folder.

Whether a task is up to date is decided here, from contents and the ledger alone: no network, no
engine, and none of the heavy libraries. A plain `doit` is given only the tasks that may have
something to do; where nothing can have changed, not even that is worked out.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.config.settings import Settings, find_root, load_settings
from brickloop.display import diagnostics
from brickloop.display.fault import report_failure
from brickloop.errors import UsageError
from brickloop.flows.interruption import INTERRUPTION
from brickloop.flows.project import ProjectFile
from brickloop.flows.target import ledger_key
from brickloop.graph import session
from brickloop.graph.decision import Step
from brickloop.graph.doit_task import OutputRemoval, doit_task
from brickloop.graph.fingerprint import RunDigest
from brickloop.graph.memory import ASSUME, task_name
from brickloop.graph.notebook_graph import GraphRequest, NotebookGraph
from brickloop.graph.state import state_name
from brickloop.graph.waking import keep_awake

if TYPE_CHECKING:
    from brickloop.flows.graph_job import GraphJob, JobNotebookFacts

_INTERRUPTED = 130
_NO_JOB = {None, "", "false"}
"""What the setting ``as_job`` is where each notebook is a run of its own."""


def doit_config() -> dict[str, Any]:
    """doit's settings for brickloop's tasks; a wrong setting ends the process with exit code 2."""
    with _for_people():
        settings = _settings()
        name = state_name(settings.state_folder / "ledger.db", ledger_key(settings))
    return {
        "backend": "brickloop",
        "reporter": "brickloop",
        "dep_file": name,
        "verbosity": 2,
        # processes would each open the workspace, and cannot be told what became of the others
        "par_type": "thread",
    }


def notebook_tasks(
    folder: str | Path,
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    depends: Mapping[str, Mapping[str, Any]] | None = None,
    tags: Mapping[str, Iterable[str]] | None = None,
) -> Iterator[dict[str, Any]]:
    """The tasks of the notebooks in a folder, for a ``task_...`` function of a dodo.py.

    ``parameters`` gives a notebook's parameters by its name. ``depends`` declares what cannot be
    read from a notebook: ``{"02_clean": {"reads": ["sales.raw"], "files": ["data/x.csv"]}}``, with
    ``writes`` too. ``tags`` gives notebooks words to choose them by. What is wrong with the folder
    is said on stderr and ends the process with the error's exit code, before anything is done.
    """
    with _for_people():
        INTERRUPTION.listen()
        keep_awake()
        settings = _settings()
        request = GraphRequest(settings.root / folder, parameters or {}, depends or {}, tags or {})
        graph = NotebookGraph(settings, request)
        if session.collects(graph):
            return
        choice = session.choice()
        everything = choice is None and session.wants_everything(_dodo_names())
        job = settings.text("as_job")
        if everything:
            done = graph.all_done()
            if done is not None:
                session.note_up_to_date(done)
                return
            stamp = graph.stamp()
        maker = TaskMaker(graph)
        session.register(graph)
        if job not in _NO_JOB:
            name = None if job == "true" else job
            if choice is None and session.wants_all_tasks():
                graph.forget_strangers()
                choice = session.Choice(force=session.wants_again(), as_job=True, job_name=name)
            elif choice is not None and not choice.as_job:
                choice = replace(choice, as_job=True, job_name=name)
        if choice is not None:
            tasks = list(maker.chosen_tasks(choice))
        else:
            tasks = list(maker.stale_tasks() if everything else maker.all_tasks())
    if everything:
        session.remember_when_done(lambda: graph.record_all_done(stamp))
    yield from tasks


class TaskMaker:
    """Makes doit's tasks out of a graph."""

    def __init__(self, graph: NotebookGraph) -> None:
        self._graph = graph
        self._project = graph.project
        self._made: set[str] | None = None
        """The tasks that are made, None for all: a dependency on another one is left out."""
        self._choice = session.Choice()
        self._ended: dict[str, float] = {}
        """When each notebook that was run now had ended."""
        self._may_send = False
        self._job: GraphJob | None = None
        self._in_job: frozenset[str] = frozenset()
        """The notebooks that the run of a job runs."""

    def all_tasks(self) -> Iterator[dict[str, Any]]:
        """Every task, done or not."""
        notebooks = self._project.notebooks
        # doit takes the first kind first: so each notebook is shown before the next one is run
        yield from (self._fetch(notebook) for notebook in notebooks)
        yield from (self._run(notebook) for notebook in notebooks)
        yield from (self._upload(name) for name in self._needed(self._project.reaches))

    def stale_tasks(self) -> Iterator[dict[str, Any]]:
        """The tasks that may have something to do; what is left out is up to date."""
        self._graph.forget_strangers()
        decisions = self._graph.decisions(explain=False)
        running = {Step.RUN, Step.PERHAPS}
        runs = [name for name, found in decisions.items() if found.step in running]
        fetches = [
            name for name, found in decisions.items() if found.step in {*running, Step.FETCH}
        ]
        uploads = sorted({name for found in decisions.values() for name in found.uploads})
        session.note_up_to_date(len(decisions) - len(fetches))
        if runs or uploads:
            self._require_committed()
        self._made = {
            *(f"run:{task_name(name)}" for name in runs),
            *(f"upload:{task_name(name)}" for name in uploads),
        }
        files = self._project.files
        yield from (self._fetch(files[name]) for name in fetches)
        yield from (self._run(files[name]) for name in runs)
        yield from (self._upload(name) for name in uploads)

    def chosen_tasks(self, choice: session.Choice) -> Iterator[dict[str, Any]]:
        """The tasks of the notebooks that are chosen, and of what is sent for them.

        What they depend on is not worked on; that it should be is said.
        """
        graph, project = self._graph, self._project
        names = graph.select(choice.select, choice.exclude)
        self._choice = choice
        self._leave_the_others(set(names))
        uploads = self._needed(names)
        if graph.settings.is_protected and (choice.force or self._has_work(names)):
            self._require_committed()
        self._made = {
            *(f"run:{task_name(name)}" for name in names),
            *(f"upload:{task_name(name)}" for name in uploads),
        }
        if choice.as_job:
            yield from self._job_task(names, uploads)
        yield from (self._fetch(project.files[name]) for name in names)
        yield from (self._run(project.files[name]) for name in names)
        yield from (self._upload(name) for name in uploads)

    def _job_task(self, names: list[str], uploads: list[str]) -> Iterator[dict[str, Any]]:
        """The task that starts the job's run, when all is sent; none where nothing has to run."""
        graph, project = self._graph, self._project
        choice, chosen = self._choice, set(names)
        wanted: list[str] = []
        for name, before in project.upstream.items():
            stale = graph.memory.done("run", name) != graph.prints.of(name)
            # what a run leaves is known when the job has gone on already
            if name in chosen and (choice.force or stale or not set(before).isdisjoint(wanted)):
                wanted.append(name)
        if not wanted:
            return
        if choice.job_name and session.has_job():
            raise UsageError(
                "the dodo.py asks for several folders, and one job holds one of them",
                hint="leave the name out: each has a job of its own then",
            )
        self._job = graph.deployment.graph_job(choice.job_name)
        self._in_job = frozenset(wanted)
        session.add_job(self._job)
        label = task_name(graph.folder.name)
        if self._made is not None:
            self._made.add(f"job:{label}")
        parameters = {"full_refresh": "true"} if choice.full_refresh else {}
        yield {
            **doit_task(
                "job",
                graph.folder.name,
                partial(self._start_job, self._job, wanted, parameters),
                uptodate=False,
                task_dep=[f"upload:{task_name(name)}" for name in uploads],
            ),
            "doc": "start the run of the job",
        }

    def _start_job(
        self, job: GraphJob, wanted: list[str], parameters: dict[str, str]
    ) -> dict[str, Any]:
        graph = self._graph
        facts = {name: self._facts(name) for name in self._project.upstream}
        return graph.deployment.start_job(job, facts, wanted, parameters)

    def _facts(self, name: str) -> JobNotebookFacts:
        from brickloop.flows.graph_job import JobNotebookFacts

        graph = self._graph
        upstream = self._project.upstream[name]
        return JobNotebookFacts(graph.parameters.get(name, {}), upstream, graph.prints.own(name))

    def _leave_the_others(self, chosen: set[str]) -> None:
        decisions = self._graph.decisions(explain=False)
        left: dict[str, str] = {}
        for name in chosen:
            for before in self._project.upstream[name]:
                stale = decisions[before].step in {Step.RUN, Step.PERHAPS}
                if before not in chosen and stale:
                    left[before] = self._graph.memory.done("run", before) or "never"
                    diagnostics.warn(
                        f"{name} reads what {before} makes, which is not up to date and not chosen",
                        f"it sees what is there; +{name} chooses both",
                    )
        self._graph.prints.leave(left)

    def _has_work(self, names: Iterable[str]) -> bool:
        """Whether anything has to be sent or run for notebooks."""
        decisions = self._graph.decisions(explain=False)
        chosen = [decisions[name] for name in names]
        return any(one.step in {Step.RUN, Step.PERHAPS} or one.uploads for one in chosen)

    def _needed(self, notebooks: Iterable[str]) -> list[str]:
        """What is sent for notebooks: they themselves and all that they reach."""
        found = set(notebooks)
        return sorted(found.union(*(self._project.reaches[name] for name in found)))

    def _upload(self, name: str) -> dict[str, Any]:
        file = self._project.files[name]
        return doit_task(
            "upload",
            name,
            partial(self._send, file),
            uptodate=self._graph.memory.uploaded(name) == file.sha256,
            meta={ASSUME: partial(self._assume_sent, name)},
            doc=f"send {file.relative} to the workspace",
        )

    def _run(self, notebook: ProjectFile) -> dict[str, Any]:
        graph, name = self._graph, notebook.name
        return doit_task(
            "run",
            name,
            partial(self._work, notebook),
            uptodate=self._is_current(name),
            task_dep=self._only_made(
                [
                    *(f"upload:{task_name(one)}" for one in (name, *self._project.reaches[name])),
                    *(f"run:{task_name(before)}" for before in self._project.upstream[name]),
                    *([f"job:{task_name(graph.folder.name)}"] if name in self._in_job else []),
                ]
            ),
            meta={ASSUME: partial(self._assume_run, name)},
            doc=f"run {notebook.relative} as a job",
        )

    def _send(self, file: ProjectFile) -> dict[str, Any]:
        self._require_committed()
        return self._graph.deployment.upload(file.path, file.name)

    def _require_committed(self) -> None:
        """Raise UsageError where a protected target may not get what is here; git is asked once."""
        if not self._may_send:
            self._graph.require_committed(self._needed(self._project.reaches))
            self._may_send = True

    def _work(self, notebook: ProjectFile) -> dict[str, Any]:
        self._require_committed()
        graph, name = self._graph, notebook.name
        fingerprint = graph.prints.of(name)
        parameters = dict(graph.parameters.get(name, {}))
        if self._choice.full_refresh:
            parameters["full_refresh"] = "true"
        job = self._job if name in self._in_job else None
        begun = time.time()
        values = graph.deployment.run(
            name,
            fingerprint,
            parameters,
            again=session.wants_again(),
            job=job,
            facts=self._facts(name),
        )
        ended = time.time()
        times = job.times(name) if job else None
        if times is not None:
            begun, ended = times.began, times.ended
            session.record_seconds(f"run:{task_name(name)}", times.worked)
        self._learn(notebook, begun)
        now = graph.prints.of(name)
        self._keep_digest(name, now)
        graph.memory.record_inputs(name, graph.prints.inputs(name), notebook.facts.cells)
        graph.prints.forget(name)
        self._ended[name] = ended
        return {**values, "fingerprint": now}

    def _learn(self, notebook: ProjectFile, begun: float) -> None:
        """Take what the run was seen to read among its inputs, if that was made before it began.

        Else the next look finds a dependency that this run did not honour, and has it run again.
        """
        graph, name = self._graph, notebook.name
        seen = graph.deployment.observed(name)
        if seen is None:
            return
        seen = replace(seen, code=notebook.facts.code)
        graph.memory.record_observed(name, seen)
        reads = [table for table in seen.reads if table not in seen.writes]
        known = self._project.upstream[name]
        more = {
            maker: tables
            for maker, tables in self._project.tables.makers_of(reads, name).items()
            if maker not in known
        }
        files = [one for one in seen.files if one in self._project.files and one != name]
        late = [maker for maker in more if self._ended.get(maker, 0.0) > begun]
        if not late and not any(self._is_stale(maker) for maker in more):
            graph.prints.extend(name, more, files)

    def _is_stale(self, name: str) -> bool:
        if name in self._ended:
            return False
        return self._graph.memory.done("run", name) != self._graph.prints.of(name)

    def _keep_digest(self, name: str, fingerprint: str) -> None:
        """Note what data the run left in tables that others read and nobody else changes."""
        graph, project = self._graph, self._project
        tables: dict[str, str] = {}
        for after, before in project.upstream.items():
            if name in before:
                tables |= graph.prints.tables_between(name, after)
        alone = {
            short: full for short, full in tables.items() if project.tables.has_one_maker(full)
        }
        if alone:
            digests = graph.deployment.table_digests(alone)
            graph.memory.record_digest(name, RunDigest(fingerprint, digests))

    def _fetch(self, notebook: ProjectFile) -> dict[str, Any]:
        graph, name = self._graph, notebook.name
        return doit_task(
            "fetch",
            name,
            lambda: graph.deployment.fetch(name, graph.prints.of(name)),
            uptodate=self._is_current(name),
            task_dep=self._only_made([f"run:{task_name(name)}"]),
            targets=[str(path) for path in graph.deployment.outputs.files(name)],
            clean=[OutputRemoval(graph.deployment.outputs, graph.settings.root, name)],
            meta={ASSUME: partial(self._assume_run, name)},
            doc=f"fetch, show and save the output of {notebook.relative}",
        )

    def _assume_sent(self, name: str) -> dict[str, Any] | str:
        if self._graph.memory.uploaded(name) == self._project.files[name].sha256:
            return {}
        return "it is not in the workspace as it is here: doit sends it"

    def _assume_run(self, name: str) -> dict[str, Any] | str:
        graph = self._graph
        if not graph.deployment.outputs.are_there(name):
            return "there is no output of it here"
        cells = self._project.files[name].facts.cells
        graph.memory.record_inputs(name, graph.prints.inputs(name), cells)
        return {"fingerprint": graph.prints.of(name)}

    def _is_current(self, name: str) -> Callable[[Any, dict[str, Any]], bool]:
        def check(task: Any, values: dict[str, Any]) -> bool:
            # only now: what runs before this one may have left the same data as the last time
            now = self._graph.prints.of(name)
            again = self._choice.force or name in self._in_job
            return bool(values.get("fingerprint") == now and not again)

        return check

    def _only_made(self, names: list[str]) -> list[str]:
        return names if self._made is None else [name for name in names if name in self._made]


def _dodo_names() -> Mapping[str, Any]:
    """What the dodo.py defines that asks for tasks."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "") == __name__:
        frame = frame.f_back
    return frame.f_globals


def _settings() -> Settings:
    choice = session.choice()
    detach = "detach" if choice is not None and choice.detach else None
    overrides = {"on_interrupt": detach, "target": session.target_variable()}
    return load_settings(find_root(Path.cwd()), overrides=overrides)


@contextlib.contextmanager
def _for_people() -> Iterator[None]:
    """doit would show a traceback for an error while a dodo.py is loaded."""
    try:
        yield
    except Exception as error:
        if session.is_collecting():
            raise
        code, _ = report_failure(error, find_root(Path.cwd()))
        sys.exit(code)
