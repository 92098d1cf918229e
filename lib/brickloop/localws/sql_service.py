"""Everything that answers SQL clients; what is heavy is imported when the first of them comes."""

from __future__ import annotations

import importlib
import logging
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from brickloop.localws.compute import Compute
from brickloop.localws.idle_sessions import IdleSessions
from brickloop.localws.layout import StoreLayout
from brickloop.localws.state import State
from brickloop.localws.warehouse_sessions import (
    ClientSession,
    UnknownSession,
    WarehouseSessions,
)
from brickloop.localws.warehouses import STOPPED, Warehouses
from brickloop.localws.wire import ApiError

if TYPE_CHECKING:
    from brickloop.localws.sql_session import SqlSession
    from brickloop.localws.statement_parameters import Parameter
    from brickloop.localws.statements import ResultOptions, Statement, Statements
    from brickloop.localws.thrift_service import ThriftService

_LOG = logging.getLogger("brickloop.localws")
SESSION_SECONDS = 3600.0
"""How long a session lives that nobody uses."""


class SqlService:
    """Warehouses, sessions and protocols of one local workspace."""

    def __init__(
        self,
        layout: StoreLayout,
        state: State,
        compute: Compute,
        *,
        user: str,
        session_seconds: float = SESSION_SECONDS,
    ) -> None:
        self._layout = layout
        self._compute = compute
        self._user = user
        self.warehouses = Warehouses(state)
        self.sessions = WarehouseSessions(
            self.open_session, compute.is_engine_at, idle_seconds=session_seconds
        )
        self.idle_sessions = IdleSessions(self.open_session, compute.is_engine_at)
        self._open: weakref.WeakSet[SqlSession] = weakref.WeakSet()
        compute.add_tenants(self)
        self._loading = threading.Lock()
        self._lock = threading.Lock()
        self._thrift: dict[str, ThriftService] = {}
        self._statements: Statements | None = None

    def open_session(
        self, catalog: str | None, schema: str | None, settings: Mapping[str, str]
    ) -> SqlSession:
        """A session in the engine, which is started where it does not run."""
        self.load()
        from brickloop.localws.sql_session import SqlSession

        with self._compute.lease() as (endpoint, _pool):
            session = SqlSession.open(
                self._layout,
                endpoint,
                user=self._user,
                catalog=catalog,
                schema=schema,
                conf=settings,
            )
            session.on_stop = self._compute.look_after_stop
            with self._lock:
                self._open.add(session)
        return session

    def begun_on(self, endpoint: str) -> int:
        """How many calls its sessions have begun on the engine at this address."""
        return sum(session.begun for session in self._open_on(endpoint))

    def are_quiet_on(self, endpoint: str) -> bool:
        """Whether the engine at this address does nothing for its sessions."""
        return all(session.is_quiet for session in self._open_on(endpoint))

    def move(self, endpoint: str, fresh: str) -> bool:
        """Move the sessions that are quiet to another engine; whether none is left."""
        moved = [session.move(fresh) for session in self._open_on(endpoint)]
        return all(moved)

    def _open_on(self, endpoint: str) -> list[SqlSession]:
        with self._lock:
            return [each for each in self._open if each.endpoint == endpoint and not each.closed]

    def thrift(self, warehouse_id: str) -> ThriftService:
        """The HiveServer2 side of a warehouse, which counts as used; raises ApiError (404)."""
        self.load()
        from brickloop.localws.thrift_service import ThriftService

        self.warehouses.use(warehouse_id)
        with self._lock:
            if warehouse_id not in self._thrift:
                self._thrift[warehouse_id] = ThriftService(self.sessions, warehouse_id)
            return self._thrift[warehouse_id]

    def execute(
        self,
        text: str,
        parameters: Sequence[Parameter],
        options: ResultOptions,
        *,
        warehouse_id: str,
        session_id: str | None = None,
        catalog: str | None = None,
        schema: str | None = None,
        row_limit: int | None = None,
    ) -> Statement:
        """A statement of the Statement Execution API, begun.

        Raises ApiError for an unknown warehouse or session.
        """
        self.load()
        from brickloop.localws.operations import Operation
        from brickloop.localws.statement_run import StatementRun

        self.warehouses.use(warehouse_id)
        session = self._client_session(session_id) if session_id else None
        run = StatementRun(self.idle_sessions, session, catalog, schema, text, parameters)
        timeout = session.statement_timeout if session else 0.0
        operation = Operation(run.rows, run.interrupt, row_limit=row_limit, timeout=timeout)
        return self.statements.start(operation, options, run.finish, warehouse_id)

    def open_client_session(
        self,
        warehouse_id: str,
        catalog: str | None,
        schema: str | None,
        settings: Mapping[str, str],
    ) -> ClientSession:
        """A session of a driver on a warehouse; raises ApiError for an unknown one."""
        self.warehouses.use(warehouse_id)
        return self.sessions.open(warehouse_id, catalog, schema, settings)

    @property
    def statements(self) -> Statements:
        """The statements of the Statement Execution API."""
        self.load()
        from brickloop.localws.statements import Statements

        with self._lock:
            if self._statements is None:
                self._statements = Statements(self._layout.root / "results")
            return self._statements

    def stop_warehouse(self, warehouse_id: str) -> None:
        """Stop a warehouse: its sessions end, and what runs in them."""
        self.warehouses.set_state(warehouse_id, STOPPED)
        self.sessions.close_all(warehouse_id)
        if self._statements is not None:
            self._statements.cancel_all(warehouse_id)

    def stop_idle(self) -> None:
        """Stop the warehouses that nobody uses for longer than they allow."""
        for each in self.warehouses.idle(time.monotonic()):
            if not self.active_count(each.id):
                self.stop_warehouse(each.id)

    def active_count(self, warehouse_id: str | None = None) -> int:
        """How many statements run, on one warehouse or on all."""
        running = self.sessions.running_count(warehouse_id)
        if self._statements is not None:
            running += self._statements.running_count(warehouse_id)
        return running

    def load(self) -> None:
        """Import what SQL needs; in one thread, for pyspark's modules import one another."""
        with self._loading:
            from brickloop.localws import statement_run, thrift_service

            _LOG.debug("loaded %s and %s", thrift_service.__name__, statement_run.__name__)

    def warm(self) -> None:
        """Import, in a thread of its own, what the first SQL client would wait for."""
        threading.Thread(target=self._import, name="warm", daemon=True).start()

    def close(self) -> None:
        """End all sessions."""
        if self._statements is not None:
            self._statements.close_all()
        self.idle_sessions.close()
        self.sessions.close_all()

    def _client_session(self, session_id: str) -> ClientSession:
        try:
            return self.sessions.get(bytes.fromhex(session_id))
        except (UnknownSession, ValueError):
            raise ApiError(404, "NOT_FOUND", f"The session {session_id} was not found.") from None

    def _import(self) -> None:
        try:
            self._compute.ready()
            self.load()
            # what a statement waits for that the engine does not take as it is
            importlib.import_module("sqlglot.dialects.databricks")
        except Exception as error:  # noqa: BLE001 - the first client meets the fault and reports it
            _LOG.warning("SQL could not be prepared: %s", error)
