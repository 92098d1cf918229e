"""A live document: events sealed into numbered chunks that a reader takes one after the other.

Below the run's folder each writer has a folder of its own, ``<time>-<attempt>.<number>``: a retried
task is another attempt and never mixes with the first. A chunk is written once and
never appended to, which volumes do not allow; its last line seals it. ``_DONE.json`` comes last.
The format is described in docs/output-format.md.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import itertools
import json
import os
import sys
import threading
import time
from typing import Any

from .sinks import MIB, Sink, open_sink

SCHEMA_VERSION = 1
CHUNK_BYTES = 512 * 1024
"""Of a chunk's events; in base64 it is still one read of DBFS, which gives 1 MB at most."""
_ALWAYS = 100
"""So many chunks are written at once whatever it takes; then the writing may not hold up more."""
_QUICK = 0.05
_LONGEST_PAUSE = 60.0
_numbers: dict[tuple[int, str], tuple[str, itertools.count[int]]] = {}
_lock = threading.Lock()


class DocumentStream:
    """Writes one live document; a folder that takes nothing is said once and fails nothing."""

    def __init__(self, folder: str, dbutils: Any) -> None:
        self.attempt, number = _name_writer(folder, _run_id(dbutils))
        self.folder = f"{folder.rstrip('/')}/{self.attempt}.{number}"
        self._sink: Sink = open_sink(self.folder, dbutils)
        self._lock = threading.RLock()
        self._owner = os.getpid()
        self._sequence = 0
        self._lines: list[bytes] = []
        self._size = 0
        self._pending: list[tuple[str, bytes]] = []
        self._hashes: list[str] = []
        self._last_end = self._last_seconds = 0.0
        self._failures = 0
        self._timer: threading.Timer | None = None
        self._warned = False
        self._closed = False

    def emit(self, event: dict[str, Any]) -> None:
        """Write one event, now or, where the folder is slow and much comes, in a moment."""
        if os.getpid() != self._owner:
            # a forked process shares the numbers, so it may not write
            return
        with self._lock:
            if self._closed:
                return
            self._sequence += 1
            head = {"v": SCHEMA_VERSION, "seq": self._sequence, "t": time.time()}
            line = json.dumps({**head, **event}, default=str).encode("ascii")
            if len(line) > CHUNK_BYTES:
                self._split(line, head)
            else:
                if self._size + len(line) > CHUNK_BYTES:
                    self._seal()
                self._lines.append(line + b"\n")
                self._size += len(line) + 1
            self._write_when_due()

    def keep(self, data: bytes, suffix: str) -> dict[str, Any] | None:
        """Where bytes are kept below the folder, by their hash; None where they could not be."""
        if os.getpid() != self._owner:
            return None
        with self._lock:
            if self._closed or self._pause_left() > 0:
                return None
            name = f"blob/{hashlib.sha256(data).hexdigest()}.{suffix}"
            if not self._sink.takes_bytes:
                name, data = f"{name}.b64", base64.b64encode(data)
            largest = self._sink.largest or len(data) or 1
            pieces = [data[at : at + largest] for at in range(0, len(data), largest)]
            if len(pieces) == 1:
                return {"blob": name} if self._put(name, data) else None
            for number, piece in enumerate(pieces, start=1):
                if not self._put(f"{name}.{number}", piece):
                    return None
            return {"blob": name, "pieces": len(pieces)}

    def close(self, status: str) -> None:
        """Write what is left and ``_DONE.json``; nothing comes after that."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self._closed:
                return
            self._seal()
            self._failures = 0
            self._write()
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            if not self._pending:
                done = {
                    "v": SCHEMA_VERSION,
                    "status": status,
                    "chunks": len(self._hashes),
                    "sha256": self._hashes,
                }
                self._put("_DONE.json", json.dumps(done).encode("ascii"))

    def _split(self, line: bytes, head: dict[str, Any]) -> None:
        """One event over several chunks, in parts that the reader joins."""
        self._seal()
        size = CHUNK_BYTES * 3 // 4
        pieces = [line[at : at + size] for at in range(0, len(line), size)]
        for number, piece in enumerate(pieces, start=1):
            data = base64.b64encode(piece).decode("ascii")
            part = {**head, "kind": "part", "part": number, "of": len(pieces), "data": data}
            self._lines = [json.dumps(part).encode("ascii") + b"\n"]
            self._seal()

    def _seal(self) -> None:
        if not self._lines:
            return
        number = len(self._hashes) + 1
        body = b"".join(self._lines)
        digest = hashlib.sha256(body).hexdigest()
        seal = {
            "v": SCHEMA_VERSION,
            "kind": "seal",
            "chunk": number,
            "events": len(self._lines),
            "sha256": digest,
        }
        self._pending.append((chunk_name(number), body + json.dumps(seal).encode("ascii") + b"\n"))
        self._hashes.append(digest)
        self._lines, self._size = [], 0

    def _write_when_due(self) -> None:
        """Spend at most half of the notebook's time on writing, once much has been written."""
        wait = self._pause_left()
        if len(self._hashes) >= _ALWAYS and self._last_seconds > _QUICK:
            wait = max(wait, self._last_end + self._last_seconds - time.monotonic())
        if wait <= 0:
            self._seal()
            self._write()
        elif self._timer is None:
            self._timer = threading.Timer(wait, self._write_later)
            self._timer.daemon = True
            self._timer.start()

    def _write_later(self) -> None:
        with self._lock:
            self._timer = None
            if not self._closed:
                self._write_when_due()

    def _write(self) -> None:
        begun = time.monotonic()
        while self._pending:
            name, data = self._pending[0]
            if not self._put(name, data):
                break
            self._pending.pop(0)
        self._last_end = time.monotonic()
        self._last_seconds = self._last_end - begun

    def _pause_left(self) -> float:
        """Seconds for which a folder that has just failed is left alone; 0 or less for none."""
        if not self._failures:
            return 0.0
        pause = min(2.0**self._failures, _LONGEST_PAUSE)
        return self._last_end + pause - time.monotonic()

    def _put(self, name: str, data: bytes) -> bool:
        try:
            self._sink.put(name, data)
        except Exception as error:
            self._failures += 1
            self._last_end = time.monotonic()
            if not self._warned:
                self._warned = True
                warn(f"output cannot be followed live: {error}")
            return False
        self._failures = 0
        return True


