"""Has doit's main thread look up now and then while other threads work.

A signal that comes at the moment when a thread begins to wait is not noticed before the wait ends,
and doit waits for its threads without limit: one Ctrl-C in many would be lost.
"""

from __future__ import annotations

import queue
from typing import Any

_SECONDS = 0.2


class WakingQueue(queue.Queue):  # type: ignore[type-arg]
    """A queue whose ``get`` lets signals in while it waits."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The next item, as ``queue.Queue.get``."""
        if not block or timeout is not None:
            return super().get(block, timeout)
        while True:
            try:
                return super().get(True, _SECONDS)
            except queue.Empty:
                continue


def keep_awake() -> None:
    """Have doit's runner for threads use such queues."""
    from doit.runner import MThreadRunner

    MThreadRunner.Queue = staticmethod(WakingQueue)
