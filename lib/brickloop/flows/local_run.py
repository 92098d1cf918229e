"""A notebook run at once in the local kernel: no upload, no server, the same output and result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.config.settings import Settings
from brickloop.display import diagnostics
from brickloop.errors import UsageError
from brickloop.flows.job_places import texts_of
from brickloop.jobs.cells import read_cell
from brickloop.jobs.document_follower import DocumentFollower
from brickloop.local_kernel import LocalKernel
from brickloop.model.job_result import JobResult, job_result
from brickloop.model.run import CellResult, LifeCycle, ResultState, RunResult, RunStatus
from brickloop.sync.ledger import Ledger

if TYPE_CHECKING:
    from brickloop.display.run_view import RunView

_STATES = {
    "success": ResultState.SUCCESS,
    "failed": ResultState.FAILED,
    "died": ResultState.FAILED,
    "canceled": ResultState.CANCELED,
    "timedout": ResultState.TIMEDOUT,
}
_DONE = {"finished", "error"}


class LocalRuns:
    """Runs notebooks of one project in a kernel that is kept warm."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kernel = LocalKernel(
            settings.state_folder / "local", settings.text("local.engine") or ""
        )
        self._lock = threading.Lock()
        self._running: dict[int, _LocalRun] = {}
        self._last_id = 0

    def warm_up(self) -> None:
        """Start the kernel, so that the first run finds it ready; returns at once."""
        self._kernel.start()

    def run(
        self,
        path: Path,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        show: bool = True,
        from_changed: bool = False,
        on_run: Callable[[int], None] | None = None,
    ) -> JobResult:
        """What a notebook gives: cells, output document, exit value, error; a failure is a result.

        Its cells are shown as they end and its sections as they come. ``from_changed`` keeps the
        first cells of the last run where neither they nor what they used has changed. ``on_run`` is
        told the number that ``cancel`` takes. Raises UsageError for what is no notebook,
        NotebookError for a broken one, ConnectionFailed where the kernel does not start; Ctrl-C
        ends the run.
        """
        from brickloop.display.run_view import RunView
        from brickloop.flows.reach import read_reach
        from brickloop.flows.run_events import figure_keeper

        if not path.is_file():
            raise UsageError("there is no such file", where=str(path))
        given = texts_of(parameters or {})
        limit = self._settings.seconds("run_timeout") if timeout is None else timeout
        ledger = Ledger(self._settings.state_folder / "ledger.db")
        try:
            base, file, reached = read_reach(path.resolve(), ledger)
        finally:
            ledger.close()
        if not file.is_notebook:
            raise UsageError(
                "is no notebook, and only notebooks run locally",
                where=str(path),
                hint="line 1 of a notebook is '# Databricks notebook source'",
            )
        with self._lock:
            run = _LocalRun(self._next_id(), file.name, time.monotonic() + limit)
            self._running[run.id] = run
        keep = figure_keeper(self._settings.state_folder / "runs" / str(run.id))
        view = RunView(file.name, keep_figure=keep) if show else None
        files = [(each.name, each.path) for each in (file, *reached)]
        events = self._kernel.run(
            run.id,
            base.name or "notebooks",
            file.name,
            files,
            given,
            from_changed=from_changed,
        )
        if on_run is not None:
            on_run(run.id)
        try:
            for event in events:
                run.take(event, view)
                if event is not None and event["k"] == "begun" and run.is_canceled:
                    # it was cancelled before the kernel knew of it
                    self._kernel.cancel(run.id)
                if time.monotonic() > run.deadline and not run.is_canceled:
                    run.timed_out = True
                    self._cancel(run)
        except KeyboardInterrupt:
            self._cancel(run)
            diagnostics.note(f"{file.name}: the run is being cancelled")
            raise
        finally:
            events.close()
            with self._lock:
                del self._running[run.id]
            if view is not None:
                view.close()
        return self._conclude(run, view)

    def cancel(self, run_id: int) -> None:
        """End a run that goes on; it then has the state CANCELED."""
        with self._lock:
            run = self._running.get(run_id)
        if run is not None:
            self._cancel(run)

    def close(self) -> None:
        """End the kernel, with what runs in it."""
        self._kernel.close()

    def _cancel(self, run: _LocalRun) -> None:
        run.is_canceled = True
        self._kernel.cancel(run.id)

    def _next_id(self) -> int:
        # also of a workspace's runs none has such a number
        self._last_id = max(self._last_id + 1, time.time_ns() // 1000)
        return self._last_id

    def _conclude(self, run: _LocalRun, view: RunView | None) -> JobResult:
        from brickloop.report.saved import save_outputs

        result = run.result()
        cut = result.status.result is ResultState.CANCELED
        if view is not None and cut:
            diagnostics.note(f"{run.name}: cancelled")
        elif view is not None and not result.status.succeeded:
            view.failure(result)
        folder = self._settings.root / self._settings.required("outputs")
        saved: tuple[str, ...] = ()
        if not cut:
            root = self._settings.root
            saved = tuple(
                path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
                for path in save_outputs(result, folder, run.name)
            )
        if view is not None:
            view.finished(result, saved)
        return job_result(result, run.name, saved=saved)


@dataclass
class _LocalRun:
    """One run while it goes on, and what is known of it."""

    id: int
    name: str
    deadline: float
    is_canceled: bool = False
    timed_out: bool = False
    begun: float = field(default_factory=time.time)
    cells: dict[float, CellResult] = field(default_factory=dict)
    document: DocumentFollower | None = None
    outcome: dict[str, Any] = field(default_factory=dict)

    def take(self, event: dict[str, Any] | None, view: RunView | None) -> None:
        """Take in what was heard, and show what is new."""
        if event is None:
            self._show_sections(view)
            if view is not None:
                view.tick(self.status(), time.time() - self.begun)
        elif event["k"] == "begun":
            # until now the kernel was starting
            self.begun = time.time()
            self.document = DocumentFollower(_Folder(Path(event["output"])), event["output"])
            if view is not None and (event.get("kept") or event.get("why")):
                view.kept(event.get("kept", 0), event["why"], network=event["network"])
        elif event["k"] == "command":
            command = event["command"]
            cell = read_cell(round(command["position"]) - 1, command)
            self.cells[command["position"]] = cell
            if cell.state in _DONE:
                # a section stands before the end of the cell that made it
                self._show_sections(view)
                if view is not None:
                    view.cells((cell,))
        elif event["k"] == "outcome":
            self.outcome = event
            self._show_sections(view, last=True)

    def status(self) -> RunStatus:
        """Where the run stands."""
        result = _STATES[self.outcome["status"]] if self.outcome else None
        if result is ResultState.CANCELED and self.timed_out:
            result = ResultState.TIMEDOUT
        started = LifeCycle.PENDING if self.document is None else LifeCycle.RUNNING
        return RunStatus(
            run_id=self.id,
            task_run_id=self.id,
            life_cycle=LifeCycle.TERMINATED if self.outcome else started,
            result=result,
            message="",
            page_url="",
            started_ms=round(self.begun * 1000),
            ended_ms=round(time.time() * 1000) if self.outcome else 0,
            name=self.name,
        )

    def result(self) -> RunResult:
        """All that is known of the run, which has ended."""
        return RunResult(
            self.status(),
            exit_value=self.outcome["exit_value"],
            error=self.outcome["error"],
            error_trace=self.outcome["error_trace"],
            cells=tuple(self.cells[position] for position in sorted(self.cells)),
            document=self.document.document() if self.document is not None else None,
        )

    def _show_sections(self, view: RunView | None, *, last: bool = False) -> None:
        if self.document is None:
            return
        succeeded = self.outcome.get("status") == "success"
        found = self.document.finish(succeeded=succeeded) if last else self.document.poll()
        if view is not None:
            for section in found:
                view.section(section)


class _Folder:
    """The real folder of an output document, for who reads it; nothing outside of it is read."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read_if_there(self, path: str) -> bytes | None:
        """A file's bytes, None where there is none."""
        real = Path(path)
        if not real.resolve().is_relative_to(self._root.resolve()):
            return None
        try:
            return real.read_bytes()
        except OSError:
            return None

    def names(self, path: str) -> list[str] | None:
        """The names in a folder, None where there is none."""
        try:
            return [entry.name for entry in Path(path).iterdir()]
        except OSError:
            return None
