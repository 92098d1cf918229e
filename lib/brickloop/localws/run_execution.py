"""One run on its way: tasks in their order, several at once; retries, time limits, cancelling."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from brickloop.localws.command_log import CommandLog
from brickloop.localws.control_tasks import holds, input_values, read_inputs
from brickloop.localws.dynamic_values import fill_references, known_values
from brickloop.localws.job_runs import RUN_FIELDS, latest_attempts
from brickloop.localws.kernel_job import KernelJob, KernelOutcome
from brickloop.localws.run_store import Ending, Run
from brickloop.localws.task_job import TaskRefused, prepare
from brickloop.localws.task_order import conclude, decide
from brickloop.localws.wire import ApiError
from brickloop.model.run import LifeCycle, ResultState

if TYPE_CHECKING:
    from brickloop.localws.runner import Runner

_LOG = logging.getLogger("brickloop.localws")
CANCELED = Ending(LifeCycle.TERMINATED, ResultState.CANCELED, "Run cancelled.", "USER_CANCELED")
STOPPED = Ending(
    LifeCycle.INTERNAL_ERROR,
    ResultState.FAILED,
    "The local workspace was stopped while this run was going on.",
    "INTERNAL_ERROR",
)
_SUCCESS = Ending(LifeCycle.TERMINATED, ResultState.SUCCESS)
Attempted = tuple[Ending, dict[str, Any]]
"""How an attempt ended, and its outcome."""


class RunExecution:
    """One run while it goes on."""

    def __init__(self, runner: Runner, run: Run) -> None:
        self.run = run
        self._runner = runner
        self._runs = runner.runs
        self._changed = threading.Condition()
        self._stopped: Ending | None = None
        self._ends: dict[str, Ending] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._outcomes: dict[str, str] = {}
        """Of the conditions, by task key."""
        self._active: dict[int, Callable[[], None]] = {}
        """What stops each attempt that is going on."""

    def stop(self, ending: Ending) -> None:
        """End the run as ``ending`` says; the first reason stays."""
        with self._changed:
            if self._stopped is not None:
                return
            self._stopped = ending
            active = dict(self._active)
            self._changed.notify_all()
        self._runs.advance(self.run.run_id, LifeCycle.TERMINATING, ending.message)
        for run_id in active:
            self._runs.advance(run_id, LifeCycle.TERMINATING, ending.message)
        # a kernel may take seconds to end; who asked does not wait for it
        for halt in active.values():
            threading.Thread(target=halt, daemon=True).start()

    def execute(self) -> Ending:
        """Run all tasks that may run; how the whole ended."""
        self._await_turn()
        if self._stopped is None:
            self._runs.advance(self.run.run_id, LifeCycle.RUNNING)
        spec = self.run.spec
        attempts = latest_attempts(self._runs.attempts(self.run.run_id))
        for key, attempt in attempts.items():
            # of a run that is repaired some have ended before
            if attempt.ending is not None:
                self._keep(attempt, attempt.ending, attempt.outcome)
                self._ends[key] = attempt.ending
        waiting = {t["task_key"]: t for t in spec["tasks"] if t["task_key"] not in self._ends}
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
        self, waiting: dict[str, dict[str, Any]], attempts: Mapping[str, Run]
    ) -> None:
        for key, task in list(waiting.items()):
            with self._changed:
                verdict = self._stopped or decide(task, self._ends, self._outcomes)
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
        return any(decide(task, self._ends, self._outcomes) for task in waiting.values())

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
            ending = self._attempt_until_done(attempt, self._attempt, lambda: self._stopped)
        except Exception as error:  # noqa: BLE001 - the run must hear of it and end
            _LOG.exception("task %s of run %s failed in the runner", key, self.run.run_id)
            ending = internal_ending(f"{type(error).__name__}: {error}")
        self._note_end(key, ending)

    def _attempt_until_done(
        self,
        attempt: Run,
        act: Callable[[Run], Attempted],
        stopped: Callable[[], Ending | None],
    ) -> Ending:
        """How the last of the attempts at a task ended that ``act`` makes."""
        task, first = attempt.spec, attempt.attempt
        while True:
            early = stopped()
            if early is not None:
                self._runs.end(attempt.run_id, early)
                return early
            ending, outcome = act(attempt)
            ending = stopped() or ending
            self._keep(attempt, ending, outcome)
            self._runs.end(attempt.run_id, ending, outcome)
            if stopped() or not _may_retry(task, attempt.attempt - first, ending):
                return ending
            pause = (task.get("min_retry_interval_millis") or 0) / 1000
            with self._changed:
                if self._changed.wait_for(lambda: stopped() is not None, timeout=pause):
                    return stopped() or ending
            attempt = self._runs.create_attempt(attempt)

    def _keep(self, attempt: Run, ending: Ending, outcome: dict[str, Any]) -> None:
        """Keep what later tasks may ask of this one; nobody can ask an iteration."""
        if attempt.parent_id != self.run.run_id:
            return
        key = attempt.task_key or ""
        self._values[key] = outcome.get("task_values") or {}
        if ending.succeeded and outcome.get("condition_outcome"):
            self._outcomes[key] = outcome["condition_outcome"]

    def _attempt(self, attempt: Run) -> Attempted:
        if "condition_task" in attempt.spec:
            return self._decide_condition(attempt)
        if "run_job_task" in attempt.spec:
            return self._run_job(attempt)
        if "for_each_task" in attempt.spec:
            return self._run_loop(attempt)
        return self._run_code(attempt)

    def _decide_condition(self, attempt: Run) -> Attempted:
        self._runs.advance(attempt.run_id, LifeCycle.RUNNING)
        filled = fill_references(attempt.spec["condition_task"], self._known(attempt))
        try:
            outcome = "true" if holds(filled) else "false"
        except ValueError as error:
            return _failed(f"The condition cannot be evaluated: {error}"), {"error": str(error)}
        values = {"left": filled["left"], "right": filled["right"]}
        return _SUCCESS, {"condition_outcome": outcome, "resolved": values}

    def _run_job(self, attempt: Run) -> Attempted:
        """Run another job and wait for it."""
        filled = fill_references(attempt.spec["run_job_task"], self._known(attempt))
        ancestors = [*(self.run.spec.get("ancestors") or []), self.run.job_id]
        try:
            job_id = int(filled["job_id"])
            if job_id in ancestors:
                raise ValueError(f"the job {job_id} would run itself")
            fields = {name: filled[name] for name in RUN_FIELDS if filled.get(name)}
            child = self._runner.start_job(job_id, fields, ancestors)
        except (ApiError, ValueError) as error:
            return _failed(f"The job cannot be run: {error}"), {"error": str(error)}
        outcome = {"run_job_output": {"run_id": child}}
        timed_out = threading.Event()

        def halt() -> None:
            self._runner.cancel(child)

        def end_it() -> None:
            timed_out.set()
            halt()

        with self._registered(attempt.run_id, halt):
            if self._stopped is not None:
                halt()
            self._runs.advance(attempt.run_id, LifeCycle.RUNNING)
            self._runs.note(attempt.run_id, outcome)
            with _time_limit(attempt.spec.get("timeout_seconds") or 0, end_it):
                self._runner.wait(child)
        ending = self._runs.run(child).ending or internal_ending(f"Run {child} did not end.")
        if ending.succeeded:
            return _SUCCESS, outcome
        if timed_out.is_set():
            return _timed_out("Task"), outcome
        if ending.result is ResultState.CANCELED:
            return CANCELED, outcome
        text = f"Run {child} of the job {job_id} failed: {ending.message or ending.result.value}"
        return _failed(text), {**outcome, "error": text}

    def _run_loop(self, attempt: Run) -> Attempted:
        """Run a task once for each value, some of them at once; all of them, though one fails."""
        loop = attempt.spec["for_each_task"]
        try:
            inputs = read_inputs(fill_references(loop["inputs"], self._known(attempt)))
        except ValueError as error:
            return _failed(str(error)), {"error": str(error)}
        tasks = [fill_references(loop["task"], input_values(value)) for value in inputs]
        self._runs.advance(attempt.run_id, LifeCycle.RUNNING)
        iterations = self._runs.create_iterations(attempt, tasks)
        halted = threading.Event()

        def halt() -> None:
            halted.set()
            with self._changed:
                active = dict(self._active)
                self._changed.notify_all()
            for one in iterations:
                # one that is about to begin does not
                active.get(one.run_id, partial(self._runner.compute.cancel, one.run_id))()

        def iterate(iteration: Run) -> Ending:
            try:
                return self._attempt_until_done(
                    iteration,
                    self._attempt,
                    lambda: self._stopped or (_timed_out("Task") if halted.is_set() else None),
                )
            except Exception as error:  # noqa: BLE001 - the loop must hear of it and go on
                _LOG.exception("an iteration of run %s failed in the runner", self.run.run_id)
                ending = internal_ending(f"{type(error).__name__}: {error}")
                self._runs.end(iteration.run_id, ending)
                return ending

        with (
            self._registered(attempt.run_id, halted.set),
            _time_limit(attempt.spec.get("timeout_seconds") or 0, halt),
            ThreadPoolExecutor(loop.get("concurrency") or 1, "loop") as threads,
        ):
            endings = list(threads.map(iterate, iterations))
        if halted.is_set():
            return _timed_out("Task"), {}
        failed = [ending for ending in endings if not ending.succeeded]
        if failed:
            text = f"{len(failed)} of {len(endings)} iterations failed: {failed[0].message}"
            return _failed(text), {"error": text}
        return _SUCCESS, {}

    def _run_code(self, attempt: Run) -> Attempted:
        log = CommandLog(self._runner.layout.runs / str(attempt.run_id), self._runner.disk)
        timed_out = threading.Event()

        def end_it() -> None:
            timed_out.set()
            self._runner.compute.cancel(attempt.run_id)

        def halt() -> None:
            self._runner.compute.cancel(attempt.run_id)

        with self._runner.slots, self._registered(attempt.run_id, halt):
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
            # whatever it had the engine do, and did not wait for, may go on there
            self._runner.compute.look_after_stop(endpoint)
            log.finish()
        return _ending(outcome, timed_out.is_set()), vars(outcome)

    def _known(self, attempt: Run) -> dict[str, str]:
        """What the references in a task stand for."""
        return known_values(
            job_id=self.run.job_id,
            job_name=self.run.name,
            job_run_id=self.run.run_id,
            task_key=attempt.task_key or "",
            task_run_id=attempt.run_id,
            attempt=attempt.attempt,
            started_ms=self.run.created_ms,
            parameters=self.run.spec.get("parameters") or {},
            task_values=self._values,
            results={name: end.result.value for name, end in self._ends.items()},
            repairs=max(0, len(self.run.spec.get("repair_history") or ()) - 1),
        )

    def _job(self, attempt: Run) -> KernelJob:
        spec, key = self.run.spec, attempt.task_key or ""
        known = self._known(attempt)
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
    def _registered(self, run_id: int, halt: Callable[[], None]) -> Iterator[None]:
        with self._changed:
            self._active[run_id] = halt
        try:
            yield
        finally:
            with self._changed:
                self._active.pop(run_id, None)


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


def _may_retry(task: Mapping[str, Any], retries: int, ending: Ending) -> bool:
    limit = task.get("max_retries") or 0
    if ending.succeeded:
        return False
    if ending.result is ResultState.TIMEDOUT and not task.get("retry_on_timeout"):
        return False
    return limit < 0 or retries < limit


def _failed(message: str) -> Ending:
    return Ending(LifeCycle.TERMINATED, ResultState.FAILED, message, "RUN_EXECUTION_ERROR")


def _ending(outcome: KernelOutcome, timed_out: bool) -> Ending:
    if outcome.status == "success":
        return Ending(LifeCycle.TERMINATED, ResultState.SUCCESS)
    if outcome.status == "timedout" or (timed_out and outcome.status == "canceled"):
        return _timed_out("Task")
    if outcome.status == "canceled":
        return CANCELED
    if outcome.status == "failed":
        text = "Workload failed, see run output for details"
        return Ending(LifeCycle.TERMINATED, ResultState.FAILED, text, "RUN_EXECUTION_ERROR")
    return Ending(
        LifeCycle.INTERNAL_ERROR, ResultState.FAILED, outcome.error or "died", "DRIVER_ERROR"
    )


def _timed_out(what: str) -> Ending:
    return Ending(LifeCycle.TERMINATED, ResultState.TIMEDOUT, f"{what} timed out", "CANCELED")


def internal_ending(message: str) -> Ending:
    """How a run ends by a fault of ours."""
    return Ending(LifeCycle.INTERNAL_ERROR, ResultState.FAILED, message, "INTERNAL_ERROR")
