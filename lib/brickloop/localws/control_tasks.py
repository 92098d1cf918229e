"""Tasks that run no code of their own: pure rules of conditions, loops and jobs within jobs.

https://docs.databricks.com/aws/en/jobs/conditional-tasks, .../jobs/for-each and .../jobs/run-job
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from brickloop.localws.wire import invalid, malformed

CONDITIONS: dict[str, Callable[[Any, Any], bool]] = {
    "EQUAL_TO": lambda left, right: left == right,
    "NOT_EQUAL": lambda left, right: left != right,
    "GREATER_THAN": lambda left, right: left > right,
    "GREATER_THAN_OR_EQUAL": lambda left, right: left >= right,
    "LESS_THAN": lambda left, right: left < right,
    "LESS_THAN_OR_EQUAL": lambda left, right: left <= right,
}
_AS_TEXT = frozenset({"EQUAL_TO", "NOT_EQUAL"})
_MOST_AT_ONCE = 100
_MOST_ITERATIONS = 5000


def holds(condition: Mapping[str, str]) -> bool:
    """Whether a condition holds whose references are filled in.

    Equality compares texts ("12.0" is not "12"), order compares numbers. Raises ValueError for an
    order of what is no number.
    """
    op, left, right = condition["op"], condition["left"], condition["right"]
    if op in _AS_TEXT:
        return CONDITIONS[op](left, right)
    return CONDITIONS[op](_number(left), _number(right))


def read_inputs(inputs: str) -> list[Any]:
    """The values that a loop goes through; raises ValueError for what is no JSON array."""
    try:
        found = json.loads(inputs)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise ValueError(f"The inputs are not a JSON array: {inputs[:200]}")
    if len(found) > _MOST_ITERATIONS:
        raise ValueError(f"A loop has at most {_MOST_ITERATIONS} iterations, not {len(found)}")
    return found


def input_values(value: Any) -> dict[str, str]:
    """What ``{{input}}``, and ``{{input.key}}`` for an object, stand for in one iteration."""
    known = {"input": _text(value)}
    if isinstance(value, dict):
        known |= {f"input.{key}": _text(one) for key, one in value.items()}
    return known


def check_condition(task: Mapping[str, Any], key: str) -> None:
    """Refuse a condition that cannot be one."""
    if task.get("op") not in CONDITIONS:
        raise invalid(f"Task '{key}': op must be one of {', '.join(CONDITIONS)}.")
    for side in ("left", "right"):
        if not isinstance(task.get(side), str):
            raise invalid(f"Task '{key}': {side} is missing.")


def check_run_job(task: Mapping[str, Any], key: str) -> None:
    """Refuse a task that names no job."""
    number = task.get("job_id")
    # references are texts until the task runs
    if isinstance(number, bool) or not isinstance(number, int | str) or not number:
        raise invalid(f"Task '{key}': job_id is missing.")


def check_for_each(
    task: Mapping[str, Any], key: str, check_nested: Callable[[dict[str, Any]], None]
) -> None:
    """Refuse a loop without values or with a task in it that cannot be."""
    if not isinstance(task.get("inputs"), str):
        raise invalid(f"Task '{key}': inputs must be a JSON array as text, or a reference to one.")
    at_once = task.get("concurrency") or 1
    if not isinstance(at_once, int) or not 1 <= at_once <= _MOST_AT_ONCE:
        raise invalid(f"Task '{key}': concurrency must be from 1 to {_MOST_AT_ONCE}.")
    nested = task.get("task")
    if not isinstance(nested, dict):
        raise malformed("Could not parse request object: 'for_each_task.task' must be an object")
    if nested.get("for_each_task") is not None:
        raise invalid(f"Task '{key}': a for_each_task cannot hold another one.")
    if nested.get("depends_on"):
        raise invalid(f"Task '{key}': the task of a for_each_task depends on nothing.")
    check_nested(nested)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if number.is_nan():
        raise ValueError(f"'{text}' is not a number")
    return number


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
