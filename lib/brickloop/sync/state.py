"""What a pair of folders remembers between syncs, in one SQLite file.

Writes are grouped: whoever commits takes along what others have queued, so that many files in
flight cost few flushes. Nothing is reported as remembered before it is on the disk.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from brickloop.model.notebook import Language, NotebookFormat
from brickloop.sync.remote import Kind, Stamp
from brickloop.sync.versions import Ancestor, Version

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ancestors (slot TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE intents (slot TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE holds (slot TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE seen (slot TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE versions (
    number INTEGER PRIMARY KEY, slot TEXT NOT NULL, sha256 TEXT NOT NULL, side TEXT NOT NULL,
    event TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, at REAL NOT NULL);
CREATE INDEX versions_by_slot ON versions (slot, number);
"""

Statement = tuple[str, tuple[Any, ...]]


RESTORE = "restore"
"""The side of an intent that brings back a kept version: nothing becomes equal by it."""


@dataclass(frozen=True)
class Intent:
    """What is about to be done in a slot; written before, removed after it is remembered."""

    slot: str
    side: str
    """The side that is changed, or RESTORE."""
    result: Ancestor | None
    """What both sides are equal to afterwards; None for a delete."""
    staged: str = ""
    """The staged file that gets its place; its being gone says that it has."""
    retired: str = ""
    """The staged name that the old version moves to."""
    old_name: str = ""
    old_sha: str = ""
    folder: int = 0
    """The inode of the folder it was staged in: moved with its folder, it is not published."""


@dataclass(frozen=True)
class Hold:
    """A conflict that waits for a decision."""

    slot: str
    reason: str
    local_sha: str
    remote_sha: str
    stamp: Stamp | None
    sidecar: str
    """The local path of the workspace's version that was laid beside; empty when none was."""
    since: float
    name: str = ""
    """The local file's path."""


@dataclass(frozen=True)
class KeptVersion:
    """An entry of a slot's history."""

    number: int
    slot: str
    sha256: str
    side: str
    """Where the version stood."""
    event: str
    """``sent``, ``received``, ``overwritten``, ``deleted``, ``held`` or ``restored``."""
    name: str
    size: int
    at: float


