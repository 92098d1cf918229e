"""The endpoints, one module for each part of the API, and the route table they make together."""

from __future__ import annotations

from brickloop.localws.api import (
    catalog,
    compute,
    dbfs,
    files,
    identity,
    jobs,
    repairs,
    runs,
    secrets,
    sql_protocols,
    statements,
    tables,
    transfers,
    warehouses,
    workspace,
)
from brickloop.localws.pages import run_page
from brickloop.localws.wire import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *identity.ENDPOINTS,
    *workspace.ENDPOINTS,
    *dbfs.ENDPOINTS,
    *files.ENDPOINTS,
    *transfers.ENDPOINTS,
    *jobs.ENDPOINTS,
    *runs.ENDPOINTS,
    *repairs.ENDPOINTS,
    *secrets.ENDPOINTS,
    *catalog.ENDPOINTS,
    *tables.ENDPOINTS,
    *compute.ENDPOINTS,
    *warehouses.ENDPOINTS,
    *sql_protocols.ENDPOINTS,
    *statements.ENDPOINTS,
    *run_page.ENDPOINTS,
)
