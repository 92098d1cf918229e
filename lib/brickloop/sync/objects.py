"""The object store: every version that sync sends, fetches, overwrites or deletes, by its hash."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from pathlib import Path

from brickloop.errors import OutputUnavailable
from brickloop.sync.content import content_hash

KEEP_SECONDS = 30 * 24 * 3600
KEEP_BYTES = 1 << 30
_NAME = re.compile(r"^[0-9a-f]{64}$")


class ObjectStore:
    """Contents in a folder of their own, one file each, named by SHA-256."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self._durable = durable
        self._known: set[str] = set()

    def put(self, data: bytes, *, durable: bool = False) -> str:
        """The hash under which the content is kept; with ``durable`` on the disk on return."""
        sha256 = content_hash(data)
        path = self._path(sha256)
        wait = durable and self._durable
        if path.exists():
            with contextlib.suppress(OSError):
                os.utime(path)
            if wait and sha256 not in self._known:
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                self._known.add(sha256)
            return sha256
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staged = path.with_name(f"{sha256}.{os.getpid()}.{threading.get_ident()}")
        with staged.open("wb") as file:
            file.write(data)
            file.flush()
            if wait:
                os.fsync(file.fileno())
                self._known.add(sha256)
        staged.replace(path)
        return sha256

    def get(self, sha256: str) -> bytes | None:
        """The content, None when it is not kept (any more) or was damaged."""
        try:
            data = self._path(sha256).read_bytes()
        except OSError:
            return None
        return data if content_hash(data) == sha256 else None

    def require(self, sha256: str) -> bytes:
        """The content; raises OutputUnavailable when it is not kept (any more)."""
        data = self.get(sha256)
        if data is None:
            raise OutputUnavailable(
                f"version {sha256[:8]} is not kept any more", hint="versions are kept for 30 days"
            )
        return data

    def prune(self, *, now: float | None = None) -> int:
        """The number of contents removed: older than 30 days, then the oldest above 1 GiB."""
        moment = time.time() if now is None else now
        found: list[tuple[float, int, Path]] = []
        with contextlib.suppress(OSError):
            for folder in os.scandir(self.folder):
                for entry in os.scandir(folder.path):
                    status = entry.stat()
                    found.append((status.st_mtime, status.st_size, Path(entry.path)))
        found.sort(reverse=True)
        total = removed = 0
        for written, size, path in found:
            total += size
            if written < moment - KEEP_SECONDS or total > KEEP_BYTES:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _path(self, sha256: str) -> Path:
        if not _NAME.match(sha256):
            raise ValueError(f"no hash: {sha256!r}")
        return self.folder / sha256[:2] / sha256
