"""What a job or a one-time run asks for: checked, and brought into one shape.

https://docs.databricks.com/api/workspace/jobs/create. Task kinds that the local workspace does not
execute are refused with 501, by name, before anything starts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from brickloop.localws.control_tasks import check_condition, check_for_each, check_run_job
from brickloop.localws.task_order import RUN_IF, check_order
from brickloop.localws.wire import invalid, malformed, not_implemented

TASK_KINDS = (
    "notebook_task",
    "spark_python_task",
    "python_wheel_task",
    "sql_task",
    "run_job_task",
    "condition_task",
    "for_each_task",
)
_OTHER_KINDS = (
    "spark_jar_task",
    "spark_submit_task",
    "pipeline_task",
    "dbt_task",
    "dashboard_task",
    "alert_task",
    "clean_rooms_notebook_task",
    "power_bi_task",
    "gen_ai_compute_task",
    "dbt_cloud_task",
    "dbt_platform_task",
    "python_operator_task",
    "ai_runtime_task",
)
_TASK_FIELDS = (
    "libraries",
    "environment_key",
    "existing_cluster_id",
    "new_cluster",
    "timeout_seconds",
    "max_retries",
    "min_retry_interval_millis",
    "retry_on_timeout",
)
_KEY = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MAX_TASKS = 1000
_MAX_PARAMETER_BYTES = 10_000


def normal_settings(settings: Mapping[str, Any], cluster_id: str) -> dict[str, Any]:
    """The settings with ``tasks`` in them, checked; the single-task shape becomes one task."""
    shaped = dict(settings)
    tasks = shaped.get("tasks")
    if tasks is None:
        tasks = [_single_task(shaped)] if _has_kind(shaped) else []
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise malformed("Could not parse request object: 'tasks' must be a list of objects")
    if len(tasks) > _MAX_TASKS:
        raise invalid(f"A job has at most {_MAX_TASKS} tasks.")
    environments = shaped.get("environments") or []
    clusters = _job_clusters(shaped.get("job_clusters"))
    known = {one.get("environment_key") for one in environments if isinstance(one, dict)}
    keys: set[str] = set()
    for task in tasks:
        _check_task(task, known, cluster_id)
        _check_clusters(task, clusters)
        if task["task_key"] in keys:
            raise invalid(f"The task key '{task['task_key']}' is used twice.")
        keys.add(task["task_key"])
    check_order(tasks)
    _check_parameters(shaped.get("parameters"))
    if shaped.get("git_source"):
        raise not_implemented("The source of a job in Git (git_source)")
    return {**shaped, "tasks": tasks}


def merge_settings(
    before: Mapping[str, Any], changes: Mapping[str, Any], removed: list[str]
) -> dict[str, Any]:
    """The settings after an update: fields replaced, tasks and the like merged by their key."""
    merged = dict(before)
    for name, value in changes.items():
        key = {"tasks": "task_key", "job_clusters": "job_cluster_key"}.get(name)
        if key and isinstance(value, list):
            new = {one.get(key): one for one in value}
            kept = [one for one in merged.get(name) or [] if one.get(key) not in new]
            merged[name] = [*kept, *value]
        else:
            merged[name] = value
    for path in removed:
        first, _, rest = path.partition("/")
        if not rest:
            merged.pop(first, None)
        elif first == "tasks":
            merged["tasks"] = [one for one in merged.get("tasks") or [] if one["task_key"] != rest]
    return merged


def job_parameters(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, str]:
    """The job's parameters for one run: defaults, then what the caller gave."""
    defaults = {one["name"]: one["default"] for one in settings.get("parameters") or []}
    return {**defaults, **text_map(given, "job_parameters")}


