"""The one cluster, which says that it is this machine."""

from __future__ import annotations

from typing import Any

from brickloop.localws.services import CLUSTER_ID, USER, Services
from brickloop.localws.wire import Answer, Call, Endpoint, invalid

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


ENDPOINTS = (
    Endpoint("GET", "/api/2.0/clusters/list", list_clusters),
    Endpoint("GET", "/api/2.1/clusters/list", list_clusters),
    Endpoint("GET", "/api/2.0/clusters/get", get_cluster),
    Endpoint("GET", "/api/2.1/clusters/get", get_cluster),
)
