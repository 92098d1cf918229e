"""A named job: made once, given new settings when ours have changed, and run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brickloop.clients.workspace import translate
from brickloop.errors import UsageError
from brickloop.jobs.submit import (
    NotebookWork,
    PythonFileWork,
    RunRequest,
    SqlFileWork,
    WheelWork,
    check_parameters,
    compute_refusals,
    environments,
    python_arguments,
    run_parameters,
    task_fields,
)

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_TAG = "managed_by"
_OURS = "brickloop"


def run_job(client: WorkspaceClient, host: str, name: str, request: RunRequest) -> int:
    """The id of a run of the job ``name``, started now or by an earlier request with the same key.

    Raises UsageError for a job of that name that brickloop did not make.
    """
    check_parameters(request)
    job_id = ensure_job(client, host, name, request)
    given = run_parameters(request)
    parameters: dict[str, Any] = {}
    if isinstance(request.work, NotebookWork):
        parameters["notebook_params"] = given
    elif isinstance(request.work, PythonFileWork):
        parameters["python_params"] = python_arguments(request)
    elif isinstance(request.work, WheelWork):
        parameters["python_params"] = list(request.arguments) or None
        parameters["python_named_params"] = given or None
        if request.arguments and given:
            parameters = {"python_params": python_arguments(request)}
    elif isinstance(request.work, SqlFileWork):
        parameters["sql_params"] = given
    with translate(host):
        waiter = client.jobs.run_now(
            job_id,
            idempotency_token=request.run_key,
            **{key: value for key, value in parameters.items() if value},
        )
    return int(waiter.run_id)


def ensure_job(client: WorkspaceClient, host: str, name: str, request: RunRequest) -> int:
    """The id of the job ``name``: a new one, or the one that is there with these settings.

    What somebody set beside our settings stays; what differs from ours is reset.
    """
    from databricks.sdk.service import jobs

    wanted = job_settings(client, host, name, request)
    with translate(host), compute_refusals(request.compute, host):
        found = [int(job.job_id or 0) for job in client.jobs.list(name=name)]
        there = {job_id: client.jobs.get(job_id) for job_id in dict.fromkeys(found)}
        ours = [
            job_id
            for job_id, job in there.items()
            if job.settings and (job.settings.tags or {}).get(_TAG) == _OURS
        ]
        if there and not ours:
            raise UsageError(
                f"there is a job '{name}' that brickloop did not make"
                f" ({', '.join(map(str, there))}); it is left as it is",
                where=host,
                hint=f"choose another job_name, or give that job the tag {_TAG}={_OURS}",
            )
        if not ours:
            fields = jobs.JobSettings.from_dict(wanted)
            made = client.jobs.create(**{key: getattr(fields, key) for key in wanted})
            return int(made.job_id or 0)
        # the oldest one, where a lost answer made us create it twice
        job_id = min(ours)
        settings = there[job_id].settings
        known = settings.as_dict() if settings else {}
        if not is_held_by(wanted, known):
            merged = jobs.JobSettings.from_dict({**known, **wanted})
            client.jobs.reset(job_id, new_settings=merged)
        return job_id


def job_settings(
    client: WorkspaceClient, host: str, name: str, request: RunRequest
) -> dict[str, Any]:
    """The settings of the job in the API's own shape, without parameters of a single run."""
    settings: dict[str, Any] = {
        "name": name,
        "tags": {_TAG: _OURS},
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "timeout_seconds": request.timeout_seconds,
        "tasks": [task_fields(client, host, request, with_parameters=False)],
    }
    if found := environments(request):
        settings["environments"] = found
    return settings


def is_held_by(wanted: Any, known: Any) -> bool:
    """Whether all that is wanted is there; what is there beside it does not count."""
    if isinstance(wanted, Mapping):
        if not isinstance(known, Mapping):
            return not wanted and known is None
        return all(is_held_by(value, known.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(known, list):
            return not wanted and known is None
        return len(wanted) == len(known) and all(
            is_held_by(one, other) for one, other in zip(wanted, known, strict=True)
        )
    return bool(wanted == known or (not wanted and not known))
