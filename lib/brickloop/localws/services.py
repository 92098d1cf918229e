"""What the endpoints work with, put together once when the server starts."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass

from brickloop.localws.compute import Compute
from brickloop.localws.disk import Disk
from brickloop.localws.layout import StoreLayout
from brickloop.localws.run_store import RunStore
from brickloop.localws.runner import Runner
from brickloop.localws.secret_store import SecretStore
from brickloop.localws.sql_service import SqlService
from brickloop.localws.state import State, now_ms
from brickloop.localws.streams import DbfsStreams
from brickloop.localws.warehouses import DEFAULT_ID as WAREHOUSE_ID
from brickloop.localws.workspace_tree import WorkspaceTree

USER = "local@brickloop.test"
HOME = f"/Workspace/Users/{USER}"
CLUSTER_ID = "local-cluster"
# as a workspace does; https://docs.databricks.com/api/workspace/jobs/listruns
_RUNS_KEPT_MS = 60 * 24 * 3600 * 1000
_UPLOADS_KEPT_SECONDS = 24 * 3600
DEFAULT_VOLUME = ("main", "default", "brickloop")


@dataclass(frozen=True)
class Identity:
    """Which workspace this is, and what opens it."""

    host: str
    """``http://127.0.0.1:port``."""
    token: str
    workspace_id: str

    @property
    def http_path(self) -> str:
        """The warehouse's path, as SQL clients are given it."""
        return f"/sql/1.0/warehouses/{WAREHOUSE_ID}"

    def signature(self, purpose: str) -> str:
        """A signature that only the holder of the token can make, for one purpose."""
        return hmac.new(self.token.encode(), purpose.encode(), hashlib.sha256).hexdigest()[:40]

    def is_signed(self, purpose: str, signature: str) -> bool:
        """Whether ``signature`` was made for ``purpose``."""
        return hmac.compare_digest(self.signature(purpose).encode(), signature.encode())

    def run_page_url(self, run_id: int) -> str:
        """The link to a run's page; the signature in it opens that page and nothing else."""
        return f"{self.host}/runs/{run_id}?t={self.signature(f'run:{run_id}')}"


@dataclass(frozen=True)
class Services:
    """Everything an endpoint may use."""

    identity: Identity
    layout: StoreLayout
    state: State
    disk: Disk
    tree: WorkspaceTree
    streams: DbfsStreams
    runs: RunStore
    runner: Runner
    compute: Compute
    sql: SqlService
    secrets: SecretStore

    def forget_runs(self, run_ids: Iterable[int]) -> None:
        """Remove what runs left in their folders."""
        for run_id in run_ids:
            self.disk.discard(self.layout.runs / str(run_id))

    def active_count(self) -> int:
        """How many runs and statements are going on."""
        return self.runner.active_count() + self.sql.active_count()

    def close(self) -> None:
        """Stop what runs, then close the database."""
        self.runner.close()
        self.sql.close()
        self.compute.stop()
        self.state.close()


def open_services(layout: StoreLayout, identity: Identity, engine: str = "") -> Services:
    """The services over the folder of ``layout``, which is made where it is missing.

    ``engine`` is the Spark Connect string of an engine to use in place of our own.
    """
    layout.make()
    state = State(layout.database)
    disk = Disk(layout.root / "tmp")
    tree = WorkspaceTree(layout, state, disk)
    for folder in (HOME, "/Workspace/Shared", "/Workspace/Repos"):
        tree.make_folder(folder)
    layout.volumes.joinpath(*DEFAULT_VOLUME).mkdir(parents=True, exist_ok=True)
    (layout.warehouse / "main" / "default").mkdir(parents=True, exist_ok=True)
    runs = RunStore(state)
    runs.end_orphans("The local workspace was stopped while this run was going on.")
    compute = Compute(layout, engine)
    runner = Runner(
        runs, compute, layout, disk, host=identity.host, token=identity.token, user=USER
    )
    sql = SqlService(layout, state, compute, user=USER)
    services = Services(
        identity,
        layout,
        state,
        disk,
        tree,
        DbfsStreams(disk),
        runs,
        runner,
        compute,
        sql,
        SecretStore(layout.root / "secrets.json"),
    )
    services.forget_runs(runs.delete_old_runs(now_ms() - _RUNS_KEPT_MS))
    _discard_uploads(layout, disk)
    return services


def _discard_uploads(layout: StoreLayout, disk: Disk) -> None:
    """Remove the uploads in parts that nobody finished."""
    folder = layout.root / "uploads"
    for upload in folder.iterdir() if folder.is_dir() else ():
        if upload.stat().st_mtime < time.time() - _UPLOADS_KEPT_SECONDS:
            disk.discard(upload)
