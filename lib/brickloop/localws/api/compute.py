"""Clusters and warehouses: one of each, and both say that they are this machine."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from brickloop.localws.services import CLUSTER_ID, USER, WAREHOUSE_ID, Services
from brickloop.localws.wire import Answer, ApiError, Call, Endpoint, invalid

_NAME = "This machine (local workspace)"


def list_clusters(services: Services, call: Call) -> Answer:
    """The one cluster."""
    return {"clusters": [_cluster()]}


def get_cluster(services: Services, call: Call) -> Answer:
    """The one cluster, by its id."""
    asked = call.text("cluster_id")
    if asked != CLUSTER_ID:
        raise invalid(f"Cluster {asked} does not exist")
    return _cluster()


def list_warehouses(services: Services, call: Call) -> Answer:
    """The one warehouse."""
    return {"warehouses": [_warehouse(services)]}


def get_warehouse(services: Services, call: Call) -> Answer:
    """The one warehouse, by its id."""
    asked = call.tail.lstrip("/")
    if asked != WAREHOUSE_ID:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {asked} does not exist.")
    return _warehouse(services)


def _cluster() -> dict[str, Any]:
    return {
        "cluster_id": CLUSTER_ID,
        "cluster_name": _NAME,
        "state": "RUNNING",
        "state_message": "",
        "spark_version": "local",
        "node_type_id": "local",
        "num_workers": 0,
        "creator_user_name": USER,
        "cluster_source": "API",
        "data_security_mode": "SINGLE_USER",
        "single_user_name": USER,
    }


def _warehouse(services: Services) -> dict[str, Any]:
    address = urlsplit(services.identity.host)
    return {
        "id": WAREHOUSE_ID,
        "name": _NAME,
        "state": "RUNNING",
        "cluster_size": "2X-Small",
        "warehouse_type": "PRO",
        "enable_serverless_compute": False,
        "num_clusters": 1,
        "creator_name": USER,
        "odbc_params": {
            "hostname": address.hostname,
            "port": address.port,
            "path": services.identity.http_path,
            "protocol": "http",
        },
    }


ENDPOINTS = (
    Endpoint("GET", "/api/2.0/clusters/list", list_clusters),
    Endpoint("GET", "/api/2.1/clusters/list", list_clusters),
    Endpoint("GET", "/api/2.0/clusters/get", get_cluster),
    Endpoint("GET", "/api/2.1/clusters/get", get_cluster),
    Endpoint("GET", "/api/2.0/sql/warehouses", list_warehouses),
    Endpoint("GET", "/api/2.0/sql/warehouses/*", get_warehouse),
)
