"""SQL warehouses: handles on the one engine of this machine, each with its own name and state.

API: https://docs.databricks.com/api/workspace/warehouses. Size, type and scaling are kept and given
back; they change nothing here. A stopped warehouse has no sessions; it starts when it is used.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any

from brickloop.localws.state import State
from brickloop.localws.wire import ApiError, invalid

DEFAULT_ID = "local"
DEFAULT_NAME = "This machine (local workspace)"
RUNNING, STOPPED = "RUNNING", "STOPPED"
SIZES = (
    "2X-Small", "X-Small", "Small", "Medium", "Large", "X-Large", "2X-Large", "3X-Large",
    "4X-Large", "5X-Large",
)  # fmt: skip
_NAME_LENGTH = 100
_DEFAULTS: dict[str, Any] = {
    "cluster_size": "2X-Small",
    "min_num_clusters": 1,
    "max_num_clusters": 1,
    "auto_stop_mins": 0,
    "warehouse_type": "PRO",
    "enable_photon": False,
    "enable_serverless_compute": False,
    "spot_instance_policy": "COST_OPTIMIZED",
    "channel": {"name": "CHANNEL_NAME_CURRENT"},
    "tags": {},
}
_OPTIONAL = ("instance_profile_arn",)


@dataclass(frozen=True)
class Warehouse:
    """One warehouse."""

    id: str
    state: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name, which no other has."""
        return str(self.settings["name"])

    @property
    def idle_limit(self) -> float:
        """Seconds without use after which it stops; 0 for never."""
        return 60.0 * int(self.settings["auto_stop_mins"])


class Warehouses:
    """All warehouses, kept in the database; safe to share between threads."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._used: dict[str, float] = {}
        with state.transaction():
            if not state.rows("SELECT 1 FROM warehouses"):
                self._write(Warehouse(DEFAULT_ID, RUNNING, {**_DEFAULTS, "name": DEFAULT_NAME}))

    def all(self) -> list[Warehouse]:
        """Every warehouse, the first made first."""
        rows = self._state.rows("SELECT * FROM warehouses ORDER BY rowid")
        return [_read(row) for row in rows]

    def get(self, warehouse_id: str) -> Warehouse:
        """The warehouse; raises ApiError (404) for an id that no warehouse has."""
        row = self._state.row("SELECT * FROM warehouses WHERE warehouse_id = ?", (warehouse_id,))
        if row is None:
            raise ApiError(
                404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {warehouse_id} does not exist."
            )
        return _read(row)

    def use(self, warehouse_id: str) -> Warehouse:
        """The warehouse, started where it was stopped; raises ApiError for an unknown id."""
        with self._lock:
            self._used[warehouse_id] = time.monotonic()
        found = self.get(warehouse_id)
        return found if found.state == RUNNING else self.set_state(warehouse_id, RUNNING)

    def create(self, fields: dict[str, Any]) -> Warehouse:
        """A new warehouse; raises ApiError for settings that cannot be."""
        settings = _checked({**_DEFAULTS, **fields})
        with self._state.transaction():
            self._check_name(settings["name"], "")
            made = Warehouse(secrets.token_hex(8), RUNNING, settings)
            self._write(made)
        with self._lock:
            self._used[made.id] = time.monotonic()
        return made

    def edit(self, warehouse_id: str, fields: dict[str, Any]) -> Warehouse:
        """The warehouse with other settings; those that are not named stay."""
        with self._state.transaction():
            old = self.get(warehouse_id)
            settings = _checked({**old.settings, **fields})
            self._check_name(settings["name"], warehouse_id)
            made = Warehouse(warehouse_id, old.state, settings)
            self._write(made)
        return made

    def set_state(self, warehouse_id: str, state: str) -> Warehouse:
        """The warehouse in another state."""
        with self._state.transaction():
            old = self.get(warehouse_id)
            made = Warehouse(warehouse_id, state, old.settings)
            self._write(made)
        return made

    def delete(self, warehouse_id: str) -> None:
        """Forget a warehouse; raises ApiError for an id that no warehouse has."""
        with self._state.transaction():
            self.get(warehouse_id)
            self._state.execute("DELETE FROM warehouses WHERE warehouse_id = ?", (warehouse_id,))

    def idle(self, now: float) -> list[Warehouse]:
        """The running warehouses that at ``now`` (monotonic) are unused for longer than they allow.

        The time of a warehouse that was not used since the server started begins with this call.
        """
        with self._lock:
            for each in self.all():
                self._used.setdefault(each.id, now)
            used = dict(self._used)
        return [
            each
            for each in self.all()
            if each.state == RUNNING and each.idle_limit and now - used[each.id] > each.idle_limit
        ]

    def _check_name(self, name: str, own_id: str) -> None:
        if any(each.name == name and each.id != own_id for each in self.all()):
            raise invalid(f"A SQL warehouse with name '{name}' already exists.")

    def _write(self, warehouse: Warehouse) -> None:
        self._state.execute(
            "INSERT INTO warehouses (warehouse_id, state, settings) VALUES (?, ?, ?)"
            " ON CONFLICT (warehouse_id) DO UPDATE SET state = excluded.state,"
            " settings = excluded.settings",
            (warehouse.id, warehouse.state, json.dumps(warehouse.settings)),
        )


def _read(row: Any) -> Warehouse:
    settings = {**_DEFAULTS, **json.loads(row["settings"])}
    return Warehouse(str(row["warehouse_id"]), str(row["state"]), settings)


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    name = settings.get("name")
    if not isinstance(name, str) or not name.strip():
        raise invalid("Missing required field: name")
    if len(name) >= _NAME_LENGTH:
        raise invalid(
            f"The name of a SQL warehouse must be shorter than {_NAME_LENGTH} characters."
        )
    if settings["cluster_size"] not in SIZES:
        raise invalid(
            f"'{settings['cluster_size']}' is not a valid cluster_size. Valid: {', '.join(SIZES)}."
        )
    minutes = _whole(settings, "auto_stop_mins")
    if minutes != 0 and minutes < 1:
        raise invalid("auto_stop_mins must be 0 (never) or at least 1.")
    least, most = _whole(settings, "min_num_clusters"), _whole(settings, "max_num_clusters")
    if not 1 <= least <= most:
        raise invalid("min_num_clusters must be at least 1 and at most max_num_clusters.")
    if settings["warehouse_type"] not in {"CLASSIC", "PRO", "TYPE_UNSPECIFIED"}:
        raise invalid(f"'{settings['warehouse_type']}' is not a valid warehouse_type.")
    known = {*_DEFAULTS, *_OPTIONAL, "name"}
    return {key: value for key, value in settings.items() if key in known}


def _whole(settings: dict[str, Any], name: str) -> int:
    value = settings[name]
    try:
        if isinstance(value, bool):
            raise ValueError
        number = int(value)
    except (TypeError, ValueError):
        raise invalid(f"{name} must be a whole number") from None
    settings[name] = number
    return number
