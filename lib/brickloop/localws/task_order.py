"""Which task of a run may start, and what the run has come to: pure rules over the tasks' ends.

https://docs.databricks.com/aws/en/jobs/run-if
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def check_order(tasks: Iterable[Mapping[str, Any]]) -> None:
    """Refuse tasks that wait for one that is not there, or for each other."""
    waiting = {str(task["task_key"]): set(upstream_of(task)) for task in tasks}
    for key, upstream in waiting.items():
        unknown = sorted(upstream - waiting.keys())
        if unknown:
            raise invalid(f"Task '{key}' depends on the task '{unknown[0]}', which does not exist.")
    while waiting:
        free = [key for key, upstream in waiting.items() if not upstream & waiting.keys()]
        if not free:
            names = ", ".join(sorted(waiting))
            raise invalid(f"The tasks depend on each other in a circle: {names}.")
        for key in free:
            del waiting[key]


def decide(task: Mapping[str, Any], ends: Mapping[str, Ending]) -> bool | Ending:
    """Whether a task may start now: True, False for not yet, or how it ends without starting."""
    upstream = upstream_of(task)
    if not all(key in ends for key in upstream):
        return False
    if not upstream or _holds(str(task.get("run_if") or RUN_IF[0]), [ends[k] for k in upstream]):
        return True
    results = {ends[key].result for key in upstream}
    if task.get("run_if") in {None, "ALL_SUCCESS", "NONE_FAILED"} and results & _FAILED:
        return _skipped(ResultState.UPSTREAM_FAILED, "an upstream task failed")
    if results & _CANCELED:
        return _skipped(ResultState.UPSTREAM_CANCELED, "an upstream task was canceled")
    return _skipped(ResultState.EXCLUDED, "its condition was not met")


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
