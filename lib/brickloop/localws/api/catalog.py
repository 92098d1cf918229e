"""Catalogs, schemas and volumes, enough to learn where files may go. They are folders of the store.

https://docs.databricks.com/api/workspace/volumes. Tables are the engine's.
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

from brickloop.localws.services import USER, Services
from brickloop.localws.wire import Answer, ApiError, Call, Endpoint, invalid, page_of

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PAGE = 1000


def list_catalogs(services: Services, call: Call) -> Answer:
    """All catalogs."""
    return page(call, "catalogs", [_catalog(services, name) for name in _catalogs(services)])


def get_catalog(services: Services, call: Call) -> Answer:
    """One catalog."""
    (name,) = _names(call.tail, 1)
    if name not in _catalogs(services):
        raise missing("Catalog", name)
    return _catalog(services, name)


def list_schemas(services: Services, call: Call) -> Answer:
    """All schemas of a catalog."""
    catalog = _existing_catalog(services, call.text("catalog_name"))
    shaped = [_schema(services, catalog, name) for name in _schemas(services, catalog)]
    return page(call, "schemas", shaped)


def get_schema(services: Services, call: Call) -> Answer:
    """One schema."""
    catalog, name = _names(call.tail, 2)
    return _schema(services, *_existing_schema(services, catalog, name))


def create_schema(services: Services, call: Call) -> Answer:
    """Make a schema."""
    catalog = _existing_catalog(services, call.text("catalog_name"))
    name = _checked(call.text("name"))
    if name in _schemas(services, catalog):
        raise ApiError(400, "SCHEMA_ALREADY_EXISTS", f"Schema '{catalog}.{name}' already exists")
    (services.layout.warehouse / catalog / name).mkdir(parents=True)
    return _schema(services, catalog, name)


def list_volumes(services: Services, call: Call) -> Answer:
    """All volumes of a schema."""
    catalog, schema = _existing_schema(
        services, call.text("catalog_name"), call.text("schema_name")
    )
    found = _folders(services.layout.volumes / catalog / schema)
    return page(call, "volumes", [_volume(services, catalog, schema, name) for name in found])


def get_volume(services: Services, call: Call) -> Answer:
    """One volume."""
    catalog, schema, name = _names(call.tail, 3)
    if not services.layout.volumes.joinpath(catalog, schema, name).is_dir():
        raise missing("Volume", f"{catalog}.{schema}.{name}")
    return _volume(services, catalog, schema, name)


def create_volume(services: Services, call: Call) -> Answer:
    """Make a managed volume."""
    catalog, schema = _existing_schema(
        services, call.text("catalog_name"), call.text("schema_name")
    )
    name = _checked(call.text("name"))
    if call.text("volume_type", "MANAGED") != "MANAGED":
        raise invalid("The local workspace has managed volumes only.")
    folder = services.layout.volumes / catalog / schema / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ApiError(
            400, "VOLUME_ALREADY_EXISTS", f"Volume '{catalog}.{schema}.{name}' already exists"
        ) from None
    return _volume(services, catalog, schema, name)


def page(call: Call, key: str, items: list[Any], most: int = _PAGE) -> dict[str, Any]:
    """The page of ``items`` that a call asks for under ``key``, with the token of the next."""
    limit = call.whole("max_results", 0) or most
    found, following, _ = page_of(items, call.optional_text("page_token"), min(limit, most))
    return {key: found, **({"next_page_token": following} if following else {})}


def _folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(
        child.name for child in folder.iterdir() if child.is_dir() and _NAME.fullmatch(child.name)
    )


def _catalogs(services: Services) -> list[str]:
    layout = services.layout
    return sorted({"main", *_folders(layout.warehouse), *_folders(layout.volumes)})


def _schemas(services: Services, catalog: str) -> list[str]:
    layout = services.layout
    found = {*_folders(layout.warehouse / catalog), *_folders(layout.volumes / catalog)}
    return sorted({"default", *found})


def _existing_catalog(services: Services, name: str) -> str:
    if name not in _catalogs(services):
        raise missing("Catalog", name)
    return name


def _existing_schema(services: Services, catalog: str, name: str) -> tuple[str, str]:
    if name not in _schemas(services, _existing_catalog(services, catalog)):
        raise missing("Schema", f"{catalog}.{name}")
    return catalog, name


def _names(tail: str, count: int) -> list[str]:
    names = tail.lstrip("/").split(".")
    if len(names) != count or not all(_NAME.fullmatch(name) for name in names):
        raise invalid(f"'{tail.lstrip('/')}' is not a valid name")
    return names


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise invalid(f"'{name}' is not a valid name")
    return name


def _catalog(services: Services, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "full_name": name,
        "catalog_type": "MANAGED_CATALOG",
        "owner": USER,
        "securable_type": "CATALOG",
    }


def _schema(services: Services, catalog: str, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "catalog_name": catalog,
        "full_name": f"{catalog}.{name}",
        "schema_id": stable_id(f"{catalog}.{name}"),
        "catalog_type": "MANAGED_CATALOG",
        "owner": USER,
    }


def _volume(services: Services, catalog: str, schema: str, name: str) -> dict[str, Any]:
    folder = services.layout.volumes / catalog / schema / name
    created = folder.stat().st_ctime_ns // 1_000_000
    return {
        "name": name,
        "catalog_name": catalog,
        "schema_name": schema,
        "full_name": f"{catalog}.{schema}.{name}",
        "volume_id": stable_id(f"{catalog}.{schema}.{name}"),
        "volume_type": "MANAGED",
        "owner": USER,
        "created_at": created,
        "created_by": USER,
        "storage_location": folder.as_uri(),
    }


def stable_id(name: str) -> str:
    """An id that an object keeps as long as its name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def missing(kind: str, name: str) -> ApiError:
    """The refusal of an object that is not there."""
    return ApiError(404, f"{kind.upper()}_DOES_NOT_EXIST", f"{kind} '{name}' does not exist.")


_UC = "/api/2.1/unity-catalog"
ENDPOINTS = (
    Endpoint("GET", f"{_UC}/catalogs", list_catalogs),
    Endpoint("GET", f"{_UC}/catalogs/*", get_catalog),
    Endpoint("GET", f"{_UC}/schemas", list_schemas),
    Endpoint("GET", f"{_UC}/schemas/*", get_schema),
    Endpoint("POST", f"{_UC}/schemas", create_schema),
    Endpoint("GET", f"{_UC}/volumes", list_volumes),
    Endpoint("GET", f"{_UC}/volumes/*", get_volume),
    Endpoint("POST", f"{_UC}/volumes", create_volume),
)
