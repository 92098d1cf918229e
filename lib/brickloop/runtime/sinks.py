"""Where a notebook's output goes: whole files only, written once, never appended to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Protocol


class Sink(Protocol):
    """A folder that takes whole files."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file below the folder; a reader sees it whole or not at all."""


class FolderSink:
    """A folder of the file system: a volume, workspace files, or a local folder."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def put(self, name: str, data: bytes) -> None:
        """Write a file through a temporary name; on a volume it appears whole when it is closed."""
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if str(target).startswith("/Volumes/"):
            target.write_bytes(data)
            return
        unfinished = target.with_name(f".{target.name}.unfinished")
        unfinished.write_bytes(data)
        unfinished.replace(target)


class DbfsSink:
    """A DBFS folder, through ``dbutils``, which takes text only."""

    def __init__(self, folder: str, dbutils: Any) -> None:
        self._folder = folder.rstrip("/")
        self._dbutils = dbutils

    def put(self, name: str, data: bytes) -> None:
        """Write a file of UTF-8 text; other bytes raise UnicodeDecodeError."""
        self._dbutils.fs.put(f"{self._folder}/{name}", data.decode("utf-8"), True)


def open_sink(folder: str, dbutils: Any) -> Sink:
    """The sink for a folder as notebooks write it.

    ``dbfs:/x`` and a bare ``/x`` are DBFS where there is a ``dbutils``, else local folders.
    """
    path = folder
    if path.startswith("dbfs:/Volumes/"):
        path = path[len("dbfs:") :]
    if path.startswith(("/Volumes/", "/Workspace/")):
        return FolderSink(path)
    if dbutils is None:
        return FolderSink(path.removeprefix("dbfs:"))
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
