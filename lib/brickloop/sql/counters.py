"""How often the cache had an answer, over all processes: a few numbers in one small file.

Counting costs some tens of microseconds and is never waited for: where the file cannot be had at
once, or at all, that one count is left out.
"""

from __future__ import annotations

import os
import struct
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from brickloop.model.locking import try_lock

_NAME = "counters"
_FORM = struct.Struct("<8sQQQdd")
_MARK = b"brick-1\n"
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
_TRIES = 20
_PAUSE = 0.0005


@dataclass(frozen=True)
class Counts:
    """What has come of the cache since ``since``."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    saved_seconds: float = 0.0
    """What the statements behind the hits took when they were asked."""
    since: float = 0.0
    """When counting began, in seconds since 1970; 0 where nothing was counted."""


class Counters:
    """The numbers of one cache; safe to share between threads and processes."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME

    def read(self) -> Counts:
        """The numbers now; zeros where there are none."""
        try:
            return _read(self._path.read_bytes())
        except OSError:
            return Counts()

    def add(
        self, *, hits: int = 0, misses: int = 0, evictions: int = 0, saved_seconds: float = 0.0
    ) -> None:
        """Count; nothing that goes wrong here is told."""
        try:
            handle = os.open(self._path, _OPEN, 0o600)
        except OSError:
            return
        try:
            if not _locked(handle):
                return
            # where the lock is a place in the file, it was gone to
            os.lseek(handle, 0, os.SEEK_SET)
            known = _read(os.read(handle, _FORM.size))
            more = (hits, misses, evictions, saved_seconds, 0.0)
            total = [old + new for old, new in zip(astuple(known), more, strict=True)]
            total[-1] = known.since or time.time()
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, _FORM.pack(_MARK, *total))
        except (OSError, struct.error):
            return
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Begin at zero."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return


def _read(data: bytes) -> Counts:
    """The numbers in the file's bytes; zeros for a file that is none of ours."""
    if len(data) < _FORM.size or not data.startswith(_MARK):
        return Counts()
    _, *numbers = _FORM.unpack(data[: _FORM.size])
    return Counts(*numbers)


def _locked(handle: int) -> bool:
    for _ in range(_TRIES):
        if try_lock(handle):
            return True
        time.sleep(_PAUSE)
    return False
