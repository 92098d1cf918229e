"""A job that holds a graph of notebooks as its tasks: its settings, and runs of some of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brickloop.clients.workspace import translate
from brickloop.errors import UsageError
from brickloop.jobs.compute import JobCluster
from brickloop.jobs.named_job import OURS, ensure_settings, is_held_by
from brickloop.jobs.submit import (
    RunRequest,
    check_parameters,
    environments,
    run_parameters,
    task_fields,
)

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_MOST_TASKS = 1000
_CLUSTER = "default"
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")
_KEY_LENGTH = 80


@dataclass(frozen=True)
class GraphTask:
    """One notebook of the graph."""

    key: str
    request: RunRequest
    depends_on: tuple[str, ...] = ()
    """Keys of the tasks that come before it."""


def task_key(notebook: str) -> str:
    """A notebook's name as the key of a task: letters, digits, ``-`` and ``_``, its own alone."""
    plain = _UNFIT.sub("_", notebook)
    if plain == notebook and len(plain) <= _KEY_LENGTH:
        return plain
    return f"{plain[:_KEY_LENGTH]}-{hashlib.sha256(notebook.encode()).hexdigest()[:8]}"


def ensure_graph_job(
    client: WorkspaceClient,
    host: str,
    name: str,
    tasks: Sequence[GraphTask],
    known_id: int | None = None,
) -> int:
    """The id of the job ``name`` with these tasks: as it is, made, or with its settings reset.

    ``known_id`` is where it was the last time. Raises UsageError for more than 1,000 tasks, for
    parameters over 10,000 bytes, and for a job of that name that brickloop did not make.
    """
    if len(tasks) > _MOST_TASKS:
        raise UsageError(
            f"the job '{name}' would have {len(tasks)} tasks; a job has at most {_MOST_TASKS}",
            hint="run them one by one (without --as-job), or give each folder its own job",
        )
    for task in tasks:
        check_parameters(task.request)
    wanted = graph_settings(client, host, name, tasks)
    compute = tasks[0].request.compute
    return ensure_settings(client, host, name, wanted, compute, known_id, _has_same_tasks)


def run_tasks(
    client: WorkspaceClient,
    host: str,
    job_id: int,
    keys: Sequence[str] | None,
    token: str,
    parameters: Mapping[str, str],
) -> int:
    """The id of a run of these tasks of a job, None for all; once for each token.

    What they depend on beside them is not waited for. ``parameters`` go to every notebook.
    """
    with translate(host):
        waiter = client.jobs.run_now(
            job_id,
            idempotency_token=token,
            only=list(keys) if keys is not None else None,
            notebook_params=dict(parameters) or None,
        )
    return int(waiter.run_id)


def graph_settings(
    client: WorkspaceClient, host: str, name: str, tasks: Sequence[GraphTask]
) -> dict[str, Any]:
    """The settings of the job in the API's own shape."""
    first = tasks[0].request
    # the same for all, and looking a cluster up costs a request
    shared = task_fields(client, host, first, with_parameters=False)
    settings: dict[str, Any] = {
        "name": name,
        "tags": OURS,
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
    }
    if isinstance(first.compute, JobCluster):
        cluster = shared.pop("new_cluster")
        settings["job_clusters"] = [{"job_cluster_key": _CLUSTER, "new_cluster": cluster}]
        shared["job_cluster_key"] = _CLUSTER
    settings["tasks"] = [
        {**shared, **_own_fields(task)} for task in sorted(tasks, key=lambda one: one.key)
    ]
    if found := environments(first):
        settings["environments"] = found
    return settings


def _own_fields(task: GraphTask) -> dict[str, Any]:
    path = getattr(task.request.work, "path", "")
    fields: dict[str, Any] = {
        "task_key": task.key,
        "notebook_task": {
            "notebook_path": path,
            "base_parameters": run_parameters(task.request),
            "source": "WORKSPACE",
        },
        "depends_on": [{"task_key": key} for key in sorted(task.depends_on)],
    }
    if task.request.timeout_seconds:
        fields["timeout_seconds"] = task.request.timeout_seconds
    return fields


def in_order(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with tasks, and what each depends on, in one order, however they were listed."""
    tasks = sorted(settings.get("tasks") or [], key=lambda task: str(task.get("task_key")))
    return {
        **settings,
        "tasks": [
            {
                **task,
                "depends_on": sorted(
                    task.get("depends_on") or [], key=lambda one: str(one.get("task_key"))
                ),
            }
            for task in tasks
        ],
    }


def _has_same_tasks(wanted: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether a job has these settings; of parameters none may be there beside ours."""
    there = in_order(known)
    return is_held_by(wanted, there) and _parameters(wanted) == _parameters(there)


def _parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(task.get("task_key")): (task.get("notebook_task") or {}).get("base_parameters") or {}
        for task in settings["tasks"]
    }
