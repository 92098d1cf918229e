"""SQL warehouses. https://docs.databricks.com/api/workspace/warehouses"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from brickloop.localws.services import USER, Services
from brickloop.localws.warehouses import DEFAULT_ID, RUNNING, Warehouse
from brickloop.localws.wire import Answer, ApiError, Call, Endpoint, invalid

_BASE = "/api/2.0/sql/warehouses"


def list_warehouses(services: Services, call: Call) -> Answer:
    """All warehouses."""
    services.sql.stop_idle()
    return {"warehouses": [_shown(services, each) for each in services.sql.warehouses.all()]}


def get_warehouse(services: Services, call: Call) -> Answer:
    """One warehouse, by its id."""
    warehouse_id, action = _target(call)
    if action:
        raise _unknown(call)
    services.sql.stop_idle()
    return _shown(services, services.sql.warehouses.get(warehouse_id))


def create_warehouse(services: Services, call: Call) -> Answer:
    """A new handle on this machine's engine."""
    return {"id": services.sql.warehouses.create(dict(call.fields)).id}


def change_warehouse(services: Services, call: Call) -> Answer:
    """Edit, start or stop a warehouse."""
    warehouse_id, action = _target(call)
    warehouses = services.sql.warehouses
    if action == "edit":
        warehouses.edit(warehouse_id, dict(call.fields))
    elif action == "start":
        warehouses.get(warehouse_id)
        warehouses.set_state(warehouse_id, RUNNING)
    elif action == "stop":
        warehouses.get(warehouse_id)
        services.sql.stop_warehouse(warehouse_id)
    else:
        raise _unknown(call)
    return {}


def delete_warehouse(services: Services, call: Call) -> Answer:
    """Forget a warehouse; the default one stays, for settings that were exported name it."""
    warehouse_id, action = _target(call)
    if action:
        raise _unknown(call)
    if warehouse_id == DEFAULT_ID:
        raise invalid("The default warehouse of the local workspace cannot be deleted.")
    services.sql.warehouses.get(warehouse_id)
    services.sql.stop_warehouse(warehouse_id)
    services.sql.warehouses.delete(warehouse_id)
    return {}


def _target(call: Call) -> tuple[str, str]:
    warehouse_id, _, action = call.tail.lstrip("/").partition("/")
    return warehouse_id, action


def _unknown(call: Call) -> ApiError:
    return ApiError(
        501,
        "NOT_IMPLEMENTED",
        f"{call.method} {call.path} is not available in the local workspace.",
    )


def _shown(services: Services, warehouse: Warehouse) -> dict[str, Any]:
    address = urlsplit(services.identity.host)
    path = f"/sql/1.0/warehouses/{warehouse.id}"
    running = warehouse.state == RUNNING
    tags = warehouse.settings.get("tags") or {}
    return {
        **{key: value for key, value in warehouse.settings.items() if key != "tags"},
        **({"tags": tags} if tags else {}),
        "id": warehouse.id,
        "state": warehouse.state,
        "num_clusters": int(running),
        "num_active_sessions": services.sql.sessions.count(warehouse.id),
        "creator_name": USER,
        "jdbc_url": (
            f"jdbc:databricks://{address.hostname}:{address.port}/default;transportMode=http;"
            f"ssl={int(address.scheme == 'https')};AuthMech=3;httpPath={path};"
        ),
        "odbc_params": {
            "hostname": address.hostname,
            "port": address.port,
            "path": path,
            "protocol": address.scheme,
        },
        "health": {"status": "HEALTHY"} if running else {},
    }


ENDPOINTS = (
    Endpoint("GET", _BASE, list_warehouses),
    Endpoint("POST", _BASE, create_warehouse),
    Endpoint("GET", f"{_BASE}/*", get_warehouse),
    Endpoint("POST", f"{_BASE}/*", change_warehouse),
    Endpoint("DELETE", f"{_BASE}/*", delete_warehouse),
)
