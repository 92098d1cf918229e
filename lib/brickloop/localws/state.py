"""The server's own state in SQLite: ids, settings, workspace metadata, jobs and runs.

Write-ahead logging, so a killed server loses nothing that it has answered. A database that cannot
be read is kept aside under another name and begun anew; the files of the store are untouched by
that and the workspace learns its objects from them again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    path TEXT PRIMARY KEY, parent TEXT NOT NULL, object_id INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL, language TEXT, format TEXT, created_ms INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL, mtime_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_by_parent ON objects (parent);
CREATE TABLE IF NOT EXISTS jobs (
    job_id INTEGER PRIMARY KEY, settings TEXT NOT NULL, created_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY, parent_id INTEGER, job_id INTEGER NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL, task_key TEXT, attempt INTEGER NOT NULL, first_run_id INTEGER NOT NULL,
    number_in_job INTEGER NOT NULL, spec TEXT NOT NULL, life_cycle TEXT NOT NULL, result TEXT,
    message TEXT NOT NULL, code TEXT NOT NULL, created_ms INTEGER NOT NULL,
    started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, outcome TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS runs_by_parent ON runs (parent_id);
CREATE INDEX IF NOT EXISTS runs_by_job ON runs (job_id, created_ms);
CREATE TABLE IF NOT EXISTS run_tokens (
    scope TEXT NOT NULL, token TEXT NOT NULL, run_id INTEGER NOT NULL,
    PRIMARY KEY (scope, token)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS warehouses (
    warehouse_id TEXT PRIMARY KEY, state TEXT NOT NULL, settings TEXT NOT NULL);
"""
_FIRST_ID = 1_000_001


class State:
    """The database; safe to share between the server's threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._db = self._open()
        except sqlite3.DatabaseError:
            aside = path.with_name(f"{path.name}.unreadable-{int(time.time())}")
            path.replace(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        # autocommit; transactions are begun by hand, so a read never holds a lock
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("PRAGMA busy_timeout=5000")
            found = db.execute("PRAGMA user_version").fetchone()[0]
            if found not in {0, _VERSION}:
                raise sqlite3.DatabaseError(f"schema version {found} is not {_VERSION}")
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA user_version={_VERSION}")
        except BaseException:
            db.close()
            raise
        return db

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside take effect, or none; nests."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows it changed."""
        with self._lock:
            return self._db.execute(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row of a query, None when there is none."""
        with self._lock:
            found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
            return found

    def next_id(self, name: str) -> int:
        """A number that was never given out before under this name."""
        with self._lock:
            found = self._db.execute(
                "INSERT INTO sequence VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
                (name, _FIRST_ID),
            ).fetchall()
            return int(found[0][0])

    def close(self) -> None:
        """Close the database; a later call fails."""
        with self._lock:
            self._db.close()


def now_ms() -> int:
    """The clock all stamps are taken from, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
