"""The sessions that clients have open on warehouses; those that nobody uses expire."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brickloop.localws.operations import Operation
    from brickloop.localws.sql_session import SqlSession

_LOG = logging.getLogger("brickloop.localws")
_SWEEP_SECONDS = 30.0
_ORPHAN_SECONDS = 900.0

Opener = Callable[[str | None, str | None, Mapping[str, str]], "SqlSession"]
"""Opens a session for a catalog, schema and settings."""


class UnknownSession(Exception):
    """No session has this id: it was closed, it expired, or the warehouse was started anew."""


class UnknownOperation(Exception):
    """No operation has this id: it was closed, or its session ended."""


@dataclass
class ClientSession:
    """A client's session with the statements it has running or not yet closed."""

    id: bytes
    warehouse_id: str
    sql: SqlSession
    statement_timeout: float = 0.0
    """Seconds that a statement may take, 0 for any; the setting STATEMENT_TIMEOUT."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while a statement is planned: those of one session take effect one after the other."""
    operations: dict[bytes, Operation] = field(default_factory=dict)
    last_used: float = field(default_factory=time.monotonic)


class WarehouseSessions:
    """All open sessions; safe to share between threads."""

    def __init__(
        self, opener: Opener, is_current: Callable[[str], bool], *, idle_seconds: float
    ) -> None:
        """``is_current`` says whether an engine's address is still that of the running engine."""
        self._opener = opener
        self._is_current = is_current
        self._idle = idle_seconds
        self._lock = threading.Lock()
        self._sessions: dict[bytes, ClientSession] = {}
        self._ended = threading.Event()
        self._sweeper: threading.Thread | None = None

    def open(
        self,
        warehouse_id: str,
        catalog: str | None = None,
        schema: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> ClientSession:
        """A new session; raises StatementFailed for an unknown catalog, schema or setting."""
        sql = self._opener(catalog, schema, settings or {})
        timeout = _statement_timeout(settings or {})
        session = ClientSession(uuid.uuid4().bytes, warehouse_id, sql, timeout)
        with self._lock:
            self._sessions[session.id] = session
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="sessions", daemon=True)
                self._sweeper.start()
        return session

    def get(self, session_id: bytes) -> ClientSession:
        """The session, which counts as used now; raises UnknownSession."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session is not None and self._is_current(session.sql.endpoint):
                session.last_used = time.monotonic()
                return session
        if session is not None:
            self.close(session_id)
        raise UnknownSession(session_id.hex())

    def operation(self, operation_id: bytes) -> tuple[ClientSession, Operation]:
        """An operation with its session, which counts as used now; raises UnknownOperation."""
        with self._lock:
            for session in self._sessions.values():
                found = session.operations.get(operation_id)
                if found is not None:
                    session.last_used = time.monotonic()
                    return session, found
        raise UnknownOperation(operation_id.hex())

    def close(self, session_id: bytes) -> None:
        """End a session and what runs in it; raises UnknownSession."""
        with self._lock:
            session = self._sessions.pop(session_id, None)
        if session is None:
            raise UnknownSession(session_id.hex())
        running = []
        for operation in list(session.operations.values()):
            operation.close()
            if not operation.is_over:
                running.append(operation)
        if not running:
            session.sql.close()
            return

        def wait() -> None:
            # only through its session can a statement be stopped
            for operation in running:
                operation.join()
            session.sql.close()

        threading.Thread(target=wait, daemon=True).start()

    def close_all(self, warehouse_id: str | None = None) -> None:
        """End the sessions of a warehouse, or all."""
        if warehouse_id is None:
            self._ended.set()
        with self._lock:
            found = [
                s.id for s in self._sessions.values() if warehouse_id in {None, s.warehouse_id}
            ]
        for session_id in found:
            self._close_quietly(session_id)

    def running_count(self, warehouse_id: str | None = None) -> int:
        """How many statements run in the sessions of a warehouse, or in all."""
        with self._lock:
            sessions = [
                s for s in self._sessions.values() if warehouse_id in {None, s.warehouse_id}
            ]
        return sum(not each.is_over for s in sessions for each in list(s.operations.values()))

    def count(self, warehouse_id: str) -> int:
        """How many sessions are open on a warehouse."""
        with self._lock:
            return sum(each.warehouse_id == warehouse_id for each in self._sessions.values())

    def sweep(self, now: float) -> None:
        """End what nobody has asked for any more at ``now`` (monotonic).

        A client that waits for a statement asks for its state all the time, so one that is silent
        is gone: its statements are stopped, after a longer while its session too.
        """
        with self._lock:
            silent = [s for s in self._sessions.values() if now - s.last_used > self._idle]
            orphans = [
                operation
                for session in self._sessions.values()
                if now - session.last_used > min(_ORPHAN_SECONDS, self._idle)
                for operation in session.operations.values()
                if not operation.is_over
            ]
        for operation in orphans:
            _LOG.info("nobody asks for a statement any more; it is stopped")
            operation.cancel()
        for session in silent:
            _LOG.info("a session was idle for %.0f s and ends", self._idle)
            self._close_quietly(session.id)

    def _sweep(self) -> None:
        while not self._ended.wait(min(_SWEEP_SECONDS, self._idle / 4)):
            self.sweep(time.monotonic())

    def _close_quietly(self, session_id: bytes) -> None:
        try:
            self.close(session_id)
        except UnknownSession:
            return


def _statement_timeout(settings: Mapping[str, str]) -> float:
    """The setting's seconds; a value that is no number is none, as for the settings besides it."""
    for key, value in settings.items():
        if key.lower() == "statement_timeout" and value.strip().isdecimal():
            return float(value)
    return 0.0
