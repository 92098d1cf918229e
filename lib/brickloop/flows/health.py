"""ConnectionHealth: whether SQL, API, workspace and storage answer; connecting anew."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from brickloop.clients.workspace import translate
from brickloop.errors import BrickloopError, ConnectionFailed
from brickloop.flows.connections import ConnectionManager
from brickloop.sql.health import HealthReport, Probe, run_checks

if TYPE_CHECKING:
    from brickloop.flows.target import OpenTarget

_CHECK_SECONDS = 15.0
_PAUSE_SECONDS = 0.25
_CATALOGS_ASKED = 3
_NOT_OURS = frozenset({"system", "samples", "hive_metastore"})
_ASLEEP = frozenset({"STOPPED", "STOPPING"})


class ConnectionHealth:
    """Checks the connections of a manager, or of the workspace that is meant."""

    def __init__(
        self,
        manager: ConnectionManager | None = None,
        *,
        profile: str | None = None,
        warehouse: str | None = None,
        root: Path | str | None = None,
        seconds: float = _CHECK_SECONDS,
    ) -> None:
        """``seconds`` is how long a part may take to answer."""
        self._own = manager is None
        self._manager = manager or ConnectionManager(
            profile=profile, warehouse=warehouse, root=root
        )
        self._seconds = seconds

    def check_health(self) -> HealthReport:
        """A Check for each of ``sql``, ``api``, ``workspace`` and ``storage``, by name.

        ``if not health["sql"]`` works as it reads. All parts are asked at once; never raises for
        one that does not work.
        """
        # loading the clients is no latency of the workspace
        import databricks.sdk
        import databricks.sql.client  # noqa: F401

        return run_checks(self._probes(), self._seconds)

    def auto_reconnect(self, seconds: float = 30.0) -> HealthReport:
        """Connect again where something is down, for up to ``seconds``; what works afterwards.

        The manager's idle connections are let go of, the workspace is signed in to anew, and a
        local workspace that does not run is started. Never raises for what stays down.
        """
        deadline = time.monotonic() + seconds
        while True:
            report = self.check_health()
            if report or time.monotonic() >= deadline:
                return report
            self._manager.reconnect()
            if not report["sql"]:
                with contextlib.suppress(BrickloopError):
                    self._manager.get_sql_connection(force_new=True).close()
            time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Give the connections back, where they are our own."""
        if self._own:
            self._manager.close()

    def _probes(self) -> dict[str, Probe]:
        return {
            "sql": Probe("SELECT 1 on the warehouse", self._ask_sql),
            "api": Probe("who am I", self._ask_api),
            "workspace": Probe("status of your workspace folder", self._ask_workspace),
            "storage": Probe("list of dbfs:/ and of a volume", self._ask_storage),
        }

    def _ask_sql(self) -> str:
        warehouse = self._manager.warehouse
        if not warehouse.target.is_local and warehouse.state() in _ASLEEP:
            # asking would start it, and cost money
            return "the warehouse is stopped and was not asked; a query starts it"
        rows = self._manager.execute("SELECT 1").rows()
        if rows != [(1,)]:
            raise ConnectionFailed(f"SELECT 1 gave {rows}")
        endpoint = warehouse.endpoint()
        return f"warehouse {endpoint.warehouse} at {endpoint.host}"

    def _ask_api(self) -> str:
        opened = self._manager.warehouse.opened()
        with translate(opened.host):
            return f"signed in as {opened.client.current_user.me().user_name}"

    def _ask_workspace(self) -> str:
        opened = self._manager.warehouse.opened()
        with translate(opened.host):
            opened.client.workspace.get_status(opened.home.removeprefix("/Workspace"))
        return opened.home

    def _ask_storage(self) -> str:
        opened = self._manager.warehouse.opened()
        return f"{_ask_dbfs(opened)}; {_ask_volumes(opened)}"


def _ask_dbfs(opened: OpenTarget) -> str:
    from databricks.sdk.errors import BadRequest, PermissionDenied

    with translate(opened.host):
        try:
            return f"dbfs:/ has {len(list(opened.client.dbfs.list('/')))} entries"
        except (PermissionDenied, BadRequest):
            # new accounts have none, and do not need it
            return "dbfs:/ is closed to you (volumes take its place)"


def _ask_volumes(opened: OpenTarget) -> str:
    from databricks.sdk.errors import NotFound, PermissionDenied

    with translate(opened.host):
        names = [str(one.name) for one in opened.client.catalogs.list()]
        for catalog in [name for name in names if name not in _NOT_OURS][:_CATALOGS_ASKED]:
            with contextlib.suppress(NotFound, PermissionDenied):
                for volume in opened.client.volumes.list(catalog, "default"):
                    path = f"/Volumes/{catalog}/default/{volume.name}"
                    opened.client.files.get_directory_metadata(path)
                    return path
    return f"{len(names)} catalogs, no volume in their default schemas"


def check(
    root: Path,
    *,
    profile: str | None,
    warehouse: str | None,
    as_json: bool,
    seconds: float,
    every: float | None,
) -> None:
    """``invoke health``: check once, or ``every`` so many seconds, and show what was found.

    Raises ConnectionFailed when, checked once, a part does not work.
    """
    from brickloop.display.health_view import show_report, show_report_json

    health = ConnectionHealth(profile=profile, warehouse=warehouse, root=root, seconds=seconds)
    try:
        while True:
            report = health.check_health()
            if as_json:
                show_report_json(report.checks, indent=None if every is not None else 2)
            else:
                show_report(report.checks, at_time=every is not None)
            if every is None:
                break
            time.sleep(every)
    finally:
        health.close()
    if report.failed:
        names = ", ".join(one.name for one in report.failed)
        raise ConnectionFailed(f"{len(report.failed)} of {len(report)} parts failed: {names}")
