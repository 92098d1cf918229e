"""The lines between the server and one kernel: a channel for messages, pipes for what is printed.

The server holds the reading ends, so that what a kernel printed is kept even when it dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from brickloop.localws.commands import CommandRecorder

_CHUNK = 256 * 1024
_PIPE_BYTES = 1024 * 1024
_WAKE_SECONDS = 0.05
_DEATH_SECONDS = 2.0
_SET_PIPE_SIZE = 1031


@dataclass(frozen=True)
class KernelEnds:
    """What is handed to the kernel: file descriptors, to be closed here once it has them."""

    channel: socket.socket
    out: int
    err: int
    taken: int
    """Gives a byte for each message that the kernel waits to see taken in."""

    @property
    def descriptors(self) -> list[int]:
        """All of them, in the order in which ``serve_job`` takes them."""
        return [self.channel.fileno(), self.out, self.err, self.taken]

    def close(self) -> None:
        """Close this process's copies."""
        self.channel.close()
        for descriptor in (self.out, self.err, self.taken):
            os.close(descriptor)


@dataclass
class KernelLinks:
    """The server's ends of one kernel's lines."""

    channel: socket.socket
    out: int
    err: int
    taken: int
    _rest: bytes = field(default=b"", repr=False)
    descriptors: list[int] = field(default_factory=list)
    """Those that came with messages and were not taken yet."""

    def close(self) -> None:
        """Close them; a process that still writes gets a broken pipe."""
        self.channel.close()
        for descriptor in (self.out, self.err, self.taken, *self.descriptors):
            os.close(descriptor)

    def acknowledge(self) -> None:
        """Let the kernel go on: what it prints from now on belongs behind its last message."""
        with contextlib.suppress(OSError):
            os.write(self.taken, b".")

    def follow(
        self,
        recorder: CommandRecorder,
        on_message: Callable[[dict[str, Any]], None],
        has_ended: Callable[[], bool],
    ) -> dict[str, Any] | None:
        """Take in everything until the kernel reports its outcome; None when it died before.

        A message stands behind all text that was printed before it was sent.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ, "channel")
            for name, pipe in (("stdout", self.out), ("stderr", self.err)):
                selector.register(pipe, selectors.EVENT_READ, name)
            deadline: float | None = None
            while True:
                ready = {key.data: key for key, _ in selector.select(_WAKE_SECONDS)}
                lines: list[bytes] = []
                if "channel" in ready:
                    data = self._receive()
                    if data == b"":
                        selector.unregister(self.channel)
                        deadline = deadline or time.monotonic() + _DEATH_SECONDS
                    lines = self._lines(data or b"")
                for name, pipe in (("stdout", self.out), ("stderr", self.err)):
                    if (name in ready or lines) and _drain(pipe, name, recorder):
                        with contextlib.suppress(KeyError):
                            selector.unregister(pipe)
                for line in lines:
                    message = json.loads(line)
                    if message["k"] == "outcome":
                        return dict(message)
                    on_message(message)
                recorder.tick()
                if has_ended() and deadline is None:
                    # a process that it left behind may hold the lines open
                    deadline = time.monotonic()
                elif deadline is not None and (has_ended() or time.monotonic() > deadline):
                    break
        _drain(self.out, "stdout", recorder)
        _drain(self.err, "stderr", recorder)
        return None

    def _receive(self) -> bytes:
        try:
            data, descriptors, _, _ = socket.recv_fds(self.channel, _CHUNK, 4)
        except ConnectionError:
            return b""
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self.descriptors += descriptors
        return data

    def _lines(self, data: bytes) -> list[bytes]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        return whole


def open_links() -> tuple[KernelLinks, KernelEnds]:
    """Fresh lines for one kernel: the server's ends and the kernel's."""
    ours, theirs = socket.socketpair()
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    taken_read, taken_write = os.pipe()
    for pipe in (out_read, err_read):
        os.set_blocking(pipe, False)
        with contextlib.suppress(OSError, ImportError):
            import fcntl

            # fewer turns between the two processes for a chatty cell (Linux only)
            fcntl.fcntl(pipe, _SET_PIPE_SIZE, _PIPE_BYTES)
    return (
        KernelLinks(ours, out_read, err_read, taken_write),
        KernelEnds(theirs, out_write, err_write, taken_read),
    )


def _drain(pipe: int, name: str, recorder: CommandRecorder) -> bool:
    """Read what a pipe holds; True at its end. A writer that never pauses cannot keep us here."""
    taken = 0
    while taken <= 2 * _PIPE_BYTES:
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            return True
        taken += len(data)
        recorder.text(name, data)
    return False
