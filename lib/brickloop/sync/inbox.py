"""Where file events gather until they are quiet: many at once become one batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

QUIET_SECONDS = 0.05
"""How long nothing must happen after a save or a few."""
BURST_QUIET_SECONDS = 0.25
"""The same after many: a checkout or a formatter pauses longer between two files."""
LONGEST_SECONDS = 5.0
"""After this long a batch is taken though files keep changing."""
_FEW = 3


@dataclass(frozen=True)
class Batch:
    """What happened, once it was quiet."""

    paths: tuple[str, ...] = ()
    whole: bool = False
    """Whether something happened that only a look at everything tells."""

    def __bool__(self) -> bool:
        return bool(self.paths) or self.whole


class Inbox:
    """Filled by the thread that hears of events, emptied by the one that syncs."""

    def __init__(
        self, quiet: float = QUIET_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._quiet = quiet
        self._clock = clock
        self._changed = threading.Condition()
        self._paths: dict[str, None] = {}
        self._whole = False
        self._first = self._last = 0.0
        self._closed = False

    def put(self, *paths: str, whole: bool = False) -> None:
        """Note that something happened to files, or to more than files."""
        with self._changed:
            now = self._clock()
            if not self._paths and not self._whole:
                self._first = now
                self._changed.notify()
            self._last = now
            self._paths.update(dict.fromkeys(paths))
            self._whole = self._whole or whole

    def close(self) -> None:
        """Let whoever waits go; from here on every batch is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened since the last batch."""
        with self._changed:
            return not self._paths and not self._whole

    def take(self, deadline: float | None) -> Batch:
        """The next batch, an empty one at the deadline (by the clock) or when closed."""
        with self._changed:
            while not self._closed:
                now = self._clock()
                if self._paths or self._whole:
                    wait = self._ready_at() - now
                    if wait <= 0:
                        return self._empty()
                elif deadline is None:
                    self._changed.wait()
                    continue
                else:
                    wait = deadline - now
                    if wait <= 0:
                        return Batch()
                self._changed.wait(wait)
            return Batch()

    def _ready_at(self) -> float:
        quiet = self._quiet if len(self._paths) <= _FEW else max(self._quiet, BURST_QUIET_SECONDS)
        return min(self._last + quiet, self._first + max(LONGEST_SECONDS, quiet))

    def _empty(self) -> Batch:
        batch = Batch(tuple(self._paths), self._whole)
        self._paths, self._whole = {}, False
        return batch