class SyncState:
    """The state file; safe to share between threads."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self.set_aside: Path | None = None
        """Where an unreadable state was moved to, when that happened on opening."""
        self._durable = durable
        self._database = threading.RLock()
        self._queue = threading.Condition()
        self._waiting: list[Statement] = []
        self._asked = 0
        self._done = 0
        self._leading = False
        try:
            self._connection = self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            self.set_aside = _move_aside(path)
            self._connection = self._connect()

    def close(self) -> None:
        """Write what is queued and close the file."""
        self.flush()
        with self._database:
            self._connection.close()

    def meta(self, key: str) -> str | None:
        """A single remembered value."""
        row = self._all("SELECT value FROM meta WHERE key = ?", (key,))
        return row[0][0] if row else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember a single value; durable on return."""
        self.write([("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))])

    def ancestors(self) -> dict[str, Ancestor]:
        """What was last known equal, by slot."""
        return {slot: _ancestor(json.loads(value)) for slot, value in self._rows("ancestors")}

    def intents(self) -> dict[str, Intent]:
        """What a killed sync was about to do, by slot."""
        found = {}
        for slot, value in self._rows("intents"):
            data = json.loads(value)
            result = None if data["result"] is None else _ancestor(data["result"])
            found[slot] = Intent(**{**data, "result": result})
        return found

    def holds(self) -> dict[str, Hold]:
        """The conflicts that wait, by slot."""
        found = {}
        for slot, value in self._rows("holds"):
            data = json.loads(value)
            found[slot] = Hold(**{**data, "stamp": _stamp(data["stamp"])})
        return found

    def seen(self) -> dict[str, Version]:
        """Remote versions that were read, by slot; good as long as their stamp agrees."""
        found = {}
        for slot, value in self._rows("seen"):
            data = json.loads(value)
            found[slot] = Version(
                **{
                    **data,
                    "kind": Kind(data["kind"]),
                    "language": _language(data["language"]),
                    "format": _format(data["format"]),
                    "stamp": _stamp(data["stamp"]),
                }
            )
        return found

    def files(self) -> dict[str, list[Any]]:
        """What is known of local files, by path: signature, then what was worked out."""
        return {path: json.loads(value) for path, value in self._rows("files")}

    def history(self, slot: str | None = None) -> list[KeptVersion]:
        """The versions that were sent, received, overwritten or deleted, newest first."""
        if slot is None:
            rows = self._all("SELECT * FROM versions ORDER BY number DESC", ())
        else:
            rows = self._all("SELECT * FROM versions WHERE slot = ? ORDER BY number DESC", (slot,))
        return [KeptVersion(*row) for row in rows]

    def history_of(self, path: str) -> list[KeptVersion]:
        """As ``history``, of one file by its slot or by any local path it had."""
        query = "SELECT * FROM versions WHERE slot = ? OR name = ? ORDER BY number DESC"
        return [KeptVersion(*row) for row in self._all(query, (path, path))]

    def carried_times(self) -> dict[str, float]:
        """When a version was last sent or received, by slot, in seconds since 1970."""
        return dict(
            self._all(
                "SELECT slot, max(at) FROM versions WHERE event IN ('sent', 'received')"
                " GROUP BY slot",
                (),
            )
        )

    def forget_history(self, before: float) -> None:
        """Forget versions older than a moment."""
        self.write([("DELETE FROM versions WHERE at < ?", (before,))])

    def write(self, statements: Iterable[Statement]) -> None:
        """Do statements in one transaction, with all that is queued; durable on return."""
        with self._queue:
            self._waiting.extend(statements)
            self._asked += 1
            ticket = self._asked
            while self._leading and self._done < ticket:
                self._queue.wait()
            if self._done >= ticket:
                return
            self._leading = True
            batch, self._waiting = self._waiting, []
            upto = self._asked
        written = False
        try:
            self._commit(batch)
            written = True
        finally:
            with self._queue:
                self._leading = False
                if written:
                    self._done = max(self._done, upto)
                else:
                    # whoever waits tries again and meets the failure itself
                    self._waiting[:0] = batch
                self._queue.notify_all()

    def write_later(self, statements: Iterable[Statement]) -> None:
        """Queue statements for whoever writes next, or ``flush``."""
        with self._queue:
            self._waiting.extend(statements)

    def flush(self) -> None:
        """Write what is queued; durable on return."""
        with self._queue:
            idle = not self._waiting and not self._leading
        if not idle:
            self.write([])

    def _commit(self, batch: list[Statement]) -> None:
        with self._database:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in batch:
                    self._connection.execute(statement, values)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, table: str) -> list[tuple[str, str]]:
        return self._all(f"SELECT * FROM {table}", ())

    def _all(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        with self._database:
            return self._connection.execute(statement, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(
            self.path, timeout=30, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'OFF'}")
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none; raises DatabaseError for what is no state of ours."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(
            f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;"
        )
    elif version != _SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"state of version {version}")
    for table in ("ancestors", "intents", "holds", "seen", "files", "versions"):
        # a torn file often opens and fails on its first page of data
        connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()


def remember(slot: str, ancestor: Ancestor) -> Statement:
    """The statement that remembers what a slot's sides are equal to."""
    return ("INSERT OR REPLACE INTO ancestors VALUES (?, ?)", (slot, _json(ancestor)))


def forget(slot: str) -> Statement:
    """The statement that forgets a slot."""
    return ("DELETE FROM ancestors WHERE slot = ?", (slot,))


def intend(intent: Intent) -> Statement:
    """The statement that notes an intent."""
    return ("INSERT OR REPLACE INTO intents VALUES (?, ?)", (intent.slot, _json(intent)))


def intended(slot: str) -> Statement:
    """The statement that removes a slot's intent."""
    return ("DELETE FROM intents WHERE slot = ?", (slot,))


def hold(found: Hold) -> Statement:
    """The statement that notes a conflict."""
    return ("INSERT OR REPLACE INTO holds VALUES (?, ?)", (found.slot, _json(found)))


def release(slot: str) -> Statement:
    """The statement that removes a conflict."""
    return ("DELETE FROM holds WHERE slot = ?", (slot,))


def see(slot: str, version: Version) -> Statement:
    """The statement that remembers a remote version that was read."""
    return ("INSERT OR REPLACE INTO seen VALUES (?, ?)", (slot, _json(version)))


def unsee(slot: str) -> Statement:
    """The statement that forgets a remote version that was read."""
    return ("DELETE FROM seen WHERE slot = ?", (slot,))


def know_file(path: str, value: list[Any]) -> Statement:
    """The statement that remembers what was worked out of a local file."""
    return ("INSERT OR REPLACE INTO files VALUES (?, ?)", (path, json.dumps(value)))


def unknow_file(path: str) -> Statement:
    """The statement that forgets a local file."""
    return ("DELETE FROM files WHERE path = ?", (path,))


def keep_version(
    slot: str, sha256: str, side: str, event: str, name: str, size: int, at: float | None = None
) -> Statement:
    """The statement that adds a version to a slot's history."""
    moment = time.time() if at is None else at
    return (
        "INSERT INTO versions (slot, sha256, side, event, name, size, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (slot, sha256, side, event, name, size, moment),
    )


def unknown_stamp(ancestor: Ancestor) -> Ancestor:
    """The ancestor right after a write of ours: what is seen now may be a newer save."""
    return replace(ancestor, stamp=None, remote_sha=None)


def _json(value: Any) -> str:
    return json.dumps(asdict(value))


def _ancestor(data: dict[str, Any]) -> Ancestor:
    return Ancestor(
        **{
            **data,
            "kind": Kind(data["kind"]),
            "language": _language(data["language"]),
            "format": _format(data["format"]),
            "stamp": _stamp(data["stamp"]),
        }
    )


def _stamp(data: dict[str, Any] | None) -> Stamp | None:
    if data is None:
        return None
    return Stamp(**{**data, "kind": Kind(data["kind"]), "language": _language(data["language"])})


def _language(name: str | None) -> Language | None:
    return None if name is None else Language(name)


def _format(name: str | None) -> NotebookFormat | None:
    return None if name is None else NotebookFormat(name)


def _move_aside(path: Path) -> Path:
    base = f"{path.name}.unreadable-{time.strftime('%Y%m%dT%H%M%S')}"
    aside, number = path.with_name(base), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{base}-{number}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside
