"""Which task of a run may start, and what the run has come to: pure rules over the tasks' ends.

https://docs.databricks.com/aws/en/jobs/run-if
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from brickloop.localws.run_store import Ending
from brickloop.localws.wire import invalid
from brickloop.model.run import LifeCycle, ResultState

_FAILED = {ResultState.FAILED, ResultState.TIMEDOUT, ResultState.UPSTREAM_FAILED}
_CANCELED = {ResultState.CANCELED, ResultState.UPSTREAM_CANCELED}
RUN_IF = (
    "ALL_SUCCESS",
    "ALL_DONE",
    "NONE_FAILED",
    "AT_LEAST_ONE_SUCCESS",
    "ALL_FAILED",
    "AT_LEAST_ONE_FAILED",
)


def upstream_of(task: Mapping[str, Any]) -> list[str]:
    """The keys of the tasks that this one waits for."""
    return [str(one["task_key"]) for one in task.get("depends_on") or []]


def check_order(tasks: Sequence[Mapping[str, Any]]) -> None:
    """Refuse tasks that wait for one that is not there, or for each other."""
    waiting = {str(task["task_key"]): set(upstream_of(task)) for task in tasks}
    for key, upstream in waiting.items():
        unknown = sorted(upstream - waiting.keys())
        if unknown:
            raise invalid(f"Task '{key}' depends on the task '{unknown[0]}', which does not exist.")
    conditions = {str(task["task_key"]) for task in tasks if task.get("condition_task")}
    for task in tasks:
        for one in task.get("depends_on") or []:
            outcome = one.get("outcome")
            if outcome is None:
                continue
            if outcome not in {"true", "false"} or one["task_key"] not in conditions:
                raise invalid(
                    f"Task '{task['task_key']}' depends on the outcome '{outcome}' of the task"
                    f" '{one['task_key']}': only conditions have outcomes, 'true' and 'false'."
                )
    while waiting:
        free = [key for key, upstream in waiting.items() if not upstream & waiting.keys()]
        if not free:
            names = ", ".join(sorted(waiting))
            raise invalid(f"The tasks depend on each other in a circle: {names}.")
        for key in free:
            del waiting[key]


def decide(
    task: Mapping[str, Any], ends: Mapping[str, Ending], outcomes: Mapping[str, str] | None = None
) -> bool | Ending:
    """Whether a task may start now: True, False for not yet, or how it ends without starting.

    ``outcomes`` are those of the conditions: what waits for the other one counts as excluded.
    """
    waits = task.get("depends_on") or []
    if not all(one["task_key"] in ends for one in waits):
        return False
    upstream = [_seen_from(one, ends[one["task_key"]], outcomes or {}) for one in waits]
    results = {ending.result for ending in upstream}
    if results == {ResultState.EXCLUDED}:
        # whatever its run_if says
        return _skipped(ResultState.EXCLUDED, "all it depends on was excluded")
    if not upstream or _holds(str(task.get("run_if") or RUN_IF[0]), upstream):
        return True
    if task.get("run_if") in {None, "ALL_SUCCESS", "NONE_FAILED"} and results & _FAILED:
        return _skipped(ResultState.UPSTREAM_FAILED, "an upstream task failed")
    if results & _CANCELED:
        return _skipped(ResultState.UPSTREAM_CANCELED, "an upstream task was canceled")
    return _skipped(ResultState.EXCLUDED, "its condition was not met")


def _seen_from(wait: Mapping[str, Any], ending: Ending, outcomes: Mapping[str, str]) -> Ending:
    """How an upstream task ended for one that may wait for an outcome of it."""
    outcome = wait.get("outcome")
    if outcome is None or not ending.succeeded or outcomes.get(wait["task_key"]) == outcome:
        return ending
    return _skipped(ResultState.EXCLUDED, "the condition had the other outcome")


def conclude(tasks: Iterable[Mapping[str, Any]], ends: Mapping[str, Ending]) -> Ending:
    """How a run ended whose tasks have all ended: its last tasks decide."""
    upstream = {key for task in tasks for key in upstream_of(task)}
    last = [ending for key, ending in ends.items() if key not in upstream]
    failed = [(key, ending) for key, ending in ends.items() if ending.result in _FAILED]
    if any(ending.result in _FAILED for ending in last):
        key, cause = next(
            (item for item in failed if item[1].result is not ResultState.UPSTREAM_FAILED),
            failed[0],
        )
        text = f"Task {key} failed with message: {cause.message}."
        if cause.result is ResultState.TIMEDOUT:
            return Ending(LifeCycle.TERMINATED, ResultState.TIMEDOUT, text, "CANCELED")
        return Ending(LifeCycle.INTERNAL_ERROR, ResultState.FAILED, text, "RUN_EXECUTION_ERROR")
    if any(ending.result in _CANCELED for ending in last):
        return Ending(LifeCycle.TERMINATED, ResultState.CANCELED, "Run cancelled.", "USER_CANCELED")
    if failed:
        return Ending(
            LifeCycle.TERMINATED,
            ResultState.SUCCESS_WITH_FAILURES,
            "",
            "SUCCESS_WITH_FAILURES",
        )
    return Ending(LifeCycle.TERMINATED, ResultState.SUCCESS)


def _holds(run_if: str, upstream: list[Ending]) -> bool:
    results = [ending.result for ending in upstream]
    good = [ending.succeeded for ending in upstream]
    bad = [result in _FAILED for result in results]
    if run_if == "ALL_DONE":
        return True
    if run_if == "NONE_FAILED":
        return not any(bad) and not any(result in _CANCELED for result in results) and any(good)
    if run_if == "AT_LEAST_ONE_SUCCESS":
        return any(good)
    if run_if == "ALL_FAILED":
        return all(bad)
    if run_if == "AT_LEAST_ONE_FAILED":
        return any(bad)
    return all(good)


def _skipped(result: ResultState, why: str) -> Ending:
    return Ending(LifeCycle.TERMINATED, result, f"The task was not run because {why}", "SKIPPED")
