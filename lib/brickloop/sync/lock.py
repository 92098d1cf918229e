"""One sync at a time on a pair of folders."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from brickloop.errors import HeldBack
from brickloop.model.locking import try_lock, unlock

_PAUSE = 0.05


@contextlib.contextmanager
def held_lock(
    path: Path, *, seconds: float, on_wait: Callable[[str], None] = lambda _holder: None
) -> Iterator[None]:
    """Hold the lock; the system lets go of it when the process dies, however it dies.

    Waits up to ``seconds``, after a word to ``on_wait``, then raises HeldBack naming the holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+") as file:
        deadline = time.monotonic() + seconds
        told = False
        while not try_lock(file.fileno()):
            holder = _holder(path)
            if not told:
                on_wait(holder)
                told = True
            if time.monotonic() >= deadline:
                raise HeldBack(
                    f"another sync of this folder is under way ({holder})",
                    where=str(path.parent),
                    hint="wait for it, or end it",
                )
            time.sleep(_PAUSE)
        try:
            file.seek(0)
            file.truncate()
            file.write(f"process {os.getpid()}")
            file.flush()
            yield
        finally:
            unlock(file.fileno())


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        if text.startswith("process ") and text[8:].isdigit():
            return text
    return "an unknown process"
