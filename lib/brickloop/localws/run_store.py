"""Jobs and runs in the database: a run is a row, each attempt at a task a row below it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Row
from typing import Any

from brickloop.localws.state import State, now_ms
from brickloop.localws.wire import ApiError, invalid
from brickloop.model.run import LifeCycle, ResultState

JOB_RUN, SUBMIT_RUN, TASK_RUN = "JOB_RUN", "SUBMIT_RUN", "TASK_RUN"
_FINAL = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


@dataclass(frozen=True)
class Job:
    """A job's definition."""

    job_id: int
    settings: dict[str, Any]
    created_ms: int


@dataclass(frozen=True)
class Ending:
    """How a run, or an attempt at a task, ended."""

    life_cycle: LifeCycle
    result: ResultState
    message: str = ""
    code: str = "SUCCESS"
    """Termination code of the API, ``RUN_EXECUTION_ERROR`` for one."""

    @property
    def succeeded(self) -> bool:
        """Whether downstream tasks count it as a success."""
        return self.result in {ResultState.SUCCESS, ResultState.SUCCESS_WITH_FAILURES}


@dataclass(frozen=True)
class Run:
    """One row: a run as a whole, or one attempt at one of its tasks."""

    run_id: int
    parent_id: int | None
    job_id: int
    kind: str
    name: str
    task_key: str | None
    attempt: int
    first_run_id: int
    """The first attempt at the same task; the run's own id for a first attempt."""
    number_in_job: int
    spec: dict[str, Any]
    """The task as it was asked for, or for a whole run the settings it goes by."""
    life_cycle: LifeCycle
    result: ResultState | None
    message: str
    code: str
    created_ms: int
    started_ms: int
    ended_ms: int
    outcome: dict[str, Any]
    """For a task: ``exit_value``, ``error``, ``error_trace``, ``logs``, ``task_values``."""

    @property
    def ending(self) -> Ending | None:
        """How it ended, None while it goes on."""
        if not self.life_cycle.is_final or self.result is None:
            return None
        return Ending(self.life_cycle, self.result, self.message, self.code)


