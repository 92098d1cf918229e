"""Sessions for statements that belong to none: kept open and lent, for opening one takes time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

from brickloop.localws.warehouse_sessions import ClientSession, Opener

_KEPT = 4


class IdleSessions:
    """A small stock of sessions in which nothing has been changed; safe to share."""

    def __init__(self, opener: Opener, is_current: Callable[[str], bool]) -> None:
        self._opener = opener
        self._is_current = is_current
        self._lock = threading.Lock()
        self._idle: list[ClientSession] = []

    def borrow(self, catalog: str | None, schema: str | None) -> ClientSession:
        """A session of one's own; raises StatementError for an unknown catalog or schema."""
        while (session := self._pop()) is not None:
            if self._is_current(session.sql.endpoint):
                try:
                    session.sql.use(catalog, schema)
                except BaseException:
                    self.give_back(session)
                    raise
                return session
            session.sql.close()
        sql = self._opener(catalog, schema, {})
        return ClientSession(uuid.uuid4().bytes, "", sql)

    def give_back(self, session: ClientSession) -> None:
        """Keep a session for the next statement; only one in which nothing was changed."""
        with self._lock:
            kept = len(self._idle) < _KEPT
            if kept:
                self._idle.append(session)
        if not kept:
            session.sql.close()

    def close(self) -> None:
        """End all that are kept."""
        while (session := self._pop()) is not None:
            session.sql.close()

    def _pop(self) -> ClientSession | None:
        with self._lock:
            return self._idle.pop() if self._idle else None
