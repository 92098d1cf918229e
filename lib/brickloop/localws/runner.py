"""Executes runs: tasks in their order, several at once; retries, time limits and cancelling."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from brickloop.localws.command_log import CommandLog
from brickloop.localws.compute import Compute
from brickloop.localws.disk import Disk
from brickloop.localws.dynamic_values import fill_references, known_values
from brickloop.localws.kernel_job import KernelJob, KernelOutcome
from brickloop.localws.layout import StoreLayout
from brickloop.localws.run_store import Ending, Run, RunStore
from brickloop.localws.task_job import TaskRefused, prepare
from brickloop.localws.task_order import conclude, decide
from brickloop.model.run import LifeCycle, ResultState

_LOG = logging.getLogger("brickloop.localws")
# a run may wait for a run that it started itself, so few slots could lock each other
_AT_ONCE = 16
_CANCELED = Ending(LifeCycle.TERMINATED, ResultState.CANCELED, "Run cancelled.", "USER_CANCELED")
_STOPPED = Ending(
    LifeCycle.INTERNAL_ERROR,
    ResultState.FAILED,
    "The local workspace was stopped while this run was going on.",
    "INTERNAL_ERROR",
)


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
        self._executions: dict[int, _Execution] = {}
        self._closed = False

    def start(self, run_id: int) -> None:
        """Begin to execute a run; returns at once."""
        execution = _Execution(self, self.runs.run(run_id))
        with self.turn:
            if self._closed:
                self.runs.end(run_id, _STOPPED)
                return
            self._executions[run_id] = execution
        threading.Thread(target=self._execute, args=(execution,), daemon=True).start()

    def cancel(self, run_id: int) -> None:
        """Ask a run, or the run that a task belongs to, to end; returns before it has."""
        run = self.runs.run(run_id)
        execution = self._executions.get(run.parent_id or run.run_id)
        if execution is not None:
            execution.stop(_CANCELED)

    def active_count(self) -> int:
        """How many runs have not ended."""
        return len(self._executions)

    def close(self) -> None:
        """End every run that is going on, saying why."""
        with self.turn:
            self._closed = True
            alive = list(self._executions.values())
        for execution in alive:
            execution.stop(_STOPPED)
        with self.turn:
            self.turn.wait_for(lambda: not self._executions, timeout=5)

    def _execute(self, execution: _Execution) -> None:
        run_id = execution.run.run_id
        try:
            ending = execution.execute()
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a run hanging
            _LOG.exception("run %s failed in the runner", run_id)
            ending = _internal(f"{type(error).__name__}: {error}")
        for attempt in self.runs.attempts(run_id):
            self.runs.end(attempt.run_id, ending)
        self.runs.end(run_id, ending)
        with self.turn:
            del self._executions[run_id]
            self.turn.notify_all()


class _Execution:
    """One run while it goes on."""

    def __init__(self, runner: Runner, run: Run) -> None:
        self.run = run
        self._runner = runner
        self._runs = runner.runs
        self._changed = threading.Condition()
        self._stopped: Ending | None = None
        self._ends: dict[str, Ending] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._active: set[int] = set()

    def stop(self, ending: Ending) -> None:
        """End the run as ``ending`` says; the first reason stays."""
        with self._changed:
            if self._stopped is not None:
                return
            self._stopped = ending
            active = list(self._active)
            self._changed.notify_all()
        self._runs.advance(self.run.run_id, LifeCycle.TERMINATING, ending.message)
        for run_id in active:
            self._runs.advance(run_id, LifeCycle.TERMINATING, ending.message)
        # a kernel may take seconds to end; who asked does not wait for it
        for run_id in active:
            threading.Thread(
                target=self._runner.compute.cancel, args=(run_id,), daemon=True
            ).start()

    def execute(self) -> Ending:
        """Run all tasks that may run; how the whole ended."""
        self._await_turn()
        if self._stopped is None:
            self._runs.advance(self.run.run_id, LifeCycle.RUNNING)
        spec = self.run.spec
        attempts = {attempt.task_key: attempt for attempt in self._runs.attempts(self.run.run_id)}
        waiting = {task["task_key"]: task for task in spec["tasks"]}
        with _time_limit(spec.get("timeout_seconds") or 0, lambda: self.stop(_timed_out("Run"))):
            while waiting or len(self._ends) < len(spec["tasks"]):
                self._start_what_may(waiting, attempts)
                with self._changed:
                    if len(self._ends) == len(spec["tasks"]):
                        break
                    if not self._has_next(waiting):
                        self._changed.wait()
        return self._stopped or conclude(spec["tasks"], self._ends)

    def _start_what_may(
        self, waiting: dict[str, dict[str, Any]], attempts: dict[str | None, Run]
    ) -> None:
        for key, task in list(waiting.items()):
            with self._changed:
                verdict = self._stopped or decide(task, self._ends)
            if verdict is False:
                continue
            del waiting[key]
            if isinstance(verdict, Ending):
                self._runs.end(attempts[key].run_id, verdict)
                self._note_end(key, verdict)
            else:
                arguments = (attempts[key],)
                threading.Thread(target=self._run_task, args=arguments, daemon=True).start()

    def _has_next(self, waiting: dict[str, dict[str, Any]]) -> bool:
        if self._stopped is not None:
            return bool(waiting)
        return any(decide(task, self._ends) for task in waiting.values())

    def _await_turn(self) -> None:
        """Wait until a queued run of a job is among those that may go on at once."""
        limit = self.run.spec.get("queue_limit")
        if not limit:
            return

        def is_our_turn() -> bool:
            older = [
                run
                for run in self._runs.active_runs(self.run.job_id)
                if run.run_id < self.run.run_id
            ]
            return len(older) < limit or self._stopped is not None

        with self._runner.turn:
            while not is_our_turn():
                self._runs.advance(self.run.run_id, LifeCycle.QUEUED)
                self._runner.turn.wait(1)

    def _run_task(self, attempt: Run) -> None:
        key = attempt.task_key or ""
        try:
            ending = self._attempt_until_done(attempt)
        except Exception as error:  # noqa: BLE001 - the run must hear of it and end
            _LOG.exception("task %s of run %s failed in the runner", key, self.run.run_id)
            ending = _internal(f"{type(error).__name__}: {error}")
        self._note_end(key, ending)

    def _attempt_until_done(self, attempt: Run) -> Ending:
        task = attempt.spec
        while True:
            ending, outcome = self._attempt(attempt)
            if self._stopped is not None:
                ending = self._stopped
            self._values[attempt.task_key or ""] = outcome.get("task_values") or {}
            self._runs.end(attempt.run_id, ending, outcome)
            if not self._may_retry(task, attempt, ending):
                return ending
            pause = (task.get("min_retry_interval_millis") or 0) / 1000
            with self._changed:
                if self._changed.wait_for(lambda: self._stopped is not None, timeout=pause):
                    return self._stopped or ending
            attempt = self._runs.create_attempt(attempt)

    def _may_retry(self, task: dict[str, Any], attempt: Run, ending: Ending) -> bool:
        limit = task.get("max_retries") or 0
        if ending.succeeded or self._stopped is not None:
            return False
        if ending.result is ResultState.TIMEDOUT and not task.get("retry_on_timeout"):
            return False
        return limit < 0 or attempt.attempt < limit

    def _attempt(self, attempt: Run) -> tuple[Ending, dict[str, Any]]:
        log = CommandLog(self._runner.layout.runs / str(attempt.run_id), self._runner.disk)
        timed_out = threading.Event()

        def end_it() -> None:
            timed_out.set()
            self._runner.compute.cancel(attempt.run_id)

        with self._runner.slots, self._registered(attempt.run_id):
            if self._stopped is not None:
                return self._stopped, {}
            try:
                # what is missing is told before anything is waited for
                job = self._job(attempt)
            except TaskRefused as refused:
                return refused.ending, {"error": refused.ending.message}
            with self._runner.compute.lease() as (endpoint, pool):
                if self._stopped is not None:
                    return self._stopped, {}
                self._runs.advance(attempt.run_id, LifeCycle.RUNNING)
                with _time_limit(attempt.spec.get("timeout_seconds") or 0, end_it):
                    outcome = pool.run(replace(job, engine=endpoint), log.record)
            if outcome.status != "success":
                # whatever it had the engine do may go on there
                self._runner.compute.look_after_stop(endpoint)
            log.finish()
        return _ending(outcome, timed_out.is_set()), vars(outcome)

    def _job(self, attempt: Run) -> KernelJob:
        spec, key = self.run.spec, attempt.task_key or ""
        known = known_values(
            job_id=self.run.job_id,
            job_name=self.run.name,
            job_run_id=self.run.run_id,
            task_key=key,
            task_run_id=attempt.run_id,
            attempt=attempt.attempt,
            started_ms=self.run.created_ms,
            parameters=spec.get("parameters") or {},
            task_values=self._values,
            results={name: end.result.value for name, end in self._ends.items()},
        )
        job = KernelJob(
            run_id=attempt.run_id,
            root=str(self._runner.layout.root),
            engine="",
            task=fill_references(attempt.spec, known),
            parameters=fill_references(spec.get("parameters") or {}, known),
            user=self._runner.user,
            host=self._runner.host,
            token=self._runner.token,
            job_id=self.run.job_id,
            task_key=key,
            parent_run_id=self.run.run_id,
            task_values=dict(self._values),
        )
        return prepare(job, self._runner.layout, spec.get("environments") or [])

    def _note_end(self, key: str, ending: Ending) -> None:
        with self._changed:
            self._ends[key] = ending
            self._changed.notify_all()

    @contextmanager
    def _registered(self, run_id: int) -> Iterator[None]:
        with self._changed:
            self._active.add(run_id)
        try:
            yield
        finally:
            with self._changed:
                self._active.discard(run_id)


@contextmanager
def _time_limit(seconds: float, act: Any) -> Iterator[None]:
    if seconds <= 0:
        yield
        return
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _ending(outcome: KernelOutcome, timed_out: bool) -> Ending:
    if outcome.status == "success":
        return Ending(LifeCycle.TERMINATED, ResultState.SUCCESS)
    if outcome.status == "timedout" or (timed_out and outcome.status == "canceled"):
        return _timed_out("Task")
    if outcome.status == "canceled":
        return _CANCELED
    if outcome.status == "failed":
        text = "Workload failed, see run output for details"
        return Ending(LifeCycle.TERMINATED, ResultState.FAILED, text, "RUN_EXECUTION_ERROR")
    return Ending(
        LifeCycle.INTERNAL_ERROR, ResultState.FAILED, outcome.error or "died", "DRIVER_ERROR"
    )


def _timed_out(what: str) -> Ending:
    return Ending(LifeCycle.TERMINATED, ResultState.TIMEDOUT, f"{what} timed out", "CANCELED")


def _internal(message: str) -> Ending:
    return Ending(LifeCycle.INTERNAL_ERROR, ResultState.FAILED, message, "INTERNAL_ERROR")
