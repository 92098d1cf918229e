"""How many requests are under way at once: fewer when the workspace asks to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

DEFAULT_PARALLEL = 8
_LONGEST_PAUSE = 60.0


class Pace:
    """A limit on requests under way that halves when throttled and grows back by one a round."""

    def __init__(
        self, parallel: int = DEFAULT_PARALLEL, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.parallel = parallel
        self.limit = float(parallel)
        self.throttled = 0
        """How often the workspace asked to wait."""
        self._sleep = sleep
        self._under_way = 0
        self._resume_at = 0.0
        self._changed = threading.Condition()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn to send requests."""
        with self._changed:
            while self._under_way >= max(1, int(self.limit)):
                self._changed.wait()
            self._under_way += 1
            pause = self._resume_at - time.monotonic()
        try:
            if pause > 0:
                self._sleep(pause)
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self.limit = min(float(self.parallel), self.limit + 1 / self.limit)
                self._changed.notify()

    def slow_down(self, seconds: float, attempt: int) -> None:
        """Note that the workspace asked to wait, and wait."""
        pause = min(max(seconds, 0.0) * (1.5**attempt), _LONGEST_PAUSE)
        with self._changed:
            self.throttled += 1
            self.limit = max(1.0, self.limit / 2)
            self._resume_at = max(self._resume_at, time.monotonic() + pause)
        if pause:
            self._sleep(pause)


class Crew:
    """Threads that work through items; with ``parallel`` 1 the caller does it all itself."""

    def __init__(self, parallel: int) -> None:
        self._pool = ThreadPoolExecutor(parallel, "sync") if parallel > 1 else None
        self._parallel = parallel

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def each(
        self, function: Callable[[Item], Answer], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Answer]]:
        """Every item with its answer, as they come; the first exception ends it.

        What is under way when it ends is waited for: no request goes on unseen.
        """
        if self._pool is None:
            for item in items:
                yield item, function(item)
            return
        waiting = iter(items)
        running: dict[Future[Answer], Item] = {}
        try:
            for item in waiting:
                running[self._pool.submit(function, item)] = item
                if len(running) < 2 * self._parallel:
                    continue
                yield from _finished(running)
            while running:
                yield from _finished(running)
        finally:
            for future in running:
                future.cancel()
            wait(running)


def _finished(running: dict[Future[Answer], Item]) -> Iterator[tuple[Item, Answer]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        item = running.pop(future)
        yield item, future.result()
