"""Sessions that are used again: a bounded pool for threads, safe across forks.

Ready-made pools do not fit. SQLAlchemy's QueuePool rolls back on return, which the connector
refuses, needs a dialect for its liveness check and costs a quarter of a second to import; DBUtils'
PooledDB repeats statements after a lost connection without asking whether they may have taken
effect.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brickloop.errors import TimedOut

if TYPE_CHECKING:
    from brickloop.clients.warehouse import Session

_pools: weakref.WeakSet[SessionPool] = weakref.WeakSet()


@dataclass(frozen=True)
class PoolStats:
    """What a pool has done."""

    opened: int
    """Sessions that were opened."""
    leased: int
    """Times that a session was given out."""
    discarded: int
    """Sessions that were not taken back: broken, too old, or used too often."""
    idle: int
    in_use: int


class SessionPool:
    """At most ``size`` sessions; the one returned last is given out first.

    A session that has been idle for ``check_after`` seconds is asked whether it still lives; one
    that is older than ``max_age`` seconds or was used ``max_uses`` times is replaced.
    """

    def __init__(
        self,
        open_session: Callable[[], Session],
        *,
        size: int = 8,
        wait_seconds: float = 60.0,
        check_after: float = 300.0,
        max_age: float = 3600.0,
        max_uses: int = 1000,
    ) -> None:
        self._open_session = open_session
        self._size = size
        self._wait_seconds = wait_seconds
        self._check_after = check_after
        self._max_age = max_age
        self._max_uses = max_uses
        self._closed = False
        self._opened = self._leased = self._discarded = 0
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        self._condition = threading.Condition()
        self._idle: list[Session] = []
        self._used: set[Session] = set()
        self._opening = 0
        self._pid = os.getpid()

    @contextlib.contextmanager
    def lease(self, *, fresh: bool = False) -> Iterator[Session]:
        """A session for the time of the block; with ``fresh`` a new one.

        Raises TimedOut when all are in use for too long, and what opening a session raises.
        """
        session = self.take(fresh=fresh)
        try:
            yield session
        finally:
            self.give_back(session)

    def take(self, *, fresh: bool = False) -> Session:
        """As ``lease``; whoever takes a session gives it back."""
        while True:
            session = self._reuse_or_reserve(fresh)
            if session is None:
                return self._open()
            idle = time.monotonic() - session.last_used
            # asked outside the lock: it is a round trip
            if session.is_open and (idle < self._check_after or session.ping()):
                return session
            self._discard(session)

    def give_back(self, session: Session) -> None:
        """Take a session back, or let go of it where it should not be used again."""
        with self._condition:
            if session not in self._used:
                # a fork's child gives back what its parent took
                return
            self._used.discard(session)
            keep = not self._closed and session.is_open and not self._is_worn(session)
            if keep:
                self._idle.append(session)
            else:
                self._discarded += 1
            self._condition.notify()
        if not keep:
            session.close()

    def discard_idle(self) -> None:
        """Close every session that nobody uses."""
        with self._condition:
            idle, self._idle = self._idle, []
            self._discarded += len(idle)
            self._condition.notify_all()
        for session in idle:
            session.close()

    def close(self) -> None:
        """Close every session that nobody uses, and each other one when it is given back."""
        self._closed = True
        self.discard_idle()

    def stats(self) -> PoolStats:
        """What the pool has done so far."""
        with self._condition:
            return PoolStats(
                self._opened, self._leased, self._discarded, len(self._idle), len(self._used)
            )

    def _reuse_or_reserve(self, fresh: bool) -> Session | None:
        """An idle session, marked as used; None where a new one may be opened."""
        deadline = time.monotonic() + self._wait_seconds
        with self._condition:
            while True:
                if self._idle and not fresh:
                    session = self._idle.pop()
                    self._used.add(session)
                    self._leased += 1
                    return session
                if len(self._idle) + len(self._used) + self._opening < self._size:
                    self._opening += 1
                    return None
                if self._idle:
                    # the bound is reached: the new one takes the place of the oldest idle one
                    oldest = self._idle.pop(0)
                    self._discarded += 1
                    self._opening += 1
                    oldest.close()
                    return None
                left = deadline - time.monotonic()
                if left <= 0 or not self._condition.wait(left):
                    raise TimedOut(
                        f"all {self._size} connections have been in use for"
                        f" {self._wait_seconds:.0f} s",
                        hint="give connections back (use 'with'), or allow more of them",
                    )

    def _open(self) -> Session:
        try:
            session = self._open_session()
        except BaseException:
            with self._condition:
                self._opening -= 1
                self._condition.notify()
            raise
        with self._condition:
            self._opening -= 1
            self._opened += 1
            self._leased += 1
            self._used.add(session)
        self._closed = False
        return session

    def _discard(self, session: Session) -> None:
        with self._condition:
            self._used.discard(session)
            self._discarded += 1
            self._condition.notify()
        session.close()

    def _is_worn(self, session: Session) -> bool:
        return session.uses >= self._max_uses or time.monotonic() - session.opened >= self._max_age

    def _after_fork(self) -> None:
        """In a fork's child: the sessions are the parent's, their locks may be held for ever."""
        for session in (*self._idle, *self._used):
            session.abandon()
        self._begin()


def _close_all() -> None:
    for pool in list(_pools):
        if pool._pid == os.getpid():
            pool.close()


def _renew_all() -> None:
    for pool in list(_pools):
        pool._after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