class RunStore:
    """Reads and writes jobs and runs."""

    def __init__(self, state: State) -> None:
        self._state = state

    def transaction(self) -> Any:
        """All writes inside take effect, or none."""
        return self._state.transaction()

    def create_job(self, settings: dict[str, Any]) -> int:
        """The id of a new job."""
        job_id = self._state.next_id("job")
        self._state.execute(
            "INSERT INTO jobs VALUES (?, ?, ?)", (job_id, json.dumps(settings), now_ms())
        )
        return job_id

    def job(self, job_id: int) -> Job:
        """A job; raises the API's error for one that is not there."""
        row = self._state.row("SELECT * FROM jobs WHERE job_id = ?", (job_id,))
        if row is None:
            raise invalid(f"Job {job_id} does not exist.")
        return _job(row)

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        return [_job(row) for row in self._state.rows("SELECT * FROM jobs ORDER BY job_id DESC")]

    def change_job(self, job_id: int, settings: dict[str, Any]) -> None:
        """Give a job new settings."""
        self._state.execute(
            "UPDATE jobs SET settings = ? WHERE job_id = ?", (json.dumps(settings), job_id)
        )

    def delete_job(self, job_id: int) -> None:
        """Remove a job; its runs stay."""
        self._state.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,))

    def run_of_token(self, scope: str, token: str) -> int | None:
        """The run that was started with an idempotency token, None for a new token."""
        row = self._state.row(
            "SELECT run_id FROM run_tokens WHERE scope = ? AND token = ?", (scope, token)
        )
        if row is None:
            return None
        run_id = int(row["run_id"])
        if self._state.row("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)) is None:
            raise invalid(f"The run that was started with the token '{token}' has been deleted.")
        return run_id

    def create_run(
        self,
        *,
        kind: str,
        name: str,
        spec: dict[str, Any],
        job_id: int | None = None,
        token: str | None = None,
    ) -> int:
        """The id of a new run, its tasks waiting; the token's run where there is one already."""
        with self._state.transaction():
            scope = f"job:{job_id}" if kind == JOB_RUN else "submit"
            if token is not None and (known := self.run_of_token(scope, token)) is not None:
                return known
            run_id = self._state.next_id("run")
            if job_id is None:
                job_id = self._state.next_id("job")
            counted = self._state.row(
                "SELECT count(*) FROM runs WHERE job_id = ? AND parent_id IS NULL", (job_id,)
            )
            number = int(counted[0]) + 1 if counted else 1
            now = now_ms()
            self._insert(run_id, None, job_id, kind, name, None, 0, run_id, number, spec, now)
            for task in spec["tasks"]:
                waiting = LifeCycle.BLOCKED if task.get("depends_on") else LifeCycle.PENDING
                self._create_task_run(run_id, job_id, name, task, 0, None, waiting)
            if token is not None:
                self._state.execute(
                    "INSERT INTO run_tokens VALUES (?, ?, ?)", (scope, token, run_id)
                )
            return run_id

    def create_attempt(self, before: Run, spec: dict[str, Any] | None = None) -> Run:
        """A further attempt at the task of ``before``, by another ``spec`` where one is given."""
        run_id = self._create_task_run(
            before.parent_id or 0,
            before.job_id,
            before.name,
            before.spec if spec is None else spec,
            before.attempt + 1,
            before.first_run_id,
            LifeCycle.PENDING,
        )
        return self.run(run_id)

    def create_iterations(self, loop: Run, tasks: list[dict[str, Any]]) -> list[Run]:
        """A run below that of a loop's attempt for each of its iterations."""
        with self._state.transaction():
            made = [
                self._create_task_run(
                    loop.run_id, loop.job_id, loop.name, task, 0, None, LifeCycle.PENDING
                )
                for task in tasks
            ]
        return [self.run(run_id) for run_id in made]

    def root_of(self, run: Run) -> Run:
        """The whole run that an attempt or an iteration belongs to; a whole run itself."""
        while run.parent_id is not None:
            run = self.run(run.parent_id)
        return run

    def note(self, run_id: int, outcome: dict[str, Any]) -> None:
        """Note what is known of the outcome of a task that goes on."""
        self._state.execute(
            f"UPDATE runs SET outcome = ? WHERE run_id = ? AND life_cycle NOT IN {_FINAL}",
            (json.dumps(outcome), run_id),
        )

    def reopen(self, run_id: int, spec: dict[str, Any]) -> None:
        """Have a run that has ended go on, by the ``spec``."""
        self._state.execute(
            "UPDATE runs SET life_cycle = 'PENDING', result = NULL, message = '', code = '', "
            "ended_ms = 0, spec = ? WHERE run_id = ?",
            (json.dumps(spec), run_id),
        )

    def run(self, run_id: int) -> Run:
        """A run or an attempt at a task; raises the API's error for one that is not there."""
        row = self._state.row("SELECT * FROM runs WHERE run_id = ?", (run_id,))
        if row is None:
            raise invalid(f"Run {run_id} does not exist.")
        return _run(row)

    def attempts(self, run_id: int) -> list[Run]:
        """All attempts at the tasks of a run, in the order they were made."""
        rows = self._state.rows("SELECT * FROM runs WHERE parent_id = ? ORDER BY run_id", (run_id,))
        return [_run(row) for row in rows]

    def runs(self, job_id: int | None = None) -> list[Run]:
        """Whole runs, newest first."""
        where = "" if job_id is None else "AND job_id = ?"
        values = () if job_id is None else (job_id,)
        sql = f"SELECT * FROM runs WHERE parent_id IS NULL {where} ORDER BY run_id DESC"
        return [_run(row) for row in self._state.rows(sql, values)]

    def active_runs(self, job_id: int) -> list[Run]:
        """The runs of a job that have not ended, oldest first."""
        return [run for run in reversed(self.runs(job_id)) if not run.life_cycle.is_final]

    def advance(self, run_id: int, life_cycle: LifeCycle, message: str = "") -> None:
        """Note that a run is now in ``life_cycle``, unless it has ended already."""
        started = now_ms() if life_cycle is LifeCycle.RUNNING else 0
        self._state.execute(
            "UPDATE runs SET life_cycle = ?, message = ?, "
            "started_ms = CASE WHEN started_ms = 0 THEN ? ELSE started_ms END "
            f"WHERE run_id = ? AND life_cycle NOT IN {_FINAL}",
            (life_cycle.value, message, started, run_id),
        )

    def end(self, run_id: int, ending: Ending, outcome: dict[str, Any] | None = None) -> None:
        """Note how a run ended; the first ending stays."""
        self._state.execute(
            "UPDATE runs SET life_cycle = ?, result = ?, message = ?, code = ?, ended_ms = ?, "
            f"outcome = ? WHERE run_id = ? AND life_cycle NOT IN {_FINAL}",
            (
                ending.life_cycle.value,
                ending.result.value,
                ending.message,
                ending.code,
                now_ms(),
                json.dumps(outcome or {}),
                run_id,
            ),
        )

    def end_orphans(self, message: str) -> None:
        """Close the runs that nobody executes any more."""
        self._state.execute(
            "UPDATE runs SET life_cycle = 'INTERNAL_ERROR', result = 'FAILED', message = ?, "
            f"code = 'INTERNAL_ERROR', ended_ms = ? WHERE life_cycle NOT IN {_FINAL}",
            (message, now_ms()),
        )

    def delete_run(self, run_id: int) -> list[int]:
        """Remove a run and its attempts; the ids of all that were removed."""
        rows = self._state.rows(
            "DELETE FROM runs WHERE run_id = ? OR parent_id = ? OR parent_id IN"
            " (SELECT run_id FROM runs WHERE parent_id = ?) RETURNING run_id",
            (run_id, run_id, run_id),
        )
        return [int(row["run_id"]) for row in rows]

    def delete_old_runs(self, before_ms: int) -> list[int]:
        """Remove the runs that ended before then; the ids of all that were removed."""
        rows = self._state.rows(
            "DELETE FROM runs WHERE ended_ms BETWEEN 1 AND ? RETURNING run_id", (before_ms,)
        )
        return [int(row["run_id"]) for row in rows]

    def _create_task_run(
        self,
        parent_id: int,
        job_id: int,
        name: str,
        task: dict[str, Any],
        attempt: int,
        first: int | None,
        waiting: LifeCycle,
    ) -> int:
        run_id = self._state.next_id("run")
        key = task["task_key"]
        self._insert(
            run_id,
            parent_id,
            job_id,
            TASK_RUN,
            name,
            key,
            attempt,
            first or run_id,
            0,
            task,
            now_ms(),
            waiting,
        )
        return run_id

    def _insert(
        self,
        run_id: int,
        parent_id: int | None,
        job_id: int,
        kind: str,
        name: str,
        task_key: str | None,
        attempt: int,
        first: int,
        number: int,
        spec: dict[str, Any],
        now: int,
        life_cycle: LifeCycle = LifeCycle.PENDING,
    ) -> None:
        self._state.execute(
            f"INSERT INTO runs VALUES ({', '.join('?' * 18)})",
            (
                run_id,
                parent_id,
                job_id,
                kind,
                name,
                task_key,
                attempt,
                first,
                number,
                json.dumps(spec),
                life_cycle.value,
                None,
                "",
                "",
                now,
                0,
                0,
                "{}",
            ),
        )


def refuse_reused(token: str | None) -> None:
    """Refuse an idempotency token that is longer than the API takes."""
    if token is not None and len(token) > 64:
        raise ApiError(
            400, "INVALID_PARAMETER_VALUE", "idempotency_token may have at most 64 characters."
        )


def _job(row: Row) -> Job:
    return Job(row["job_id"], json.loads(row["settings"]), row["created_ms"])


def _run(row: Row) -> Run:
    values = dict(row)
    values["spec"] = json.loads(values["spec"])
    values["outcome"] = json.loads(values["outcome"])
    values["life_cycle"] = LifeCycle(values["life_cycle"])
    values["result"] = ResultState(values["result"]) if values["result"] else None
    return Run(**values)
