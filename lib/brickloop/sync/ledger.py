"""The ledger: what is known of both sides, of tasks and of runs, in one SQLite file.

Each fact is written after its effect is durable, so a process that dies at any moment leaves a
ledger that is true, if perhaps one step behind. A ledger that cannot be read is kept aside under
another name and begun anew: everything in it can be learned again from the files and the workspace.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

_SCHEMA_VERSION = 2
_OLDER = {0, 1}
"""Versions whose tables are those of today as far as they go."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS remote_objects (
    target TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, kind TEXT NOT NULL,
    object_id INTEGER, modified_at INTEGER, written REAL NOT NULL,
    PRIMARY KEY (target, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file_hashes (
    path TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL,
    sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (
    kind TEXT NOT NULL, sha256 TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (kind, sha256)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS task_state (
    target TEXT NOT NULL, task TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (target, task, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
    run_key TEXT PRIMARY KEY, target TEXT NOT NULL, notebook TEXT NOT NULL,
    fingerprint TEXT NOT NULL, run_id INTEGER, state TEXT NOT NULL, output TEXT NOT NULL,
    started REAL NOT NULL, ended REAL);
CREATE INDEX IF NOT EXISTS runs_by_notebook ON runs (target, notebook, started);
CREATE TABLE IF NOT EXISTS all_done (
    target TEXT NOT NULL, project TEXT NOT NULL, stamp TEXT NOT NULL, notebooks INTEGER NOT NULL,
    PRIMARY KEY (target, project)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS task_written AFTER INSERT ON task_state
    BEGIN DELETE FROM all_done; END;
CREATE TRIGGER IF NOT EXISTS task_forgotten AFTER DELETE ON task_state
    BEGIN DELETE FROM all_done; END;
CREATE TRIGGER IF NOT EXISTS object_written AFTER INSERT ON remote_objects
    BEGIN DELETE FROM all_done; END;
CREATE TRIGGER IF NOT EXISTS object_forgotten AFTER DELETE ON remote_objects
    BEGIN DELETE FROM all_done; END;
"""


@dataclass(frozen=True)
class RemoteObject:
    """What was last known equal on both sides."""

    path: str
    sha256: str
    """Of the local file's bytes, as they were sent or received."""
    kind: str
    """``NOTEBOOK`` or ``FILE``."""
    object_id: int | None
    modified_at: int | None
    """The remote stamp in milliseconds; None where it has not been seen since the write."""


@dataclass(frozen=True)
class RunRecord:
    """A job run that was asked for; written before the request is sent."""

    run_key: str
    """Idempotency token and name of the output folder at once."""
    target: str
    notebook: str
    fingerprint: str
    run_id: int | None
    state: str
    """``asked``, ``running``, ``succeeded``, ``failed``, ``cancelled``, ``detached``, ``lost``."""
    output: str
    """The remote folder that the run's output document goes to."""
    started: float
    ended: float | None


class Ledger:
    """The ledger file; safe to share between threads of one process and between processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set_aside: Path | None = None
        """Where an unreadable ledger was moved to, when that happened on opening."""
        self._lock = RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = self._open()

    def close(self) -> None:
        """Close the file; what was written stays written."""
        with self._lock:
            self._connection.close()

    def remote_object(self, target: str, path: str) -> RemoteObject | None:
        """What was last known equal at this remote path."""
        row = self._one(
            "SELECT path, sha256, kind, object_id, modified_at FROM remote_objects"
            " WHERE target = ? AND path = ?",
            (target, path),
        )
        return RemoteObject(*row) if row else None

    def remote_objects(self, target: str) -> dict[str, RemoteObject]:
        """Everything last known equal on a target, by remote path."""
        rows = self._all(
            "SELECT path, sha256, kind, object_id, modified_at FROM remote_objects"
            " WHERE target = ?",
            (target,),
        )
        return {row[0]: RemoteObject(*row) for row in rows}

    def written_times(self, target: str) -> dict[str, float]:
        """When each of ``remote_objects`` was remembered, in seconds since 1970."""
        return dict(
            self._all("SELECT path, written FROM remote_objects WHERE target = ?", (target,))
        )

    def remote_hashes(self, target: str) -> dict[str, str]:
        """Content hash of everything last known equal on a target, by remote path."""
        return dict(
            self._all("SELECT path, sha256 FROM remote_objects WHERE target = ?", (target,))
        )

    def record_remote_object(self, target: str, found: RemoteObject) -> None:
        """Remember that both sides are equal at this path."""
        self._write(
            "INSERT OR REPLACE INTO remote_objects VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                target,
                found.path,
                found.sha256,
                found.kind,
                found.object_id,
                found.modified_at,
                time.time(),
            ),
        )

    def record_remote_objects(
        self, target: str, found: list[RemoteObject], canonical: dict[str, str]
    ) -> None:
        """As ``record_remote_object``, for many at once, with contents' canonical hashes."""
        now = time.time()
        rows = [
            (target, one.path, one.sha256, one.kind, one.object_id, one.modified_at, now)
            for one in found
        ]
        facts = [("canonical", sha256, json.dumps(value)) for sha256, value in canonical.items()]
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO remote_objects VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )
            connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", facts)

    def forget_remote_object(self, target: str, path: str) -> None:
        """Forget a remote path."""
        self._write("DELETE FROM remote_objects WHERE target = ? AND path = ?", (target, path))

    def file_hashes(self) -> dict[str, tuple[int, int, str]]:
        """Known content hashes: path to (mtime in ns, size, sha256)."""
        return {
            row[0]: (row[1], row[2], row[3])
            for row in self._all("SELECT path, mtime_ns, size, sha256 FROM file_hashes", ())
        }

    def record_file_hashes(self, hashes: dict[str, tuple[int, int, str]]) -> None:
        """Remember content hashes; one transaction for all."""
        rows = [(path, *known) for path, known in hashes.items()]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO file_hashes VALUES (?, ?, ?, ?)", rows)

    def facts(self, kind: str) -> dict[str, Any]:
        """All facts of a kind that were worked out from contents, by the content's hash."""
        rows = self._all("SELECT sha256, value FROM facts WHERE kind = ?", (kind,))
        return {sha256: json.loads(value) for sha256, value in rows}

    def fact(self, kind: str, sha256: str) -> Any:
        """What was worked out from a content, None where nothing was."""
        row = self._one("SELECT value FROM facts WHERE kind = ? AND sha256 = ?", (kind, sha256))
        return json.loads(row[0]) if row else None

    def record_fact(self, kind: str, sha256: str, value: Any) -> None:
        """Remember a fact about a content."""
        self._write(
            "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (kind, sha256, json.dumps(value))
        )

    def task_state(self, target: str, task: str) -> dict[str, Any]:
        """What doit remembers of one of its tasks on a target, by key."""
        rows = self._all(
            "SELECT key, value FROM task_state WHERE target = ? AND task = ?", (target, task)
        )
        return {key: json.loads(value) for key, value in rows}

    def task_values(self, target: str, key: str) -> dict[str, Any]:
        """What doit remembers under one key, by task."""
        rows = self._all(
            "SELECT task, value FROM task_state WHERE target = ? AND key = ?", (target, key)
        )
        return {task: json.loads(value) for task, value in rows}

    def record_task_state(self, target: str, task: str, state: dict[str, Any]) -> None:
        """Replace what is remembered of a task; durable on return."""
        rows = [(target, task, key, json.dumps(value)) for key, value in state.items()]
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM task_state WHERE target = ? AND task = ?", (target, task)
            )
            connection.executemany("INSERT INTO task_state VALUES (?, ?, ?, ?)", rows)

    def forget_task_state(self, target: str, task: str | None = None) -> None:
        """Forget a task, or all tasks of a target."""
        if task is None:
            self._write("DELETE FROM task_state WHERE target = ?", (target,))
        else:
            self._write("DELETE FROM task_state WHERE target = ? AND task = ?", (target, task))

    def latest_run(self, target: str, notebook: str) -> RunRecord | None:
        """The run that was asked for last."""
        row = self._one(
            "SELECT run_key, target, notebook, fingerprint, run_id, state, output, started, ended"
            " FROM runs WHERE target = ? AND notebook = ? ORDER BY started DESC LIMIT 1",
            (target, notebook),
        )
        return RunRecord(*row) if row else None

    def record_run(self, run: RunRecord) -> None:
        """Remember a run, or its new state; durable on return."""
        self._write(
            "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run.run_key,
                run.target,
                run.notebook,
                run.fingerprint,
                run.run_id,
                run.state,
                run.output,
                run.started,
                run.ended,
            ),
        )

    def forget_success(self, target: str, notebook: str | None = None) -> None:
        """Take up no more what a notebook's runs, or all of a target, were seen to achieve."""
        chosen = "" if notebook is None else " AND notebook = ?"
        values = (target,) if notebook is None else (target, notebook)
        self._write(
            "UPDATE runs SET state = 'forgotten' WHERE state IN ('succeeded', 'detached')"
            f" AND target = ?{chosen}",
            values,
        )

    def run_states(self, target: str) -> dict[str, str]:
        """State of the run of each notebook that was asked for last."""
        return dict(
            self._all(
                "SELECT notebook, state FROM runs WHERE target = ? ORDER BY started", (target,)
            )
        )

    def rows_of(self, target: str) -> dict[str, list[list[Any]]]:
        """Everything that is known of a target, by table, as JSON types and without its name.

        Of each notebook's runs only the last one.
        """
        return {
            "remote_objects": self._rows(
                "SELECT path, sha256, kind, object_id, modified_at, written FROM remote_objects"
                " WHERE target = ? ORDER BY path",
                target,
            ),
            "task_state": self._rows(
                "SELECT task, key, value FROM task_state WHERE target = ? ORDER BY task, key",
                target,
            ),
            "runs": self._rows(
                "SELECT run_key, notebook, fingerprint, run_id, state, output, max(started), ended"
                " FROM runs WHERE target = ? GROUP BY notebook ORDER BY notebook",
                target,
            ),
        }

    def restore_rows(self, target: str, rows: dict[str, list[list[Any]]]) -> None:
        """Have what ``rows_of`` gave be known of a target, in one transaction, and nothing else."""
        with self._transaction() as connection:
            for table in ("remote_objects", "task_state"):
                connection.execute(f"DELETE FROM {table} WHERE target = ?", (target,))
            connection.executemany(
                "INSERT INTO remote_objects VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(target, *row) for row in rows["remote_objects"]],
            )
            connection.executemany(
                "INSERT INTO task_state VALUES (?, ?, ?, ?)",
                [(target, *row) for row in rows["task_state"]],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(row[0], target, *row[1:]) for row in rows["runs"]],
            )

    def _rows(self, statement: str, target: str) -> list[list[Any]]:
        return [list(row) for row in self._all(statement, (target,))]

    def all_done(self, target: str, project: str) -> tuple[str, int] | None:
        """The stamp under which a project had nothing left to do, with its number of notebooks.

        Forgotten by itself as soon as a task or a remote object is recorded or forgotten.
        """
        row = self._one(
            "SELECT stamp, notebooks FROM all_done WHERE target = ? AND project = ?",
            (target, project),
        )
        return (row[0], row[1]) if row else None

    def record_all_done(self, target: str, project: str, stamp: str, notebooks: int) -> None:
        """Remember that under this stamp there is nothing left to do."""
        self._write(
            "INSERT OR REPLACE INTO all_done VALUES (?, ?, ?, ?)",
            (target, project, stamp, notebooks),
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._transaction() as connection:
            connection.execute(statement, values)

    def _one(self, statement: str, values: tuple[Any, ...]) -> Any:
        with self._lock:
            return self._connection.execute(statement, values).fetchone()

    def _all(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            self.set_aside = _move_aside(self.path)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=30, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in {*_OLDER, _SCHEMA_VERSION}:
                raise sqlite3.DatabaseError(f"ledger of version {version}")
            if version in _OLDER:
                connection.executescript(_SCHEMA)
                connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            else:
                # a torn file often opens and fails on its first page of data
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                connection.execute("SELECT * FROM task_state LIMIT 1").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.unreadable-{time.strftime('%Y%m%dT%H%M%S')}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.unreadable-{time.strftime('%Y%m%dT%H%M%S')}-{number}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside
