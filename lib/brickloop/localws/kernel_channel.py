"""A kernel's end of the line to the server: messages out, answers in."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from contextlib import suppress
from typing import Any


class KernelChannel:
    """Sends messages, each behind all that was printed before it; thread safe."""

    def __init__(self, line: socket.socket, taken: int) -> None:
        self._line = line
        self._taken = taken
        self._reader = line.makefile("rb")
        self._pid = os.getpid()
        self._sending = threading.Lock()
        self._answers: dict[int, dict[str, Any]] = {}
        self._answered = threading.Condition()
        self._listening = False
        self._calls = 0

    def reopen(self, line: socket.socket, taken: int) -> None:
        """Speak over another line, in a process that was forked off."""
        self._line, self._taken = line, taken
        self._reader = line.makefile("rb")
        self._pid = os.getpid()
        self._sending = threading.Lock()
        self._answered = threading.Condition()
        self._answers, self._listening = {}, False

    def forget(self) -> None:
        """Close this process's end of the line, which another one speaks over."""
        self._reader.close()
        self._line.close()
        os.close(self._taken)

    def read_job(self) -> dict[str, Any]:
        """The job, which is the first thing the server sends."""
        return dict(json.loads(self._reader.readline()))

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message; a process that user code has forked off sends nothing."""
        if os.getpid() != self._pid:
            return
        self._flush()
        with self._sending:
            self._line.sendall(_encode(kind, fields))

    def send_and_wait(self, kind: str, **fields: Any) -> None:
        """Send a message and wait until it is taken in: what is printed next stands behind it."""
        if os.getpid() != self._pid:
            return
        self._flush()
        with self._sending:
            self._line.sendall(_encode(kind, fields))
            os.read(self._taken, 1)

    def send_descriptor(self, kind: str, descriptor: int, **fields: Any) -> None:
        """Send a message with a file descriptor, and wait until it is taken in."""
        data = _encode(kind, fields)
        with self._sending:
            socket.send_fds(self._line, [data[:1]], [descriptor])
            self._line.sendall(data[1:])
            os.read(self._taken, 1)

    def call(self, **fields: Any) -> dict[str, Any]:
        """Ask the server to do something and wait for its answer; several threads may ask."""
        with self._answered:
            self._calls += 1
            number = self._calls
            if not self._listening:
                self._listening = True
                threading.Thread(target=self._listen, daemon=True).start()
        self.send("call", id=number, **fields)
        with self._answered:
            self._answered.wait_for(lambda: number in self._answers)
            return self._answers.pop(number)

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # user code may have closed or replaced it
            with suppress(Exception):
                stream.flush()

    def _listen(self) -> None:
        for line in self._reader:
            answer = json.loads(line)
            with self._answered:
                self._answers[answer["id"]] = answer
                self._answered.notify_all()


def _encode(kind: str, fields: dict[str, Any]) -> bytes:
    return json.dumps({"k": kind, **fields}).encode() + b"\n"
