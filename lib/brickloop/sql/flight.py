"""One of many processes asks, the others wait for its answer."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from brickloop.model.locking import try_lock

_PAUSE = 0.02


@dataclass
class _Turn:
    """The lock of a key among the threads of this process, and how many want it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted: int = 0


_turns: dict[str, _Turn] = {}
_guard = threading.Lock()


@contextlib.contextmanager
def one_at_a_time(
    folder: Path, key: str, *, on_wait: Callable[[], None] = lambda: None
) -> Iterator[bool]:
    """Hold the key's lock against other threads and processes; yields whether it had to wait.

    The system frees the lock when its holder dies, however it dies. Where no lock can be made (a
    read-only folder) nobody waits: a query asked twice is better than none.
    """
    with _guard:
        turn = _turns.setdefault(key, _Turn())
        turn.wanted += 1
    try:
        waited = not turn.lock.acquire(blocking=False)
        if waited:
            on_wait()
            turn.lock.acquire()
        try:
            tell = _tell_nobody if waited else on_wait
            handle, waited_outside = _take(folder / f"{key[:40]}.lock", tell)
            try:
                yield waited or waited_outside
            finally:
                if handle is not None:
                    _give_back(folder / f"{key[:40]}.lock", handle)
        finally:
            turn.lock.release()
    finally:
        with _guard:
            turn.wanted -= 1
            if not turn.wanted:
                _turns.pop(key, None)


def _tell_nobody() -> None:
    """Who waits for a thread has been told already."""


def _take(path: Path, on_wait: Callable[[], None]) -> tuple[int | None, bool]:
    waited = False
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return None, waited
        try:
            while not try_lock(handle):
                if not waited:
                    waited = True
                    on_wait()
                time.sleep(_PAUSE)
        except BaseException:
            os.close(handle)
            raise
        # the last holder takes the file away: a lock on a file that is gone locks nobody out
        with contextlib.suppress(OSError):
            if sys.platform == "win32" or path.stat().st_ino == os.fstat(handle).st_ino:
                return handle, waited
        os.close(handle)


def _give_back(path: Path, handle: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            path.unlink()
    os.close(handle)
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            path.unlink()
