"""A warehouse at the connector's edge: sessions that answer as they are told."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from brickloop.clients.warehouse import Answer
from brickloop.errors import BrickloopError
from brickloop.sql.key import Identity

ME = Identity("https://one.example", "/sql/1.0/warehouses/w1", "me@example.com", "main", "default")


class FakeSession:
    """A session of a FakeWarehouse; has what pool and runner use of a real one."""

    def __init__(self, warehouse: FakeWarehouse, number: int) -> None:
        self.warehouse = warehouse
        self.number = number
        self.opened = self.last_used = time.monotonic()
        self.uses = self.prepared = 0
        self.broken = self.closed = self.abandoned = False
        self.seen: list[str] = []

    @property
    def is_open(self) -> bool:
        return not self.broken

    def execute(self, statement: str, parameters: Any = None, row_limit: Any = None) -> Answer:
        self.uses += 1
        self.seen.append(statement)
        try:
            table = self.warehouse.answer(self, statement, parameters, row_limit)
        except BrickloopError as error:
            self.broken = self.broken or error.exit_code == 3
            raise
        self.last_used = time.monotonic()
        return Answer(table, f"q{len(self.warehouse.statements)}", None)

    def ping(self) -> bool:
        self.seen.append("ping")
        self.broken = self.broken or self.number in self.warehouse.dead
        return not self.broken

    def cancel(self) -> bool:
        return True

    def close(self) -> None:
        self.broken = self.closed = True

    def abandon(self) -> None:
        self.broken = self.abandoned = True


class FakeWarehouse:
    """Counts what it is asked; ``reply`` and ``fail`` say what it answers."""

    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []
        self.statements: list[str] = []
        self.dead: set[int] = set()
        self.reply: Callable[[str], pa.Table] = lambda _statement: pa.table({"n": [1]})
        self.failures: list[BrickloopError] = []
        """Raised one after the other by the next statements."""
        self.open_failures: list[BrickloopError] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def open(self) -> FakeSession:
        with self._lock:
            if self.open_failures:
                raise self.open_failures.pop(0)
            session = FakeSession(self, next(self._numbers))
            self.sessions.append(session)
            return session

    def answer(
        self, _session: FakeSession, statement: str, _parameters: Any, row_limit: Any
    ) -> pa.Table:
        with self._lock:
            self.statements.append(statement)
            if self.failures:
                raise self.failures.pop(0)
        table = self.reply(statement)
        return table if row_limit is None else table.slice(0, row_limit)
