"""Results kept on disk between commands: diskcache behind a disk that knows only bytes.

Nothing that goes wrong here stops a query: a full disk, a read-only or foreign directory, a damaged
entry or database is told once through ``warn`` and the query is answered by the warehouse.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import diskcache

from brickloop.sql.counters import Counters, Counts
from brickloop.sql.disk import BytesDisk, Refused
from brickloop.sql.entry import Damaged, Head, decode_head, decode_table, encode_entry
from brickloop.sql.key import CHANGE, change_mark

KEEP_SECONDS = 7 * 86400.0
"""How long an entry is kept at most; how old it may be when it is used is the reader's choice."""
DEFAULT_SIZE = 1024**3
_BUSY_SECONDS = 10.0
_LARGEST_SHARE = 4
_FAULTS = (
    OSError,
    sqlite3.Error,
    diskcache.Timeout,
    Refused,
    Damaged,
    TypeError,
    ValueError,
    KeyError,
)


class Entry:
    """A result found in the cache; its table is read when it is asked for."""

    def __init__(self, key: str, head: Head, source: bytes | IO[bytes], place: int) -> None:
        self.key = key
        self.head = head
        self._source = source
        self._place = place

    def table(self) -> memoryview:
        """The Arrow IPC stream; raises Damaged."""
        return decode_table(self._source, self._place)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        if isinstance(self._source, bytes):
            return len(self._source)
        return os.fstat(self._source.fileno()).st_size

    def close(self) -> None:
        """Let go of the file."""
        if not isinstance(self._source, bytes):
            self._source.close()

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True)
class CacheStats:
    """What the cache holds."""

    directory: str
    entries: int
    bytes: int
    limit: int
    oldest: float | None
    """When the oldest result was asked for, in seconds since 1970; None where there is none."""
    newest: float | None
    counts: Counts
    """How often it had an answer."""