def with_run_parameters(
    tasks: list[dict[str, Any]], given: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The tasks with the parameters that a run-now gave for each kind."""
    notebook = text_map(given.get("notebook_params") or {}, "notebook_params")
    named = text_map(given.get("python_named_params") or {}, "python_named_params")
    sql = text_map(given.get("sql_params") or {}, "sql_params")
    python = given.get("python_params")
    return [_with_parameters(task, notebook, named, sql, python) for task in tasks]


def text_map(value: Any, name: str) -> dict[str, str]:
    """A map of texts, as parameters are; refuses other values and more than 10,000 bytes."""
    if not isinstance(value, dict):
        raise malformed(f"Could not parse request object: '{name}' must be an object")
    for key, one in value.items():
        if not isinstance(one, str):
            raise malformed(f"Could not parse request object: '{name}.{key}' must be a string")
    if len(json.dumps(value).encode()) > _MAX_PARAMETER_BYTES:
        raise invalid(f"{name} may have at most {_MAX_PARAMETER_BYTES} bytes of JSON.")
    return value


def _with_parameters(
    task: dict[str, Any],
    notebook: dict[str, str],
    named: dict[str, str],
    sql: dict[str, str],
    python: list[str] | None,
) -> dict[str, Any]:
    changed = dict(task)
    if "notebook_task" in task and notebook:
        own = task["notebook_task"]
        base = {**(own.get("base_parameters") or {}), **notebook}
        changed["notebook_task"] = {**own, "base_parameters": base}
    if "spark_python_task" in task and python is not None:
        changed["spark_python_task"] = {**task["spark_python_task"], "parameters": python}
    if "python_wheel_task" in task:
        own = dict(task["python_wheel_task"])
        if python is not None:
            own["parameters"] = python
        if named:
            own["named_parameters"] = {**(own.get("named_parameters") or {}), **named}
        changed["python_wheel_task"] = own
    if "sql_task" in task and sql:
        own = task["sql_task"]
        changed["sql_task"] = {**own, "parameters": {**(own.get("parameters") or {}), **sql}}
    if "for_each_task" in task:
        own = task["for_each_task"]
        nested = _with_parameters(own["task"], notebook, named, sql, python)
        changed["for_each_task"] = {**own, "task": nested}
    return changed


def _has_kind(settings: Mapping[str, Any]) -> bool:
    return any(kind in settings for kind in (*TASK_KINDS, *_OTHER_KINDS))


def _single_task(settings: dict[str, Any]) -> dict[str, Any]:
    task: dict[str, Any] = {"task_key": "main"}
    for name in (*TASK_KINDS, *_OTHER_KINDS, *_TASK_FIELDS):
        # the time limit stays with the run
        if name in settings and name != "timeout_seconds":
            task[name] = settings.pop(name)
    return task


def _check_task(task: dict[str, Any], environments: set[Any], cluster_id: str) -> None:
    key = task.get("task_key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise invalid(f"Invalid task key: {key!r}. Letters, digits, '-' and '_', at most 100.")
    kinds = [kind for kind in (*TASK_KINDS, *_OTHER_KINDS) if task.get(kind) is not None]
    if len(kinds) != 1:
        raise invalid(f"Task '{key}' must have exactly one kind of task; it has {len(kinds)}.")
    if kinds[0] in _OTHER_KINDS:
        raise not_implemented(f"A task of the kind {kinds[0]} (task '{key}')")
    if not isinstance(task[kinds[0]], dict):
        raise malformed(f"Could not parse request object: '{kinds[0]}' must be an object")
    if kinds[0] == "for_each_task":
        check_for_each(
            task[kinds[0]], key, lambda nested: _check_task(nested, environments, cluster_id)
        )
    else:
        _CHECKS[kinds[0]](task[kinds[0]], key)
    if task.get("run_if") not in {None, *RUN_IF}:
        raise invalid(f"Task '{key}' has an unknown run_if: {task['run_if']!r}.")
    environment = task.get("environment_key")
    if environment is not None and environment not in environments:
        raise invalid(f"Task '{key}' uses the environment '{environment}', which is not defined.")
    cluster = task.get("existing_cluster_id")
    if cluster is not None and cluster != cluster_id:
        raise invalid(f"Cluster {cluster} does not exist")
    for name in ("timeout_seconds", "max_retries", "min_retry_interval_millis"):
        if not isinstance(task.get(name) or 0, int):
            raise malformed(f"Could not parse request object: '{name}' must be a whole number")


def _job_clusters(value: Any) -> set[str]:
    """The keys of a job's clusters, each of which has its settings."""
    if value is None:
        return set()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise malformed("Could not parse request object: 'job_clusters' must be a list of objects")
    for one in value:
        _check_new_cluster(one.get("new_cluster") or {}, str(one.get("job_cluster_key")))
    return {str(one.get("job_cluster_key")) for one in value}


def _check_clusters(task: Mapping[str, Any], known: set[str]) -> None:
    key = task["task_key"]
    named = ("existing_cluster_id", "new_cluster", "job_cluster_key")
    given = [name for name in named if task.get(name)]
    if len(given) > 1:
        raise invalid(f"Task '{key}' has more than one cluster: {', '.join(given)}.")
    if task.get("new_cluster") is not None:
        _check_new_cluster(task["new_cluster"], f"of task '{key}'")
    cluster = task.get("job_cluster_key")
    if cluster is not None and cluster not in known:
        raise invalid(f"Task '{key}' uses the job cluster '{cluster}', which is not defined.")


def _check_new_cluster(settings: Any, whose: str) -> None:
    """A new cluster is this machine all the same; what a workspace asks for must be there."""
    if not isinstance(settings, dict):
        raise malformed("Could not parse request object: 'new_cluster' must be an object")
    if not settings.get("spark_version"):
        raise invalid(f"The new cluster {whose} has no spark_version.")


def _check_notebook(task: dict[str, Any], key: str) -> None:
    path = task.get("notebook_path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise invalid(f"Task '{key}': notebook_path must be an absolute path.")
    if task.get("source") == "GIT":
        raise not_implemented(f"The source GIT (task '{key}')")
    text_map(task.get("base_parameters") or {}, "base_parameters")


def _check_python(task: dict[str, Any], key: str) -> None:
    if not isinstance(task.get("python_file"), str):
        raise invalid(f"Task '{key}': python_file is missing.")
    if task.get("source") == "GIT":
        raise not_implemented(f"The source GIT (task '{key}')")
    _check_texts(task.get("parameters"), "parameters")


def _check_wheel(task: dict[str, Any], key: str) -> None:
    for name in ("package_name", "entry_point"):
        if not isinstance(task.get(name), str):
            raise invalid(f"Task '{key}': {name} is missing.")
    _check_texts(task.get("parameters"), "parameters")
    text_map(task.get("named_parameters") or {}, "named_parameters")


def _check_sql(task: dict[str, Any], key: str) -> None:
    for kind in ("query", "dashboard", "alert"):
        if task.get(kind):
            raise not_implemented(f"A SQL task with a {kind} (task '{key}')")
    file = task.get("file")
    if not isinstance(file, dict) or not isinstance(file.get("path"), str):
        raise invalid(f"Task '{key}': the SQL file's path is missing.")
    if file.get("source") == "GIT":
        raise not_implemented(f"The source GIT (task '{key}')")
    text_map(task.get("parameters") or {}, "parameters")


def _check_texts(value: Any, name: str) -> None:
    if value is not None and not (
        isinstance(value, list) and all(isinstance(one, str) for one in value)
    ):
        raise malformed(f"Could not parse request object: '{name}' must be a list of strings")


def _check_parameters(value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in value
    ):
        raise malformed("Could not parse request object: 'parameters' must be a list of parameters")
    text_map({one["name"]: one.get("default", "") for one in value}, "parameters")


_CHECKS = {
    "notebook_task": _check_notebook,
    "spark_python_task": _check_python,
    "python_wheel_task": _check_wheel,
    "sql_task": _check_sql,
    "run_job_task": check_run_job,
    "condition_task": check_condition,
}
