"""DBFS upload streams: create hands out a handle, blocks are added to it, close puts the file."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from brickloop.localws.disk import Disk
from brickloop.localws.wire import ApiError

_IDLE_SECONDS = 3600.0


@dataclass
class _Stream:
    target: Path
    draft: Path
    file: BinaryIO
    lock: threading.Lock
    used: float


class DbfsStreams:
    """The open streams; they live as long as the server, as a cluster's would."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._streams: dict[int, _Stream] = {}
        self._lock = threading.Lock()
        self._next = int(time.time() * 1000)

    def open(self, target: Path) -> int:
        """The handle of a new stream whose file will be ``target``."""
        self._drop_idle()
        draft = self._disk.new_path()
        stream = _Stream(target, draft, draft.open("xb"), threading.Lock(), time.monotonic())
        with self._lock:
            self._next += 1
            self._streams[self._next] = stream
            return self._next

    def add(self, handle: int, block: bytes) -> None:
        """Append a block; raises the API's error for a handle that is not open."""
        stream = self._get(handle)
        with stream.lock:
            if stream.file.closed:
                raise _unknown(handle)
            stream.file.write(block)
            stream.used = time.monotonic()

    def close(self, handle: int) -> None:
        """Put the finished file in its place; raises for a handle that is not open."""
        stream = self._get(handle)
        with self._lock:
            if self._streams.pop(handle, None) is None:
                raise _unknown(handle)
        with stream.lock:
            stream.file.close()
            stream.target.parent.mkdir(parents=True, exist_ok=True)
            stream.draft.replace(stream.target)

    def _get(self, handle: int) -> _Stream:
        with self._lock:
            stream = self._streams.get(handle)
        if stream is None:
            raise _unknown(handle)
        return stream

    def _drop_idle(self) -> None:
        limit = time.monotonic() - _IDLE_SECONDS
        with self._lock:
            idle = [key for key, stream in self._streams.items() if stream.used < limit]
            dropped = [self._streams.pop(key) for key in idle]
        for stream in dropped:
            with stream.lock:
                stream.file.close()
                stream.draft.unlink(missing_ok=True)


def _unknown(handle: int) -> ApiError:
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"No stream found for handle: {handle}")
