"""Begins, cancels and ends runs; each is executed in a thread of its own (``run_execution``)."""

from __future__ import annotations

import logging
import threading
from typing import Any

from brickloop.localws.compute import Compute
from brickloop.localws.disk import Disk
from brickloop.localws.job_runs import begin_job_run, job_run_spec
from brickloop.localws.layout import StoreLayout
from brickloop.localws.run_execution import CANCELED, STOPPED, RunExecution, internal_ending
from brickloop.localws.run_store import RunStore

_LOG = logging.getLogger("brickloop.localws")
# a run may wait for a run that it started itself, so few slots could lock each other
_AT_ONCE = 16


class Runner:
    """Executes the runs of the store, each in a thread that waits for its kernels."""

    def __init__(
        self,
        runs: RunStore,
        compute: Compute,
        layout: StoreLayout,
        disk: Disk,
        *,
        host: str,
        token: str,
        user: str,
    ) -> None:
        self.runs = runs
        self.compute = compute
        self.layout = layout
        self.disk = disk
        self.host = host
        self.token = token
        self.user = user
        self.slots = threading.Semaphore(_AT_ONCE)
        self.turn = threading.Condition()
        self._executions: dict[int, RunExecution] = {}
        self._closed = False

    def start(self, run_id: int) -> None:
        """Begin to execute a run; returns at once."""
        execution = RunExecution(self, self.runs.run(run_id))
        with self.turn:
            if self._closed:
                self.runs.end(run_id, STOPPED)
                return
            self._executions[run_id] = execution
        threading.Thread(target=self._execute, args=(execution,), daemon=True).start()

    def cancel(self, run_id: int) -> None:
        """Ask a run, or the run that a task belongs to, to end; returns before it has."""
        run = self.runs.run(run_id)
        execution = self._executions.get(self.runs.root_of(run).run_id)
        if execution is not None:
            execution.stop(CANCELED)

    def start_job(self, job_id: int, fields: dict[str, Any], ancestors: list[int]) -> int:
        """The id of a run of a job that a task of another run begins; raises ApiError."""
        job = self.runs.job(job_id)
        spec = {**job_run_spec(job, fields, [], {}), "ancestors": ancestors}
        return begin_job_run(self.runs, job, spec, None, self.start)

    def wait(self, run_id: int) -> None:
        """Return when a run has ended."""
        with self.turn:
            self.turn.wait_for(lambda: run_id not in self._executions)

    def active_count(self) -> int:
        """How many runs have not ended."""
        return len(self._executions)

    def close(self) -> None:
        """End every run that is going on, saying why."""
        with self.turn:
            self._closed = True
            alive = list(self._executions.values())
        for execution in alive:
            execution.stop(STOPPED)
        with self.turn:
            self.turn.wait_for(lambda: not self._executions, timeout=5)

    def _execute(self, execution: RunExecution) -> None:
        run_id = execution.run.run_id
        try:
            ending = execution.execute()
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a run hanging
            _LOG.exception("run %s failed in the runner", run_id)
            ending = internal_ending(f"{type(error).__name__}: {error}")
        for attempt in self.runs.attempts(run_id):
            self.runs.end(attempt.run_id, ending)
        self.runs.end(run_id, ending)
        with self.turn:
            # a repair may have begun since the run was said to have ended
            if self._executions.get(run_id) is execution:
                del self._executions[run_id]
            self.turn.notify_all()
