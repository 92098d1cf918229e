"""Asking for a run: one task, once or as a named job, under a key that never starts it twice."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from brickloop.clients.workspace import translate
from brickloop.errors import SettingsError, UsageError
from brickloop.jobs.compute import (
    Compute,
    ExistingCluster,
    JobCluster,
    Serverless,
    cluster_id,
    parse_compute,
)
from brickloop.runtime.recorder import OUTPUT_PARAMETER

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

RUN_ID = "{{job.run_id}}"
"""What stands for the id of each run of a job in its settings.

https://docs.databricks.com/aws/en/jobs/dynamic-value-references
"""
ENVIRONMENT_VERSION = "2"
TASK_KEY = "main"
_ENVIRONMENT = "default"
_PARAMETER_BYTES = 10_000


@dataclass(frozen=True)
class NotebookWork:
    """A notebook of the workspace."""

    path: str


@dataclass(frozen=True)
class PythonFileWork:
    """A Python file of the workspace, run as a program; parameters are its arguments."""

    path: str


@dataclass(frozen=True)
class WheelWork:
    """An entry point of a package in a wheel."""

    package: str
    entry_point: str
    wheel: str
    """Remote path of the wheel, or a requirement that an index has."""


@dataclass(frozen=True)
class SqlFileWork:
    """A file of SQL statements, run by a warehouse."""

    path: str
    warehouse_id: str


Work = NotebookWork | PythonFileWork | WheelWork | SqlFileWork


@dataclass(frozen=True)
class RunRequest:
    """One run, as it is asked for."""

    name: str
    work: Work
    run_key: str
    """Idempotency token: the same key never starts a second run."""
    output: str = ""
    """Remote folder that the run's output document goes to."""
    wheel: str = ""
    """Remote path of the runtime wheel; empty where the task cannot use it."""
    compute: Compute = field(default_factory=Serverless)
    parameters: Mapping[str, str] | None = None
    arguments: Sequence[str] = ()
    """What a Python file or a wheel gets beside its parameters, as it stands."""
    libraries: Sequence[str] = ()
    """Further wheels by their remote path, and requirements."""
    timeout_seconds: int = 0
    """After which the workspace ends the run; 0 for no limit."""
    retries: int = 0
    retry_pause_seconds: int = 0


def submit(client: WorkspaceClient, host: str, request: RunRequest) -> int:
    """The id of the one-time run, started now or by an earlier request with the same key.

    Raises SettingsError for a compute that is none or is refused, UsageError for parameters over
    10,000 bytes.
    """
    from databricks.sdk.service import jobs

    check_parameters(request)
    fields = task_fields(client, host, request, with_parameters=True)
    with translate(host), compute_refusals(request.compute, host):
        waiter = client.jobs.submit(
            run_name=request.name,
            tasks=[jobs.SubmitTask.from_dict(fields)],
            environments=[jobs.JobEnvironment.from_dict(one) for one in environments(request)]
            or None,
            idempotency_token=request.run_key,
            timeout_seconds=request.timeout_seconds or None,
        )
    return int(waiter.run_id)


def check_parameters(request: RunRequest) -> None:
    """Raise UsageError for parameters that the Jobs API would refuse."""
    given: Any = {**run_parameters(request)}
    if len(json.dumps(given).encode()) > _PARAMETER_BYTES:
        raise UsageError(
            "the parameters are longer than 10,000 bytes",
            where=request.name,
            hint="write the large ones to a file in a volume and pass its path",
        )
    if request.retries < -1 or request.timeout_seconds < 0:
        raise UsageError("retries and timeout cannot be below 0", where=request.name)


def run_parameters(request: RunRequest) -> dict[str, str]:
    """The parameters of the run; a notebook's with the folder that its output goes to."""
    parameters = dict(request.parameters or {})
    if isinstance(request.work, NotebookWork) and request.output:
        parameters[OUTPUT_PARAMETER] = request.output
    return parameters


def python_arguments(request: RunRequest) -> list[str]:
    """What a Python file gets as ``sys.argv[1:]``."""
    named = [f"--{key}={value}" for key, value in (request.parameters or {}).items()]
    return [*request.arguments, *named]