def chunk_name(number: int) -> str:
    """The file name of the chunk of that number, counted from 1."""
    return f"c-{number:06d}.ndjson"


def warn(text: str) -> None:
    """Say on stderr, and so in the notebook's own output, what did not work."""
    print(f"brickloop: {text}", file=sys.stderr)


def split_text(name: str, data: bytes, largest: int | None) -> list[tuple[str, bytes]]:
    """The files that a text becomes in a store with a limit; the one named ``name`` comes last.

    Each but the final one ends with a line that names the next, so a reader can join them.
    """
    if largest is None or len(data) <= largest:
        return [(name, data)]
    size = largest - MIB // 16
    digest = hashlib.sha256(data).hexdigest()[:12]
    pieces = []
    begin = 0
    while begin < len(data):
        end = min(begin + size, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            # not within a character
            end -= 1
        pieces.append(data[begin:end])
        begin = end
    files = []
    for number, piece in enumerate(pieces, start=1):
        here = name if number == 1 else f"{name}.{digest}.part{number}"
        if number < len(pieces):
            piece += f"\n[brickloop: continued in {name}.{digest}.part{number + 1}]\n".encode()
        files.append((here, piece))
    return files[::-1]


def _name_writer(folder: str, run_id: str | None) -> tuple[str, int]:
    """When and in which attempt this process began to write, and which of its writers this is.

    An attempt has its name from its task run; a process that took the place of another one, as
    after ``restartPython``, goes on with the same. Where no run is known each process is one.
    """
    with _lock:
        key = (os.getpid(), folder)
        if key not in _numbers:
            now = datetime.datetime.now(datetime.timezone.utc)
            mark = os.urandom(4).hex()
            if run_id is not None:
                mark = hashlib.sha256(run_id.encode()).hexdigest()[:8]
            _numbers[key] = (f"{now:%Y%m%dT%H%M%S%f}-{mark}", itertools.count(1))
        attempt, numbers = _numbers[key]
        return attempt, next(numbers)


def _run_id(dbutils: Any) -> str | None:
    """The id of the task run that the notebook is, None where it does not say."""
    try:
        context = dbutils.notebook.entry_point.getDbutils().notebook().getContext()
        # serverless allows only the safe one
        facts = json.loads((getattr(context, "safeToJson", None) or context.toJson)())
        found = facts.get("currentRunId") or facts["attributes"]["currentRunId"]
        return str(found["id"] if isinstance(found, dict) else found)
    except Exception:
        return None
