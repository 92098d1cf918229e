"""A lock between processes on a file, on any system; it goes when its holder does.

Only the standard library is used, and of that what the system has.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

_POLL_SECONDS = 0.02
# Windows forbids others to read what is locked: a byte far behind the content is
_FAR = 1 << 30


def try_lock(handle: int) -> bool:
    """Whether the lock on this open file is ours now; never waits."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, _FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def unlock(handle: int) -> None:
    """Give the lock back; closing the file does so too."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_UN)


class FileLock:
    """The lock of a file by its path; the file is made where it is missing, and stays."""

    def __init__(self, path: Path, *, wait_seconds: float) -> None:
        self._path = path
        self._wait = wait_seconds
        self._handle: int | None = None

    def __enter__(self) -> FileLock:
        """Take the lock; raises TimeoutError when another holds it for too long."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + self._wait
        while not try_lock(handle):
            if time.monotonic() >= deadline:
                os.close(handle)
                raise TimeoutError(f"{self._path} is held by another process")
            time.sleep(_POLL_SECONDS)
        self._handle = handle
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def is_held(path: Path) -> bool:
    """Whether some process holds the lock of this file."""
    if not path.exists():
        return False
    try:
        with FileLock(path, wait_seconds=0):
            return False
    except TimeoutError:
        return True
