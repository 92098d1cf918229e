"""Ctrl-C where work goes on in threads: only the main thread hears it, all have to act on it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PATIENCE = 30.0


class Interruption:
    """Whether Ctrl-C was pressed, and how many threads still have to act on it."""

    def __init__(self) -> None:
        self._pressed = threading.Event()
        self._changed = threading.Condition()
        self._busy = 0

    def listen(self) -> None:
        """Note Ctrl-C from now on; to be called from the main thread, elsewhere it does nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        # whoever has a handler of their own, or ignores the signal, goes on as before
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._heard)

    @property
    def pressed(self) -> bool:
        """Whether Ctrl-C was pressed since this process listens."""
        return self._pressed.is_set()

    def check(self) -> None:
        """Raise KeyboardInterrupt in a thread that goes on after Ctrl-C."""
        if self._pressed.is_set() and threading.current_thread() is not threading.main_thread():
            raise KeyboardInterrupt

    @contextmanager
    def acting(self) -> Iterator[None]:
        """While this thread has something that has to be ended in an orderly way."""
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def wait(self) -> None:
        """Wait, for some seconds at most, until no thread has anything left to end."""
        limit = time.monotonic() + _PATIENCE
        with self._changed:
            while self._busy and time.monotonic() < limit:
                self._changed.wait(0.2)

    def _heard(self, _number: int, _frame: Any) -> None:
        self._pressed.set()
        raise KeyboardInterrupt


INTERRUPTION = Interruption()
"""The one of this process."""
