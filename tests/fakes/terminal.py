"""A terminal that a command runs on: a pseudo-terminal, and what would stand on its screen."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

_ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07]*(?:\x07|\x1b\\)")
_WAIT = 90.0


class Screen:
    """The lines that a stream of characters leaves, as far as our output needs it.

    Knows the carriage return, the line feed, wrapping at the width, wiping a line; colours and
    links are passed over. Anything else that moves the cursor is an error.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows: list[str] = [""]
        self.wrapped = 0
        """How often a line was longer than the screen is wide."""
        self._at = 0
        self._rest = ""

    def feed(self, text: str) -> None:
        """Take in what was written; an escape may come in two pieces."""
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
                continue
            found = _ESCAPE.match(text, at)
            if found is None:
                assert len(text) - at < 4096, repr(text[at : at + 40])
                self._rest = text[at:]
                return
            if found[2] == "K":
                assert found[1] == "2", found[0]
                self.rows[-1] = ""
            else:
                assert found[2] in {None, "m"} or found[1].startswith("?"), found[0]
            at = found.end()

    def _put(self, sign: str) -> None:
        if sign == "\r":
            self._at = 0
        elif sign == "\n":
            self.rows.append("")
        else:
            if self._at >= self.columns:
                self.wrapped += 1
                self.rows.append("")
                self._at = 0
            row = self.rows[-1].ljust(self._at)
            self.rows[-1] = row[: self._at] + sign + row[self._at + 1 :]
            self._at += 1


class Terminal:
    """A command on a terminal of its own; a context manager that leaves no process behind."""

    def __init__(self, folder: Path, *words: str, columns: int = 80, **env: str) -> None:
        self.screen = Screen(columns)
        # a read may end within a character
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self.last_rows: list[str] = []
        """Every different text that the lowest line had, in order."""
        self._end, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name != "CI"}
        self.process = subprocess.Popen(
            [str(Path(sys.executable).parent / words[0]), *words[1:]],
            cwd=folder,
            env={**kept, "TERM": "xterm", "PYTHONUTF8": "1", **env},
            stdin=inner,
            stdout=inner,
            stderr=inner,
            preexec_fn=_take_terminal,
        )
        os.close(inner)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._end)

    def press(self, keys: bytes) -> None:
        """Type keys; Ctrl-C is b"\\x03", which the terminal turns into a signal."""
        os.write(self._end, keys)

    def read_until(self, holds: Callable[[], bool]) -> None:
        """Take in what is written until something holds; 90 s at most."""
        limit = time.monotonic() + _WAIT
        while not holds():
            assert time.monotonic() < limit, "\n".join(self.screen.rows)
            assert self._read(0.1) or self.process.poll() is None, "\n".join(self.screen.rows)

    def finish(self) -> int:
        """Take in the rest; the exit code."""
        limit = time.monotonic() + _WAIT
        while self.process.poll() is None:
            assert time.monotonic() < limit, "\n".join(self.screen.rows)
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._end], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._end, 65536)
        except OSError:
            # Linux: the other end was closed
            return False
        for piece in re.split(r"(?<=\n)|(?=\r\x1b\[2K)", self._decoder.decode(data)):
            self.screen.feed(piece)
            row = self.screen.rows[-1].rstrip()
            if row and (not self.last_rows or self.last_rows[-1] != row):
                self.last_rows.append(row)
        return bool(data)


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
