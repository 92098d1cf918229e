"""Where a notebook's output goes: whole files only, written once, never appended to."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

MIB = 1024 * 1024
_CANNOT_RENAME = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV}
_WORKSPACE_BYTES = 8 * MIB
"""The workspace's API hands out files of at most 10 MB."""


class Sink(Protocol):
    """A folder that takes whole files."""

    largest: int | None
    """Bytes that a file may have, None where that is no matter."""
    takes_bytes: bool
    """Whether files may hold other bytes than UTF-8 text."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file below the folder; a reader sees it whole or not at all."""


class FolderSink:
    """A folder of the file system: a volume, workspace files, or a local folder."""

    takes_bytes = True

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._made: set[Path] = set()
        self.largest = _WORKSPACE_BYTES if folder.startswith("/Workspace/") else None

    def put(self, name: str, data: bytes) -> None:
        """Write a file through a temporary name; on a volume it appears whole when it is closed."""
        target = self._folder / name
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        if str(target).startswith("/Volumes/"):
            # volumes refuse appending and renaming onto a file
            target.write_bytes(data)
            return
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
        try:
            unfinished.write_bytes(data)
            unfinished.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            if error.errno not in _CANNOT_RENAME:
                raise
            target.write_bytes(data)


class DbfsSink:
    """A DBFS folder, through ``dbutils``, which takes text only."""

    takes_bytes = False
    largest: int | None = None

    def __init__(self, folder: str, dbutils: Any) -> None:
        self._folder = folder.rstrip("/")
        self._dbutils = dbutils

    def put(self, name: str, data: bytes) -> None:
        """Write a file of UTF-8 text; other bytes raise UnicodeDecodeError."""
        with _QUIET, _quiet():
            # it would say "Wrote n bytes." for each section
            self._dbutils.fs.put(f"{self._folder}/{name}", data.decode("utf-8"), True)


_QUIET = threading.Lock()
"""Held while stdout is exchanged: two exchanges that cross would not undo each other."""


class _Quiet:
    """A stdout that takes nothing from the thread that made it, and all that others write."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            return len(text)
        return int(self._stream.write(text) or 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = sys.stdout
    exchanged = sys.stdout = _Quiet(before)
    try:
        yield
    finally:
        if sys.stdout is exchanged:
            sys.stdout = before


def open_sink(folder: str, dbutils: Any) -> Sink:
    """The sink for a folder as notebooks write it.

    ``dbfs:/x`` and a bare ``/x`` are DBFS where there is a ``dbutils``, else local folders.
    """
    path = folder
    if path.startswith("dbfs:/Volumes/"):
        path = path[len("dbfs:") :]
    if path.startswith("file:/"):
        path = path[len("file:") :]
    if path.startswith(("/Volumes/", "/Workspace/")):
        return FolderSink(path)
    if path.startswith("/dbfs/"):
        path = "dbfs:" + path[len("/dbfs") :]
    if dbutils is None:
        return FolderSink(path[len("dbfs:") :] if path.startswith("dbfs:") else path)
    return DbfsSink(path if path.startswith("dbfs:") else f"dbfs:{path}", dbutils)


def find_dbutils() -> Any:
    """The notebook's ``dbutils``, or None outside a notebook."""
    frame = sys._getframe(1)
    while frame is not None:
        found = frame.f_globals.get("dbutils")
        if found is not None and hasattr(found, "widgets"):
            return found
        if frame.f_back is None:
            break
        frame = frame.f_back
    main = sys.modules.get("__main__")
    found = getattr(main, "dbutils", None)
    return found if hasattr(found, "widgets") else None
