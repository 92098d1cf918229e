"""A named job: made once, given new settings when ours have changed, and run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

    from brickloop.jobs.compute import Compute

_TAG = "managed_by"
_OURS = "brickloop"
OURS = {_TAG: _OURS}
"""The tags of a job that brickloop made."""


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
    wanted = job_settings(client, host, name, request)
    return ensure_settings(client, host, name, wanted, request.compute)


def ensure_settings(
    client: WorkspaceClient,
    host: str,
    name: str,
    wanted: Mapping[str, Any],
    compute: Compute,
    known_id: int | None = None,
    is_held: Callable[[Mapping[str, Any], Mapping[str, Any]], bool] | None = None,
) -> int:
    """As ``ensure_job``, for settings in the API's own shape.

    The job is looked for by the id that it had the last time, then by its name. ``is_held`` says
    whether a job has the settings that are wanted, if ``is_held_by`` does not say enough.
    """
    from databricks.sdk.service import jobs

    with translate(host), compute_refusals(compute, host):
        known = _known_job(client, known_id, name)
        there = {int(known.job_id or 0): known} if known else _jobs_named(client, name)
        ours = [job_id for job_id, job in there.items() if _is_ours(job)]
        if there and not ours:
            raise UsageError(
                f"there is a job '{name}' that brickloop did not make"
                f" ({', '.join(map(str, there))}); it is left as it is",
                where=host,
                hint=f"choose another job_name, or give that job the tag {_TAG}={_OURS}",
            )
        if not ours:
            fields = jobs.JobSettings.from_dict(dict(wanted))
            made = client.jobs.create(**{key: getattr(fields, key) for key in wanted})
            return int(made.job_id or 0)
        # the oldest one, where a lost answer made us create it twice
        job_id = min(ours)
        settings = there[job_id].settings
        found = settings.as_dict() if settings else {}
        if not (is_held or is_held_by)(wanted, found):
            merged = jobs.JobSettings.from_dict({**found, **wanted})
            client.jobs.reset(job_id, new_settings=merged)
        return job_id


def _known_job(client: WorkspaceClient, job_id: int | None, name: str) -> Any:
    """The job of this id, None where it is gone, is not ours, or has another name now."""
    from databricks.sdk import errors as sdk

    if job_id is None:
        return None
    try:
        job = client.jobs.get(job_id)
    except (sdk.NotFound, sdk.InvalidParameterValue, sdk.PermissionDenied):
        return None
    return job if _is_ours(job) and job.settings and job.settings.name == name else None


def _jobs_named(client: WorkspaceClient, name: str) -> dict[int, Any]:
    found = [int(job.job_id or 0) for job in client.jobs.list(name=name)]
    return {job_id: client.jobs.get(job_id) for job_id in dict.fromkeys(found)}


def _is_ours(job: Any) -> bool:
    return bool(job.settings and (job.settings.tags or {}).get(_TAG) == _OURS)


def job_settings(
    client: WorkspaceClient, host: str, name: str, request: RunRequest
) -> dict[str, Any]:
    """The settings of the job in the API's own shape, without parameters of a single run."""
    settings: dict[str, Any] = {
        "name": name,
        "tags": OURS,
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
