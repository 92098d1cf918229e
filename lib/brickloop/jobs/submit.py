"""Asking for a run: one notebook, once, with the runtime wheel attached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brickloop.clients.workspace import translate
from brickloop.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

OUTPUT_PARAMETER = "brickloop_output"
ENVIRONMENT_VERSION = "2"
_PARAMETER_BYTES = 10_000


@dataclass(frozen=True)
class RunRequest:
    """One notebook run, as it is asked for."""

    name: str
    notebook_path: str
    run_key: str
    """Idempotency token: the same key never starts a second run."""
    output: str
    """Remote folder that the run's output document goes to."""
    wheel: str
    """Remote path of the runtime wheel."""
    compute: str = "serverless"
    parameters: Mapping[str, str] | None = None
    timeout_seconds: int = 0


def submit(client: WorkspaceClient, host: str, request: RunRequest) -> int:
    """The id of the run, started now or by an earlier request with the same key.

    Raises SettingsError for a compute that is none, UsageError for parameters over 10,000 bytes.
    """
    from databricks.sdk.service import jobs
    from databricks.sdk.service.compute import Environment, Library

    parameters = {**(request.parameters or {}), OUTPUT_PARAMETER: request.output}
    if sum(len(key) + len(value) for key, value in parameters.items()) > _PARAMETER_BYTES:
        raise UsageError("the parameters are longer than 10,000 bytes", where=request.name)
    task: dict[str, Any] = {
        "task_key": "main",
        "notebook_task": jobs.NotebookTask(
            notebook_path=request.notebook_path, base_parameters=parameters
        ),
    }
    environments = None
    if request.compute == "serverless":
        task["environment_key"] = "default"
        spec = Environment(environment_version=ENVIRONMENT_VERSION, dependencies=[request.wheel])
        environments = [jobs.JobEnvironment(environment_key="default", spec=spec)]
    elif request.compute.startswith("cluster:"):
        task["existing_cluster_id"] = _cluster_id(client, host, request.compute[8:].strip())
        task["libraries"] = [Library(whl=request.wheel)]
    else:
        raise SettingsError(
            f"compute is '{request.compute}'",
            hint="write 'serverless', or 'cluster:' and the id or name of a cluster",
        )
    with translate(host):
        waiter = client.jobs.submit(
            run_name=request.name,
            tasks=[jobs.SubmitTask(**task)],
            environments=environments,
            idempotency_token=request.run_key,
            timeout_seconds=request.timeout_seconds or None,
        )
    return int(waiter.run_id)


def _cluster_id(client: WorkspaceClient, host: str, named: str) -> str:
    with translate(host):
        clusters = [(c.cluster_id or "", c.cluster_name or "") for c in client.clusters.list()]
    found = [cluster for cluster, name in clusters if named in {cluster, name}]
    if len(found) != 1:
        listed = ", ".join(name for _, name in clusters) or "none"
        problem = "there is no cluster" if not found else "there are several clusters"
        raise SettingsError(f"{problem} '{named}'; clusters: {listed}", where=host)
    return found[0]
