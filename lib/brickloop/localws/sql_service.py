"""Everything that answers SQL clients; what is heavy is imported when the first of them comes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from brickloop.localws.compute import Compute
from brickloop.localws.layout import StoreLayout
from brickloop.localws.state import State
from brickloop.localws.warehouse_sessions import WarehouseSessions
from brickloop.localws.warehouses import STOPPED, Warehouses

if TYPE_CHECKING:
    from brickloop.localws.sql_session import SqlSession
    from brickloop.localws.thrift_service import ThriftService

_LOG = logging.getLogger("brickloop.localws")
SESSION_SECONDS = 8 * 3600.0


class SqlService:
    """Warehouses, sessions and protocols of one local workspace."""

    def __init__(self, layout: StoreLayout, state: State, compute: Compute, *, user: str) -> None:
        self._layout = layout
        self._compute = compute
        self._user = user
        self.warehouses = Warehouses(state)
        self.sessions = WarehouseSessions(
            self.open_session, compute.is_engine_at, idle_seconds=SESSION_SECONDS
        )
        self._lock = threading.Lock()
        self._thrift: dict[str, ThriftService] = {}

    def open_session(
        self, catalog: str | None, schema: str | None, settings: Mapping[str, str]
    ) -> tuple[str, SqlSession]:
        """A session in the engine, which is started where it does not run, and its address."""
        from brickloop.localws.sql_session import SqlSession

        endpoint, _pool = self._compute.ready()
        session = SqlSession.open(
            self._layout,
            endpoint,
            user=self._user,
            catalog=catalog,
            schema=schema,
            conf=settings,
        )
        return endpoint, session

    def thrift(self, warehouse_id: str) -> ThriftService:
        """The HiveServer2 side of a warehouse, which counts as used; raises ApiError (404)."""
        from brickloop.localws.thrift_service import ThriftService

        self.warehouses.use(warehouse_id)
        with self._lock:
            if warehouse_id not in self._thrift:
                self._thrift[warehouse_id] = ThriftService(self.sessions, warehouse_id)
            return self._thrift[warehouse_id]

    def stop_warehouse(self, warehouse_id: str) -> None:
        """Stop a warehouse: its sessions end, and what runs in them."""
        self.warehouses.set_state(warehouse_id, STOPPED)
        self.sessions.close_all(warehouse_id)

    def active_count(self) -> int:
        """How many statements run."""
        return self.sessions.running_count()

    def warm(self) -> None:
        """Import, in a thread of its own, what the first SQL client would wait for."""
        threading.Thread(target=self._import, name="warm", daemon=True).start()

    def close(self) -> None:
        """End all sessions."""
        self.sessions.close_all()

    def _import(self) -> None:
        try:
            self._compute.ready()
            from brickloop.localws import sql_session, thrift_service

            _LOG.debug("loaded %s and %s", thrift_service.__name__, sql_session.__name__)
        except Exception as error:  # noqa: BLE001 - the first client meets the fault and reports it
            _LOG.warning("SQL could not be prepared: %s", error)