def task_fields(
    client: WorkspaceClient, host: str, request: RunRequest, *, with_parameters: bool
) -> dict[str, Any]:
    """The one task in the API's own shape; a named job's has no parameters of a single run."""
    task: dict[str, Any] = {"task_key": TASK_KEY}
    work = request.work
    named = run_parameters(request) if with_parameters else {}
    if isinstance(work, NotebookWork):
        task["notebook_task"] = {"notebook_path": work.path, "base_parameters": named}
    elif isinstance(work, PythonFileWork):
        arguments = python_arguments(request) if with_parameters else []
        task["spark_python_task"] = {"python_file": work.path, "parameters": arguments}
    elif isinstance(work, WheelWork):
        call: dict[str, Any] = {"package_name": work.package, "entry_point": work.entry_point}
        if named and request.arguments:
            # the API takes either; named ones are written as it would hand them over
            call["parameters"] = python_arguments(request)
        elif with_parameters:
            call |= {"named_parameters": named, "parameters": list(request.arguments)}
        task["python_wheel_task"] = {key: value for key, value in call.items() if value}
    else:
        file = {"path": work.path, "source": "WORKSPACE"}
        task["sql_task"] = {"warehouse_id": work.warehouse_id, "file": file, "parameters": named}
    if request.retries:
        task["max_retries"] = request.retries
        task["min_retry_interval_millis"] = request.retry_pause_seconds * 1000
    if not isinstance(work, SqlFileWork):
        task |= _compute_fields(client, host, request)
    return task


def environments(request: RunRequest) -> list[dict[str, Any]]:
    """The environments of the run in the API's own shape; serverless has one, the rest none."""
    if isinstance(request.work, SqlFileWork) or not isinstance(request.compute, Serverless):
        return []
    spec = {"environment_version": ENVIRONMENT_VERSION, "dependencies": _installed(request)}
    return [{"environment_key": _ENVIRONMENT, "spec": spec}]


@contextlib.contextmanager
def compute_refusals(compute: Compute, host: str) -> Iterator[None]:
    """Turn a refusal that speaks of the compute into a SettingsError that says what to pass."""
    from databricks.sdk.errors.base import DatabricksError

    try:
        yield
    except DatabricksError as error:
        text = str(error).split(" Config: ", 1)[0].split(". Config:", 1)[0]
        signs = ("serverless", "environment", "cluster", "compute")
        if isinstance(compute, Serverless) and any(sign in text.lower() for sign in signs):
            raise SettingsError(
                f"the workspace does not run this on serverless compute: {text}",
                where=host,
                hint='name a cluster: --compute "cluster: NAME", or compute = "cluster: NAME" in'
                " pyproject.toml [tool.brickloop]; the settings of a job cluster will do too",
            ) from None
        if isinstance(compute, JobCluster) and "cluster" in text.lower():
            raise SettingsError(
                f"the workspace refuses the job cluster: {text}", where=host
            ) from None
        raise


def _compute_fields(client: WorkspaceClient, host: str, request: RunRequest) -> dict[str, Any]:
    if isinstance(request.compute, Serverless):
        return {"environment_key": _ENVIRONMENT}
    libraries = [
        {"whl": one} if one.endswith(".whl") else {"pypi": {"package": one}}
        for one in _installed(request)
    ]
    fields: dict[str, Any] = {"libraries": libraries} if libraries else {}
    if isinstance(request.compute, ExistingCluster):
        fields["existing_cluster_id"] = cluster_id(client, host, request.compute.named)
    else:
        fields["new_cluster"] = dict(request.compute.settings)
    return fields


def _installed(request: RunRequest) -> list[str]:
    own = [request.work.wheel] if isinstance(request.work, WheelWork) else []
    return [one for one in (*own, request.wheel, *request.libraries) if one]


__all__ = [
    "Compute",
    "NotebookWork",
    "PythonFileWork",
    "RunRequest",
    "SqlFileWork",
    "WheelWork",
    "Work",
    "parse_compute",
    "submit",
]
