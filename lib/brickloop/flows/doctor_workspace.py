"""The doctor's questions to the workspace: quick, side by side, and none that changes anything."""

from __future__ import annotations

import contextlib
import difflib
import email.utils
import threading
import time
from typing import TYPE_CHECKING, Any

from brickloop import launcher
from brickloop.clients.workspace import connect, translate
from brickloop.config.profile import Target
from brickloop.config.settings import Settings
from brickloop.errors import BrickloopError, ConnectionFailed, SettingsError, UsageError
from brickloop.flows.warehouse import Warehouse, preferred
from brickloop.jobs.compute import ExistingCluster, JobCluster, cluster_id, parse_compute
from brickloop.model.finding import Checked, Finding, error, note, warning

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.sql import EndpointInfo

_SETTINGS_CODE = 2
_CONNECTION_CODE = 3
_SKEW_SECONDS = 60.0
_TIMEOUT_SECONDS = 10.0
_CATALOGS_ASKED = 3
_NOT_OURS = frozenset({"system", "samples", "hive_metastore", "__databricks_internal"})
_WAKING = frozenset({"STOPPED", "STOPPING", "STARTING", "TERMINATED", "PENDING"})


class _NotAsked(BrickloopError):
    """There is nobody to ask; why is said by another check."""


class Asked:
    """The workspace that is meant, opened once for all checks."""

    def __init__(self, settings: Settings, target: Target | None) -> None:
        self._settings = settings
        self._target = target
        self._lock = threading.Lock()
        self._client: WorkspaceClient | None = None
        self._host = (target.host or "") if target else ""
        self._failure: BrickloopError | None = None
        self._sleeps = False
        """Whether it is the local workspace, which does not run."""

    def check_connection(self) -> Checked:
        """Whether the workspace answers and accepts us, as whom, and how quickly."""
        begun = time.monotonic()
        try:
            client = self._open()
            with translate(self._host):
                me = client.current_user.me()
        except _NotAsked:
            return Checked({"asked": False, "why": "the local workspace does not run"})
        except BrickloopError as failure:
            code = _CONNECTION_CODE if isinstance(failure, ConnectionFailed) else failure.exit_code
            if isinstance(failure, UsageError):
                code = _SETTINGS_CODE
            return Checked(
                {"asked": True, "reachable": False},
                (error(str(failure), failure.hint, exit_code=code),),
            )
        facts = {
            "asked": True,
            "reachable": True,
            "host": self._host,
            "user": me.user_name,
            "auth_type": client.config.auth_type,
            "cloud": _cloud(client),
            "seconds": round(time.monotonic() - begun, 3),
        }
        return Checked(facts)

    def check_clock(self) -> Checked:
        """How far this machine's clock is from the workspace's: sign-ins stop to work by it."""
        if self._target is None or self._target.is_local:
            return Checked({"skew_seconds": None})
        import requests

        before = time.time()
        try:
            answer = requests.get(
                f"{self._host}/.well-known/databricks-config",
                timeout=_TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
            )
            answer.close()
        except (requests.RequestException, OSError, ValueError):
            # that it is out of reach is said by the check of the connection
            return Checked({"skew_seconds": None})
        skew = clock_skew(answer.headers.get("Date"), before, time.time())
        facts = {"skew_seconds": None if skew is None else round(skew, 1)}
        if skew is None or abs(skew) <= _SKEW_SECONDS:
            return Checked(facts)
        way = "ahead of" if skew > 0 else "behind"
        return Checked(
            facts,
            (
                warning(
                    f"this machine's clock is {abs(skew):,.0f} s {way} the workspace's:"
                    " sign-ins and tokens may be refused",
                    "set the clock: timedatectl set-ntp true, or the system's date settings",
                ),
            ),
        )

    def check_compute(self) -> Checked:
        """Whether the compute that is configured is there, and in which state."""
        text = self._settings.text("compute") or ""
        try:
            compute = parse_compute(text, self._settings.root)
        except SettingsError:
            return Checked({"kind": None})  # said by the check of the settings
        facts: dict[str, Any] = {"source": self._settings["compute"].source}
        if isinstance(compute, ExistingCluster):
            return self._ask(lambda client: self._of_cluster(client, compute, facts))
        if isinstance(compute, JobCluster):
            return self._ask(lambda client: self._of_job_cluster(client, compute, facts))
        return Checked({"kind": "serverless", **facts})

    def check_warehouse(self) -> Checked:
        """The warehouse that a query would go to, why, and in which state it is."""
        return self._ask(self._of_warehouse)

    def check_storage(self) -> Checked:
        """Where output may be kept: the DBFS root, volumes, workspace files."""
        return self._ask(self._of_storage)

    def _open(self) -> WorkspaceClient:
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._sleeps:
                raise _NotAsked("it does not run")
            if self._client is None:
                try:
                    self._client = self._connect()
                except _NotAsked:
                    self._sleeps = True
                    raise
                except BrickloopError as failure:
                    self._failure = failure
                    raise
            return self._client

    def _connect(self) -> WorkspaceClient:
        assert self._target is not None
        if self._target.is_local:
            server = launcher.find_running(self._settings.state_folder / "local")
            if server is None:
                raise _NotAsked("it does not run")
            self._host = server.host
            return connect(server.host, token=server.token)
        return connect(
            self._host, profile=self._target.profile, config_file=self._target.config_file
        )

    def _ask(self, check: Any) -> Checked:
        """A check that needs the workspace; one that is not to be had is said elsewhere."""
        try:
            client = self._open()
        except BrickloopError:
            return Checked({"asked": False})
        with translate(self._host):
            found: Checked = check(client)
        return found

    def _of_cluster(
        self, client: WorkspaceClient, compute: ExistingCluster, facts: dict[str, Any]
    ) -> Checked:
        facts |= {"kind": "cluster", "name": compute.named}
        try:
            number = cluster_id(client, self._host, compute.named)
        except SettingsError as failure:
            return Checked(facts, (error(str(failure), failure.hint, exit_code=_SETTINGS_CODE),))
        found = client.clusters.get(number)
        state = found.state.value if found.state else None
        facts |= {"id": number, "state": state, "spark_version": found.spark_version}
        if state in _WAKING:
            return Checked(facts, (note(f"cluster '{compute.named}' is {state}: a run starts it"),))
        return Checked(facts)

    def _of_job_cluster(
        self, client: WorkspaceClient, compute: JobCluster, facts: dict[str, Any]
    ) -> Checked:
        wanted = str(compute.settings.get("spark_version"))
        facts |= {"kind": "job cluster", "spark_version": wanted}
        offered = [str(one.key) for one in client.clusters.spark_versions().versions or []]
        if not offered or wanted in offered:
            return Checked(facts)
        close = difflib.get_close_matches(wanted, offered, 3, 0.0)
        return Checked(
            facts,
            (
                error(
                    f"the workspace offers no spark_version '{wanted}'",
                    f"such as: {', '.join(close)}",
                    exit_code=_SETTINGS_CODE,
                ),
            ),
        )

    def _of_warehouse(self, client: WorkspaceClient) -> Checked:
        assert self._target is not None
        wanted = Warehouse(self._settings, self._target).wanted()
        listed = list(client.warehouses.list())
        facts: dict[str, Any] = {
            "configured": wanted,
            "source": self._settings["warehouse"].source if wanted else None,
            "count": len(listed),
        }
        # a path that ends in an id names a warehouse; that of a cluster has another form
        key = (
            wanted.rstrip("/").rpartition("/")[2] if wanted and "/warehouses/" in wanted else wanted
        )
        if key and "/" in key:
            return Checked(facts | {"kind": "a cluster's path"})
        taken = preferred(listed, key)
        if taken is None:
            return Checked(facts, (_no_warehouse(wanted, listed),))
        state = taken.state.value if taken.state else None
        facts |= {"name": taken.name, "id": taken.id, "state": state}
        findings: tuple[Finding, ...] = ()
        if state in _WAKING:
            findings = (note(f"warehouse '{taken.name}' is {state}: a query starts it"),)
        if wanted is None and len(listed) > 1:
            findings += (
                note(
                    f"no warehouse is configured: '{taken.name}' is taken, one of {len(listed)}",
                    "name one: warehouse in pyproject.toml [tool.brickloop]",
                ),
            )
        return Checked(facts, findings)

    def _of_storage(self, client: WorkspaceClient) -> Checked:
        from databricks.sdk.errors.base import DatabricksError

        facts: dict[str, Any] = {"dbfs_root": True, "volume": None, "workspace_files": True}
        try:
            next(iter(client.dbfs.list("/")), None)
        except DatabricksError:
            facts["dbfs_root"] = False  # new accounts have none, and do not need it
        with contextlib.suppress(DatabricksError):
            facts["volume"] = _first_volume(client)
        try:
            me = client.current_user.me().user_name
            client.workspace.get_status(f"/Users/{me}")
        except DatabricksError:
            facts["workspace_files"] = False
        root = self._settings.text("output_root")
        facts["output_root"] = root
        if root and root.startswith(("dbfs:", "/dbfs")):
            path = root.removeprefix("dbfs:").removeprefix("/dbfs")
            if not facts["dbfs_root"] and not path.startswith("/Volumes"):
                return Checked(
                    facts,
                    (
                        error(
                            f"output_root is {root}, and the DBFS root is closed to you",
                            f"name a volume: {facts['volume'] or '/Volumes/catalog/schema/name'}",
                            exit_code=_SETTINGS_CODE,
                        ),
                    ),
                )
        if not any((facts["dbfs_root"], facts["volume"], facts["workspace_files"])):
            return Checked(
                facts,
                (error("neither DBFS, a volume nor your folder is open to you", "ask an admin"),),
            )
        return Checked(facts)


