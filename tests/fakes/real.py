"""The two sides of a World made real: a folder on a disk, and a workspace behind its API."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from tests.fakes.tree import SteppedDiskTree
from tests.fakes.workspace import ROOT, FakeWorkspace, Item

from brickloop.sync.remote import Content, Kind, RemoteEntry, WorkspaceRemote
from brickloop.sync.tree import Taken


class RealTree(SteppedDiskTree):  # type: ignore[misc, valid-type]
    """A local tree on the disk, and what programs do in it."""

    def __init__(self, folder: Path) -> None:
        (folder / "p").mkdir(parents=True)
        super().__init__(folder / "p", folder / "trash", durable=False)

    def save(self, path: str, data: bytes, *, alike: bool = False) -> None:
        """Write a file anew; with ``alike`` in place, and the time of writing is set back."""
        self.make_parents(path)
        real = self.root / path
        if alike:
            before = real.stat()
            real.write_bytes(data)
            os.utime(real, ns=(before.st_atime_ns, before.st_mtime_ns))
        else:
            real.unlink(missing_ok=True)
            real.write_bytes(data)

    def touch(self, path: str) -> None:
        """Give a file a new time."""
        os.utime(self.root / path)

    def move(self, path: str, new: str) -> None:
        """Move a file or folder over whatever file was there."""
        self.make_parents(new)
        (self.root / path).replace(self.root / new)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        real = self.root / path
        if real.is_dir():
            shutil.rmtree(real)
        else:
            real.unlink(missing_ok=True)

    def make_parents(self, path: str) -> None:
        """Make the folders above a path."""
        try:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise Taken(path) from None

    def files(self) -> dict[str, bytes]:
        """Every file's content."""
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}

    def folders(self) -> set[str]:
        """Every folder."""
        found = (path for path in self.root.rglob("*") if path.is_dir())
        return {path.relative_to(self.root).as_posix() for path in found}


class RealWorkspace(FakeWorkspace):
    """A workspace behind its API, for sync through the port and for its users directly."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._client = client
        self._port = WorkspaceRemote(client)
        self._items: dict[str, Item] | None = None
        super().__init__()
        with contextlib.suppress(NotFound):
            client.workspace.delete(ROOT, recursive=True)
        self.mkdirs(ROOT)

    @property
    def items(self) -> dict[str, Item]:
        """All that stands below the root, read through the API."""
        if self._items is None:
            self._items = {}
            self._read(ROOT, self._items)
        return self._items

    @items.setter
    def items(self, value: dict[str, Item]) -> None:
        self._items = None

    def _read(self, folder: str, found: dict[str, Item]) -> None:
        for entry in self._port.list_folder(folder):
            path = f"{folder}/{entry.name}"
            stamp, data, format = entry.stamp, b"", None
            if entry.kind is Kind.DIRECTORY:
                self._read(path, found)
            else:
                format = self._port.status(path).format
                data = self._port.export(path, entry.kind, format)
            number, moment = stamp.object_id or 0, stamp.modified_at or 0
            found[path] = Item(entry.kind, data, number, moment, stamp.language, format)

    def list_folder(self, path: str) -> list[RemoteEntry]:
        with self._request("list", path):
            return self._port.list_folder(path)

    def status(self, path: str) -> RemoteEntry:
        with self._request("status", path):
            return self._port.status(path)

    def export(self, path: str, kind: Kind, format: object) -> bytes:
        with self._request("export", path):
            return self._port.export(path, kind, format)  # type: ignore[arg-type]

    def write(self, path: str, content: Content, *, overwrite: bool = True) -> Item:
        self._items = None
        self._port.put(path, content, overwrite=overwrite)
        return Item(content.kind, content.data, 0, 0)

    def remove(self, path: str) -> None:
        self._items = None
        self._port.delete(path)

    def mkdirs(self, path: str) -> None:
        self._items = None
        self._port.make_folder(path)

    def clear(self, path: str) -> None:
        self._items = None
        with contextlib.suppress(NotFound):
            self._client.workspace.delete(path, recursive=True)
