from __future__ import annotations

from typing import Any

import pytest

from brickloop.localws.run_store import Ending
from brickloop.localws.task_order import check_order, conclude, decide
from brickloop.localws.wire import ApiError
from brickloop.model.run import LifeCycle, ResultState


def task(key: str, *after: str, run_if: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"task_key": key, "depends_on": [{"task_key": one} for one in after]}
    return {**made, "run_if": run_if} if run_if else made


def ends(**results: str) -> dict[str, Ending]:
    return {
        key: Ending(LifeCycle.TERMINATED, ResultState(name), f"{key} ended")
        for key, name in results.items()
    }


@pytest.mark.parametrize(
    ("run_if", "a", "b", "expected"),
    [
        (None, "SUCCESS", "SUCCESS", True),
        (None, "SUCCESS", "SUCCESS_WITH_FAILURES", True),
        (None, "SUCCESS", "FAILED", "UPSTREAM_FAILED"),
        (None, "SUCCESS", "TIMEDOUT", "UPSTREAM_FAILED"),
        (None, "UPSTREAM_FAILED", "SUCCESS", "UPSTREAM_FAILED"),
        (None, "SUCCESS", "CANCELED", "UPSTREAM_CANCELED"),
        (None, "SUCCESS", "EXCLUDED", "EXCLUDED"),
        ("ALL_DONE", "FAILED", "CANCELED", True),
        ("ALL_DONE", "EXCLUDED", "EXCLUDED", "EXCLUDED"),
        ("ALL_DONE", "EXCLUDED", "FAILED", True),
        ("NONE_FAILED", "SUCCESS", "EXCLUDED", True),
        ("NONE_FAILED", "EXCLUDED", "EXCLUDED", "EXCLUDED"),
        ("NONE_FAILED", "SUCCESS", "FAILED", "UPSTREAM_FAILED"),
        ("AT_LEAST_ONE_SUCCESS", "SUCCESS", "FAILED", True),
        ("AT_LEAST_ONE_SUCCESS", "FAILED", "FAILED", "EXCLUDED"),
        ("ALL_FAILED", "FAILED", "TIMEDOUT", True),
        ("ALL_FAILED", "FAILED", "SUCCESS", "EXCLUDED"),
        ("AT_LEAST_ONE_FAILED", "FAILED", "SUCCESS", True),
        ("AT_LEAST_ONE_FAILED", "SUCCESS", "SUCCESS", "EXCLUDED"),
    ],
)
def test_run_if(run_if: str | None, a: str, b: str, expected: bool | str) -> None:
    verdict = decide(task("c", "a", "b", run_if=run_if), ends(a=a, b=b))
    assert (verdict.result.value if isinstance(verdict, Ending) else verdict) == expected


def test_a_task_waits_for_one_outcome_of_a_condition() -> None:
    waits = {"task_key": "b", "depends_on": [{"task_key": "a", "outcome": "true"}]}
    assert decide(waits, ends(a="SUCCESS"), {"a": "true"}) is True
    other = decide(waits, ends(a="SUCCESS"), {"a": "false"})
    assert isinstance(other, Ending) and other.result is ResultState.EXCLUDED
    failed = decide(waits, ends(a="FAILED"))
    assert isinstance(failed, Ending) and failed.result is ResultState.UPSTREAM_FAILED


@pytest.mark.parametrize(
    "waits", [{"task_key": "a", "outcome": "yes"}, {"task_key": "c", "outcome": "true"}]
)
def test_only_conditions_have_outcomes(waits: dict[str, str]) -> None:
    condition = {"task_key": "a", "condition_task": {}}
    with pytest.raises(ApiError, match="only conditions have outcomes"):
        check_order([condition, task("c"), {"task_key": "b", "depends_on": [waits]}])


def test_a_task_waits_for_all_that_it_depends_on() -> None:
    assert decide(task("c", "a", "b"), ends(a="SUCCESS")) is False
    assert decide(task("c"), {}) is True


@pytest.mark.parametrize(
    ("results", "life", "result", "words"),
    [
        ({"a": "SUCCESS", "b": "SUCCESS"}, "TERMINATED", "SUCCESS", ""),
        ({"a": "SUCCESS", "b": "EXCLUDED"}, "TERMINATED", "SUCCESS", ""),
        ({"a": "FAILED", "b": "SUCCESS"}, "TERMINATED", "SUCCESS_WITH_FAILURES", ""),
        ({"a": "SUCCESS", "b": "FAILED"}, "INTERNAL_ERROR", "FAILED", "Task b failed with"),
        (
            {"a": "FAILED", "b": "UPSTREAM_FAILED"},
            "INTERNAL_ERROR",
            "FAILED",
            "Task a failed with message: a ended.",
        ),
        ({"a": "TIMEDOUT", "b": "UPSTREAM_FAILED"}, "TERMINATED", "TIMEDOUT", "Task a"),
        ({"a": "CANCELED", "b": "UPSTREAM_CANCELED"}, "TERMINATED", "CANCELED", "cancelled"),
    ],
)
def test_the_last_tasks_decide_how_a_run_ended(
    results: dict[str, str], life: str, result: str, words: str
) -> None:
    ending = conclude([task("a"), task("b", "a")], ends(**results))
    assert (ending.life_cycle.value, ending.result.value) == (life, result)
    assert words in ending.message


def test_tasks_that_could_never_start_are_refused() -> None:
    check_order([task("a", "b"), task("b")])
    for bad in ([task("a", "a")], [task("a", "b"), task("b", "a")], [task("a", "nope")]):
        with pytest.raises(ApiError):
            check_order(bad)