def _no_warehouse(wanted: str | None, listed: list[EndpointInfo]) -> Finding:
    if wanted is None:
        return warning("there is no SQL warehouse: queries cannot run", "create one")
    names = ", ".join(f"{one.name} ({one.id})" for one in listed) or "none"
    return error(
        f"there is no warehouse '{wanted}'",
        f"those that you may use: {names}",
        exit_code=_SETTINGS_CODE,
    )


def clock_skew(date: str | None, before: float, after: float) -> float | None:
    """Seconds that this clock is ahead of the one that wrote a ``Date`` header; None without one.

    The header has whole seconds and was written between ``before`` and ``after``: what lies within
    that counts as none.
    """
    try:
        theirs = email.utils.parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return None
    if before - 1 <= theirs <= after:
        return 0.0
    return before - 1 - theirs if theirs < before - 1 else after - theirs


def _first_volume(client: WorkspaceClient) -> str | None:
    from databricks.sdk.errors import NotFound, PermissionDenied

    names = [str(one.name) for one in client.catalogs.list()]
    for catalog in [name for name in names if name not in _NOT_OURS][:_CATALOGS_ASKED]:
        with contextlib.suppress(NotFound, PermissionDenied):
            for volume in client.volumes.list(catalog, "default"):
                return f"/Volumes/{catalog}/default/{volume.name}"
    return None


def _cloud(client: WorkspaceClient) -> str | None:
    config = client.config
    for name in ("azure", "gcp", "aws"):
        if getattr(config, f"is_{name}", False):
            return name
    return None