class ResultCache:
    """The cache in one directory, which only its owner may enter; opened when it is first used.

    Safe to share between threads and processes.
    """

    def __init__(
        self,
        directory: Path,
        *,
        size_limit: int = DEFAULT_SIZE,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.directory = directory
        self.size_limit = size_limit
        self._warn = warn
        self._counters = Counters(directory)
        self._cache: diskcache.Cache | None = None
        self._broken = False

    def get(self, key: str) -> Entry | None:
        """The entry of a key, however old; a damaged one is taken away and told."""
        cache = self._open()
        if cache is None:
            return None
        source: Any = None
        try:
            source = cache.get(key, read=True)
            if source is None:
                return None
            head, place = decode_head(source)
            return Entry(key, head, source, place)
        except (Damaged, Refused) as error:
            if hasattr(source, "close"):
                source.close()
            self.refuse(key, error)
        except _FAULTS as error:
            self._give_up(error)
        return None

    def put(self, key: str, head: Head, table: bytes) -> bool:
        """Keep a result; whether that was possible."""
        cache = self._open()
        if cache is None:
            return False
        if not self.has_room(len(table)):
            return False
        data = encode_entry(head, table)
        try:
            cache.set(key, data, expire=KEEP_SECONDS)
            self._make_room(cache, key)
        except _FAULTS as error:
            self._give_up(error, "the result is not kept")
            return False
        return True

    def has_room(self, size: int) -> bool:
        """Whether a result of so many bytes may be kept; says so where not."""
        fits = size <= self.size_limit // _LARGEST_SHARE
        if not fits:
            # one result would push out all others
            self._warn(
                f"the result is not kept: {size:,} bytes are more than a quarter of the"
                f" cache's limit of {self.size_limit:,}"
            )
        return fits

    def refuse(self, key: str, error: Exception) -> None:
        """Take a damaged entry away, and say so."""
        self._warn(f"a cached result is not used: {error}")
        self.drop(key)

    def drop(self, key: str) -> None:
        """Take an entry away."""
        cache = self._open()
        if cache is not None:
            with contextlib.suppress(*_FAULTS):
                cache.delete(key)

    def count_hit(self, saved_seconds: float) -> None:
        """Count a result that was given again, and what asking for it took."""
        if self._cache is not None:
            self._counters.add(hits=1, saved_seconds=saved_seconds)

    def count_miss(self) -> None:
        """Count a statement that had to be asked, though its result may be kept."""
        if self._cache is not None:
            self._counters.add(misses=1)

    def note_change(self, host: str) -> None:
        """Remember that something was changed in a workspace just now."""
        cache = self._open()
        if cache is not None:
            try:
                cache.set(change_mark(host), repr(time.time()).encode(), expire=KEEP_SECONDS)
            except _FAULTS as error:
                self._give_up(error)

    def last_change(self, host: str) -> float:
        """When something was last changed in a workspace from here; 0 where that is not known."""
        cache = self._open()
        if cache is None:
            return 0.0
        try:
            found = cache.get(change_mark(host))
            return float(found) if found else 0.0
        except _FAULTS:
            return 0.0

    def entries(self) -> Iterator[Entry]:
        """Every entry, the newest first; each is closed before the next comes."""
        cache = self._open()
        if cache is None:
            return
        for key in self._keys(cache):
            entry = self.get(key)
            if entry is not None:
                try:
                    yield entry
                finally:
                    entry.close()

    def stats(self) -> CacheStats:
        """What the cache holds, without reading the results."""
        cache = self._open()
        times: list[float] = []
        size = 0
        if cache is not None:
            with contextlib.suppress(*_FAULTS):
                times = [entry.head.created for entry in self.entries()]
                size = int(cache.volume())
        return CacheStats(
            str(self.directory),
            len(times),
            size,
            self.size_limit,
            min(times, default=None),
            max(times, default=None),
            self._counters.read(),
        )

    def clear(self, older_than: float | None = None) -> int:
        """Take all entries away, or those older than so many seconds; how many there were.

        Without an age the counts begin anew too.

        A cache that cannot be read is taken away whole.
        """
        cache = self._open()
        if older_than is None:
            self._counters.clear()
        if cache is None:
            return self._clear_broken()
        removed = 0
        border = time.time() - older_than if older_than is not None else None
        for key in self._keys(cache):
            entry = self.get(key)
            if entry is None:
                continue
            created = entry.head.created
            entry.close()
            if border is None or created < border:
                self.drop(key)
                removed += 1
        return removed

    def close(self) -> None:
        """Close the database."""
        if self._cache is not None:
            with contextlib.suppress(*_FAULTS):
                self._cache.close()
            self._cache = None

    def _make_room(self, cache: diskcache.Cache, kept: str) -> None:
        """Take away what is too old, then the oldest until the limit is kept to."""
        gone = cache.expire()
        if cache.volume() > self.size_limit:
            for key in list(cache):
                if key != kept and not key.startswith(CHANGE):
                    gone += cache.delete(key)
                    if cache.volume() <= self.size_limit:
                        break
        if gone:
            self._counters.add(evictions=int(gone))

    def _keys(self, cache: diskcache.Cache) -> list[str]:
        """The keys of results, the newest first; change marks begin with another letter."""
        try:
            return [key for key in reversed(cache) if not key.startswith(CHANGE)]
        except _FAULTS as error:
            self._give_up(error)
        return []

    def _open(self) -> diskcache.Cache | None:
        if self._cache is not None or self._broken:
            return self._cache
        try:
            _make_private(self.directory)
            self._cache = diskcache.Cache(
                str(self.directory),
                timeout=_BUSY_SECONDS,
                disk=BytesDisk,
                size_limit=self.size_limit,
                # it would take ten away at a time, the new one among them
                eviction_policy="none",
                cull_limit=0,
            )
        except _FAULTS as error:
            self._give_up(error)
        return self._cache

    def _clear_broken(self) -> int:
        removed = 0
        if _is_ours(self.directory):
            for child in self.directory.iterdir():
                if child.name.startswith("cache.db"):
                    child.unlink(missing_ok=True)
                    removed += child.name == "cache.db"
                elif child.is_dir() and not child.is_symlink() and len(child.name) == 2:
                    shutil.rmtree(child, ignore_errors=True)
        self._broken = False
        return removed

    def _give_up(self, error: BaseException, result: str = "asked live") -> None:
        """Say once that the cache is out of use, and why."""
        if not self._broken:
            self._broken = True
            reason = str(error).split("\n", 1)[0] or type(error).__name__
            damaged = isinstance(error, sqlite3.DatabaseError) and (
                "malformed" in reason or "not a database" in reason
            )
            way = "; invoke cache.clear begins it anew" if damaged else ""
            self._warn(f"the cache in {self.directory} cannot be used ({reason}); {result}{way}")
        self.close()


def _make_private(directory: Path) -> None:
    """Make the directory, for its owner alone; raises OSError for one that is somebody else's."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if sys.platform == "win32":
        return
    found = directory.stat()
    if found.st_uid != os.getuid():
        raise PermissionError("it belongs to another user")
    if found.st_mode & 0o077:
        directory.chmod(0o700)


def _is_ours(directory: Path) -> bool:
    if not directory.is_dir():
        return False
    return sys.platform == "win32" or directory.stat().st_uid == os.getuid()
