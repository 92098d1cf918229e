"""The terminal itself: whole blocks of output, and one line below them that says what goes on.

Threads (``doit -n 4 -P thread``) and forked processes (``doit -n 4``) share one screen. A block is
written in one piece under a lock, and the moving line is wiped before anything else is written.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import stat
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from brickloop.display.windows_console import take_escapes

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_ASCII = "|/-\\"
_REDRAW_SECONDS = 0.12
_WIPE = "\r\x1b[2K"


@dataclass(frozen=True)
class _Activity:
    """What one notebook does."""

    doing: str
    seconds: float
    told: float
    """When ``seconds`` was right, by the monotonic clock."""


class Screen:
    """Writes to stdout and stderr of this process, in whole blocks."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._local = threading.local()
        self._activities: dict[str, _Activity] = {}
        self._waiting = 0
        self._ticker: threading.Thread | None = None
        self._drawn = ""
        """What stands on the moving line now."""
        self._frame = 0
        self._shared: int | None = None
        self._shared_key: tuple[int, int] | None = None

    @contextlib.contextmanager
    def block(self) -> Iterator[None]:
        """Keep together what this thread writes to stdout meanwhile."""
        if getattr(self._local, "parts", None) is not None:
            yield
            return
        self._local.parts = []
        try:
            yield
        finally:
            parts, self._local.parts = self._local.parts, None
            if parts:
                self._write(sys.stdout, "".join(parts))

    def write(self, text: str) -> None:
        """Write to stdout, or into the block that is open in this thread."""
        parts = getattr(self._local, "parts", None)
        if parts is not None:
            parts.append(text)
        else:
            self._write(sys.stdout, text)

    def write_note(self, text: str) -> None:
        """Write to stderr."""
        self._write(sys.stderr, text)

    def tell(self, name: str, doing: str, seconds: float) -> None:
        """Show on the moving line what a notebook does; nothing where nobody watches."""
        if not is_watched():
            return
        with self._lock:
            self._activities[name] = _Activity(doing, seconds, time.monotonic())
            if self._ticker is None or not self._ticker.is_alive():
                self._ticker = threading.Thread(target=self._animate, daemon=True)
                self._ticker.start()
            self._draw()

    def tell_waiting(self, count: int) -> None:
        """Show on the moving line how many wait for their turn, beside what goes on."""
        with self._lock:
            self._waiting = count
            self._draw()

    def forget(self, name: str) -> None:
        """Take a notebook off the moving line."""
        with self._lock:
            if self._activities.pop(name, None) is not None:
                self._draw()

    def wipe(self) -> None:
        """Take the moving line away for good."""
        with self._lock:
            self._activities.clear()
            self._waiting = 0
            self._draw()

    def _write(self, stream: TextIO, text: str) -> None:
        with self._lock, self._shared_lock():
            if self._drawn:
                sys.stderr.write(_WIPE)
                sys.stderr.flush()
                self._drawn = ""
            try:
                stream.write(text)
            except UnicodeEncodeError:
                encoding = stream.encoding or "ascii"
                stream.write(text.encode(encoding, "replace").decode(encoding))
            stream.flush()

    def _animate(self) -> None:
        while True:
            time.sleep(_REDRAW_SECONDS)
            with self._lock:
                if not self._activities:
                    self._ticker = None
                    return
                self._frame += 1
                self._draw()

    def _draw(self) -> None:
        line = self._line() if self._activities else ""
        if line == self._drawn:
            return
        # a terminal that has gone away is no reason to end
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(_WIPE + line)
            sys.stderr.flush()
        self._drawn = line

    def _line(self) -> str:
        from rich.cells import set_cell_size

        wide = (sys.stderr.encoding or "").lower().replace("-", "") == "utf8"
        frames = _FRAMES if wide else _FRAMES_ASCII
        now = time.monotonic()
        parts = [
            f"{name}: {each.doing} {clock(each.seconds + now - each.told)}"
            for name, each in self._activities.items()
        ]
        if len(parts) + self._waiting > 1:
            waiting = f", {self._waiting} waiting" if self._waiting else ""
            parts.insert(0, f"{len(parts)} running{waiting}")
        text = f"{frames[self._frame % len(frames)]} {'  '.join(parts)}"
        try:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        except (OSError, ValueError):
            width = 80
        return set_cell_size(text, width - 1).rstrip()

    @contextlib.contextmanager
    def _shared_lock(self) -> Iterator[None]:
        """Keep other processes from writing to the same stdout, where the system can."""
        descriptor = self._open_shared()
        if descriptor is None:
            yield
            return
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _open_shared(self) -> int | None:
        """Our own opening of stdout: a lock holds between openings, not between copies of one."""
        if not sys.platform.startswith("linux"):
            return None
        try:
            number = sys.stdout.fileno()
            found = os.fstat(number)
        except (OSError, ValueError, AttributeError):
            return None
        key = (found.st_dev, found.st_ino)
        if key == self._shared_key:
            return self._shared
        if self._shared is not None:
            os.close(self._shared)
        self._shared, self._shared_key = None, key
        # a device such as /dev/null is everybody's
        if stat.S_ISFIFO(found.st_mode) or stat.S_ISREG(found.st_mode) or os.isatty(number):
            with contextlib.suppress(OSError):
                self._shared = os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_CLOEXEC)
        return self._shared

    def begin_child(self) -> None:
        """Begin anew in a forked process: threads and locks of the parent are not there."""
        if self._shared is not None:
            os.close(self._shared)
        self._reset()


def is_watched() -> bool:
    """Whether a person watches stderr, on a terminal that can take a line back."""
    return (
        sys.stderr.isatty()
        and os.environ.get("TERM") not in {"dumb", "unknown"}
        and not os.environ.get("CI")
    )


def clock(seconds: float) -> str:
    """A time as people say it: ``8 s``, ``1:05``, ``2:00:09``."""
    whole = max(int(seconds), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if minutes else f"{rest} s"


take_escapes()
SCREEN = Screen()
"""The one of this process."""

atexit.register(SCREEN.wipe)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SCREEN.begin_child)
