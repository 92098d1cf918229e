"""One statement of the Statement Execution API on its way through a session."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from brickloop.localws import metadata_commands
from brickloop.localws.arrow_results import WireFormat
from brickloop.localws.idle_sessions import IdleSessions
from brickloop.localws.operations import Operation, Rows, run_statement
from brickloop.localws.sql_text import leading_words
from brickloop.localws.statement_parameters import Parameter
from brickloop.localws.statements import Statement
from brickloop.localws.warehouse_sessions import ClientSession

# these leave nothing behind in their session
_HARMLESS = frozenset({
    "SELECT", "WITH", "VALUES", "FROM", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "INSERT",
    "UPDATE", "DELETE", "MERGE",
})  # fmt: skip


class StatementRun:
    """A statement with the session it runs in: a driver's, or one that is borrowed."""

    def __init__(
        self,
        idle: IdleSessions,
        session: ClientSession | None,
        catalog: str | None,
        schema: str | None,
        text: str,
        parameters: Sequence[Parameter],
    ) -> None:
        self._idle = idle
        self._session = session
        self._is_borrowed = session is None
        self._place = (catalog, schema)
        self._text = text
        self._parameters = parameters
        self._lock = threading.Lock()

    def rows(self, operation: Operation) -> Rows:
        """What the statement gives; raises StatementError."""
        session = self._session
        if session is None:
            session = self._idle.borrow(*self._place)
            with self._lock:
                self._session = session
        found = metadata_commands.answer(session.sql, self._text)
        if found is not None:
            return found
        wire = WireFormat(utc="Etc/UTC")
        return run_statement(session, self._text, self._parameters, wire, operation)

    def interrupt(self, tag: str) -> None:
        """Stop what runs in the session under this tag."""
        with self._lock:
            session = self._session
        if session is not None:
            session.sql.cancel(tag)

    def finish(self, statement: Statement) -> None:
        """Give the session back when the statement's thread no longer uses it."""
        if not self._is_borrowed:
            return
        statement.operation.join()
        with self._lock:
            session, self._session = self._session, None
        if session is None:
            return
        word = (leading_words(self._text, 1) or [""])[0]
        if statement.phase.value == "SUCCEEDED" and word in _HARMLESS:
            self._idle.give_back(session)
        else:
            session.sql.close()
