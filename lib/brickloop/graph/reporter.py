"""doit's reporters: for people, and as JUnit XML or JSON for programs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from brickloop.display import diagnostics
from brickloop.display.screen import SCREEN
from brickloop.flows.interruption import INTERRUPTION
from brickloop.graph import ci, session
from brickloop.graph.memory import notebook_name
from brickloop.graph.reports import as_json, as_junit, as_lines
from brickloop.graph.summary import NotebookOutcome, State, Summary, critical_path

_RUN = "run:"
_FETCH = "fetch:"
_INTERRUPTED = 130


class BrickloopReporter:
    """A reporter of doit (its ``doit.REPORTER`` entry point)."""

    desc = "what was done and what failed; nothing to do is said in one line"

    def __init__(self, outstream: Any, options: dict[str, Any]) -> None:
        self._out = outstream
        self._options = options
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._executed = 0
        self._failed = False
        self._sections = ci.LogSections(os.environ, one_by_one=session.runs_one_by_one())
        self._started: dict[str, float] = {}
        self._runs: dict[str, NotebookOutcome] = {}
        self._selected: list[str] = []
        self._waiting: set[str] = set()
        """The runs that have neither begun nor been found up to date."""

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Called before the first task."""
        wanted: set[str] = set()
        waiting = [name for name in selected_tasks if name in tasks]
        while waiting:
            name = waiting.pop()
            if name not in wanted:
                wanted.add(name)
                waiting += [other for other in tasks[name].task_dep if other in tasks]
        self._selected = [name for name in tasks if name in wanted and name.startswith(_RUN)]
        self._waiting = {name for name in self._selected if tasks[name].actions}

    def get_status(self, task: Any) -> None:
        """Called before a task's status is looked up."""

    def execute_task(self, task: Any) -> None:
        """Called before a task is run, from the thread that runs it."""
        with self._lock:
            if task.actions:
                self._executed += 1
            self._started[task.name] = time.monotonic()
            self._tell_waiting()
            if task.name.startswith(_RUN):
                self._write(self._sections.begin(notebook_name(task.name)))

    def add_success(self, task: Any) -> None:
        """Called after a task succeeded."""
        if task.name.startswith(_FETCH):
            self._write(self._sections.end())
        self._note(task, State.SUCCEEDED)

    def add_failure(self, task: Any, fail: Any) -> None:
        """Called after a task failed; a failure of ours has been shown where it happened."""
        self._failed = True
        message = session.message_of(task.name) or fail.get_msg().strip()
        unmet = type(fail).__name__ == "UnmetDependency"
        self._note(task, State.SKIPPED if unmet else State.FAILED, message)
        if not session.was_shown(task.name) and not unmet:
            for line in message.splitlines():
                self._out.write(f"{task.name}: {line}\n")

    def skip_uptodate(self, task: Any) -> None:
        """Called for a task that is up to date."""
        self._note(task, State.UP_TO_DATE)

    def skip_ignore(self, task: Any) -> None:
        """Called for a task that ``doit ignore`` switched off."""
        self._out.write(f"ignored: {task.name}\n")

    def cleanup_error(self, exception: Any) -> None:
        """Called when a teardown fails."""
        self._out.write(f"{exception.get_msg()}\n")

    def runtime_error(self, msg: str) -> None:
        """Called for an error outside tasks."""
        self._out.write(f"error: {msg}\n")

    def teardown_task(self, task: Any) -> None:
        """Called before a task's teardown."""

    def complete_run(self) -> None:
        """Called last: what sums up, and the exit code that doit does not know."""
        SCREEN.tell_waiting(0)
        self._write(self._sections.end())
        if INTERRUPTION.pressed:
            INTERRUPTION.wait()
            raise SystemExit(_INTERRUPTED)
        summary = self.summary()
        self.show(summary)
        root = Path.cwd()
        for line in ci.annotate(summary, os.environ):
            self._out.write(f"{line}\n")
        if summary.worked:
            told = ci.write_step_summary(summary, root, os.environ)
            if told:
                self._out.write(f"{told}\n")
        for path in ci.write_files(summary, root, os.environ):
            diagnostics.note(f"wrote {path}")
        if not self._failed:
            session.all_done()
        code = session.exit_code()
        if code:
            # doit says 2 where something could not be run because what it needs failed
            raise SystemExit(code)

    def show(self, summary: Summary) -> None:
        """Show what came of it."""
        if not self._executed and not self._failed:
            count = summary.count(State.UP_TO_DATE)
            noun = "notebook is" if count == 1 else "notebooks are"
            self._out.write(f"nothing to do: {count} {noun} up to date\n")
        for line in as_lines(summary):
            diagnostics.note(line)

    def summary(self) -> Summary:
        """What came of it, as far as it has come."""
        for task in self._selected:
            if task not in self._runs and notebook_name(task):
                self._runs[task] = NotebookOutcome(notebook_name(task), State.NOT_REACHED)
        outcomes = tuple(self._runs[task] for task in self._selected if task in self._runs)
        spent = {one.name: one.seconds for one in outcomes if one.state is State.SUCCEEDED}
        return Summary(
            outcomes,
            time.monotonic() - self._begun,
            critical_path(spent, session.upstream()),
            session.up_to_date(),
        )

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()

    def _failed_before(self, name: str) -> list[str]:
        gone = {State.FAILED, State.SKIPPED}
        failed = {one.name for one in self._runs.values() if one.state in gone}
        return [before for before in session.upstream().get(name, ()) if before in failed]

    def _note(self, task: Any, state: State, message: str = "") -> None:
        if not task.name.startswith(_RUN):
            return
        with self._lock:
            name = notebook_name(task.name)
            if state is State.SKIPPED:
                message = f"needs {', '.join(self._failed_before(name)) or 'what failed'}"
            begun = self._started.get(task.name)
            spent = session.seconds_of(task.name)
            if spent is None:
                spent = time.monotonic() - begun if begun is not None else 0.0
            file, line = session.place_of(name, failed=state is State.FAILED)
            self._runs[task.name] = NotebookOutcome(name, state, spent, message, file, line)
            self._tell_waiting()

    def _tell_waiting(self) -> None:
        left = self._waiting - self._started.keys() - self._runs.keys()
        if len(left) != len(self._waiting):
            self._waiting = left
            SCREEN.tell_waiting(len(left))


class JunitReporter(BrickloopReporter):
    """Writes JUnit XML: ``doit -r junit -o report.xml``."""

    desc = "JUnit XML, a test case for each notebook"

    def show(self, summary: Summary) -> None:
        """Write the summary as XML."""
        self._out.write(as_junit(summary))


class SummaryReporter(BrickloopReporter):
    """Writes JSON: ``doit -r summary -o summary.json``."""

    desc = "JSON, what came of each notebook"

    def show(self, summary: Summary) -> None:
        """Write the summary as JSON."""
        self._out.write(as_json(summary))
