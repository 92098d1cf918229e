"""What a run is executed on: serverless, a cluster that is there, or one made for the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.clients.workspace import translate
from brickloop.errors import SettingsError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_HOW = (
    "write 'serverless'; 'cluster:' and the id or name of a cluster; or the settings of a job"
    " cluster as JSON, or @ and a file that holds them"
)


@dataclass(frozen=True)
class Serverless:
    """Serverless compute; what is installed goes into the run's environment."""


@dataclass(frozen=True)
class ExistingCluster:
    """A cluster that is there, by its id or its name."""

    named: str


@dataclass(frozen=True)
class JobCluster:
    """A cluster that is made for the run and goes with it."""

    settings: Mapping[str, Any]
    """``new_cluster`` of the Jobs API."""


Compute = Serverless | ExistingCluster | JobCluster


def parse_compute(text: str, root: Path | None = None) -> Compute:
    """The compute that a setting names; a file after ``@`` is looked for below ``root``.

    Raises SettingsError for anything that is none.
    """
    text = text.strip()
    if text == "serverless":
        return Serverless()
    if text.startswith("cluster:") and text[8:].strip():
        return ExistingCluster(text[8:].strip())
    if text.startswith("@"):
        path = (root or Path()) / text[1:]
        try:
            return _job_cluster(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot be read: {error}", where=str(path), hint=_HOW) from None
    if text.startswith("{"):
        return _job_cluster(text, "compute")
    raise SettingsError(f"compute is '{text}'", hint=_HOW)


def cluster_id(client: WorkspaceClient, host: str, named: str) -> str:
    """The id of the cluster of this id or name; raises SettingsError where none or several are."""
    with translate(host):
        clusters = [(c.cluster_id or "", c.cluster_name or "") for c in client.clusters.list()]
    found = [cluster for cluster, name in clusters if named in {cluster, name}]
    if len(found) != 1:
        listed = ", ".join(name for _, name in clusters) or "none"
        problem = "there is no cluster" if not found else "there are several clusters"
        raise SettingsError(
            f"{problem} '{named}'; clusters: {listed}", where=host, hint="name one by its id"
        )
    return found[0]


def _job_cluster(text: str, where: str) -> JobCluster:
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"the job cluster is not JSON: {error}", where=where) from None
    if not isinstance(settings, dict) or not settings:
        raise SettingsError("the job cluster is no JSON object", where=where, hint=_HOW)
    if not settings.get("spark_version"):
        raise SettingsError(
            "the job cluster has no spark_version",
            where=where,
            hint='a small one: {"spark_version": "15.4.x-scala2.12", "node_type_id": "...",'
            ' "num_workers": 1}',
        )
    return JobCluster(settings)
