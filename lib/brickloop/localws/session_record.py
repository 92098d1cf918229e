"""What a session read and wrote: tables, paths and statements, for lineage and for pages."""

from __future__ import annotations

import threading
from dataclasses import dataclass

_KEPT_STATEMENTS = 10_000


@dataclass(frozen=True)
class SessionRecord:
    """What one session has read and written so far, each once and in the order of first use."""

    tables_read: tuple[str, ...] = ()
    """Full names, ``catalog.schema.table``; views too."""
    tables_written: tuple[str, ...] = ()
    paths_read: tuple[str, ...] = ()
    """As the user wrote them."""
    paths_written: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    """SQL texts, the last 10,000."""


class Recorder:
    """Gathers a record; several threads may use the session at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, None]] = {
            kind: {} for kind in ("tables_read", "tables_written", "paths_read", "paths_written")
        }
        self._statements: list[str] = []
        self.count = 0
        """How many statements there were."""

    def add(self, kind: str, *names: str) -> None:
        """Note names under one of the record's fields."""
        with self._lock:
            self._kept[kind].update(dict.fromkeys(names))

    def has(self, kind: str, name: str) -> bool:
        """Whether a name was noted."""
        with self._lock:
            return name in self._kept[kind]

    def discard(self, kind: str, name: str) -> None:
        """Take back a name."""
        with self._lock:
            self._kept[kind].pop(name, None)

    def add_statement(self, text: str) -> None:
        """Note an SQL text."""
        with self._lock:
            self._statements.append(text)
            self.count += 1
            del self._statements[:-_KEPT_STATEMENTS]

    def record(self) -> SessionRecord:
        """What was noted so far."""
        with self._lock:
            lists = {kind: tuple(names) for kind, names in self._kept.items()}
            return SessionRecord(**lists, statements=tuple(self._statements))
