"""A workspace in memory: the Remote port with the real one's rules, and places to fail at."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from brickloop.model.notebook import Language, NotebookFormat, header_line
from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.remote import (
    AlreadyThere,
    Content,
    Kind,
    Missing,
    NotEmpty,
    Refused,
    RemoteEntry,
    Stamp,
)

ROOT = "/Workspace/Users/me/p"


@dataclass
class Item:
    """One object."""

    kind: Kind
    data: bytes
    object_id: int
    modified_at: int
    language: Language | None = None
    format: NotebookFormat | None = None


class FakeWorkspace:
    """Folders, files and notebooks by absolute path; times by a clock that each write moves on."""

    def __init__(self, *, keeps_ids: bool = True) -> None:
        self.items: dict[str, Item] = {}
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda _call, _path: None
        """Called before each request, and may raise: nothing is done then."""
        self.after: Callable[[str, str], None] = lambda _call, _path: None
        """Called after each request, and may raise: it is done then."""
        self.keeps_ids = keeps_ids
        self.overwriting = False
        """Whether the last put may write over what is there."""
        self.clock = 1_700_000_000_000
        self._ids = 100
        self._told: set[tuple[str, int]] = set()
        self._lock = threading.RLock()
        self.mkdirs(ROOT)

    # the port

    def list_folder(self, path: str) -> list[RemoteEntry]:
        with self._request("list", path):
            if path not in self.items:
                raise Missing("doesn't exist", where=path)
            return [
                self._entry(name, found, told=False)
                for name, found in sorted(self.items.items())
                if name.rsplit("/", 1)[0] == path
            ]

    def status(self, path: str) -> RemoteEntry:
        with self._request("status", path):
            return self._entry(path, self._find(path), told=True)

    def export(self, path: str, kind: Kind, format: NotebookFormat | None) -> bytes:
        with self._request("export", path):
            return self._find(path).data

    def put(self, path: str, content: Content, *, overwrite: bool) -> None:
        self.overwriting = overwrite
        with self._request("put", path):
            self.write(path, content, overwrite=overwrite)

    def delete(self, path: str) -> None:
        with self._request("delete", path):
            self.remove(path)

    def make_folder(self, path: str) -> None:
        with self._request("mkdirs", path):
            self.mkdirs(path)

    # what the workspace does, also for its own users

    def write(self, path: str, content: Content, *, overwrite: bool = True) -> Item:
        """What import does; raises as it would."""
        parent = self.items.get(path.rsplit("/", 1)[0])
        if parent is None or parent.kind is not Kind.DIRECTORY:
            raise Missing("The parent folder does not exist.", where=path)
        old = self.items.get(path)
        if old is not None and not overwrite:
            raise AlreadyThere("already exists", where=path)
        if old is not None and old.kind is not content.kind:
            raise Refused("is of another type", where=path)
        data = content.data
        if content.kind is Kind.NOTEBOOK:
            data = _as_kept(content)
        self.clock += 7
        same_id = old is not None and self.keeps_ids
        object_id = old.object_id if old is not None and same_id else self._new_id()
        language = content.language or (Language.PYTHON if content.kind is Kind.NOTEBOOK else None)
        made = Item(content.kind, data, object_id, self.clock, language, content.format)
        self.items[path] = made
        return made

    def save_at_once(self, path: str, data: bytes) -> bool:
        """A save within the same millisecond as the last; False where that was seen already."""
        found = self.items[path]
        if found.modified_at != self.clock or (path, self.clock) in self._told:
            return False
        self.items[path] = replace(found, data=data)
        return True

    def clear(self, path: str) -> None:
        """Somebody removes an object and all below it."""
        for name in [n for n in self.items if n == path or n.startswith(path + "/")]:
            del self.items[name]

    def remove(self, path: str) -> None:
        """What delete does; raises as it would."""
        self._find(path)
        if any(name.startswith(path + "/") for name in self.items):
            raise NotEmpty("is not empty", where=path)
        del self.items[path]

    def mkdirs(self, path: str) -> None:
        """What mkdirs does; raises as it would."""
        parts = path.split("/")
        for depth in range(2, len(parts) + 1):
            step = "/".join(parts[:depth])
            found = self.items.get(step)
            if found is None:
                self.items[step] = Item(Kind.DIRECTORY, b"", self._new_id(), 0)
            elif found.kind is not Kind.DIRECTORY:
                raise AlreadyThere("is no folder", where=step)

    def move(self, path: str, new: str) -> None:
        """A move in the UI: the objects keep their ids."""
        for name in [n for n in self.items if n == path or n.startswith(path + "/")]:
            self.items[new + name[len(path) :]] = self.items.pop(name)

    def file(self, path: str, data: bytes) -> Item:
        """Somebody writes a file, whatever was there."""
        if path in self.items and self.items[path].kind is not Kind.FILE:
            self.remove(path)
        self.mkdirs(path.rsplit("/", 1)[0])
        return self.write(path, Content(Kind.FILE, data))

    def notebook(self, path: str, text: str, language: Language = Language.PYTHON) -> Item:
        """Somebody saves a notebook, whatever was there."""
        if path in self.items and self.items[path].kind is not Kind.NOTEBOOK:
            self.remove(path)
        self.mkdirs(path.rsplit("/", 1)[0])
        data = f"{header_line(language)}\n{text}".encode()
        content = Content(Kind.NOTEBOOK, data, language, NotebookFormat.SOURCE)
        return self.write(path, content)

    def tree(self) -> dict[str, bytes | None]:
        """Everything below the root: content, None for a folder."""
        return {
            name[len(ROOT) + 1 :]: None if found.kind is Kind.DIRECTORY else found.data
            for name, found in self.items.items()
            if name.startswith(ROOT + "/")
        }

    def count(self, *calls: str) -> int:
        """How many requests of these kinds were made."""
        return sum(1 for call, _ in self.calls if not calls or call in calls)

    def writes(self) -> int:
        """How many requests were made that change something."""
        return self.count("put", "delete", "mkdirs")

    def _request(self, call: str, path: str) -> _Request:
        return _Request(self, call, path)

    def _find(self, path: str) -> Item:
        found = self.items.get(path)
        if found is None:
            raise Missing("doesn't exist", where=path)
        return found

    def _entry(self, path: str, found: Item, *, told: bool) -> RemoteEntry:
        size = len(found.data) if found.kind is Kind.FILE else None
        modified = None if found.kind is Kind.DIRECTORY else found.modified_at
        self._told.add((path, found.modified_at))
        stamp = Stamp(found.kind, found.object_id, modified, size, found.language)
        return RemoteEntry(path.rsplit("/", 1)[-1], stamp, found.format if told else None)

    def _new_id(self) -> int:
        self._ids += 1
        return self._ids


class _Request:
    def __init__(self, fake: FakeWorkspace, call: str, path: str) -> None:
        self._fake, self._call, self._path = fake, call, path

    def __enter__(self) -> None:
        self._fake.before(self._call, self._path)
        self._fake._lock.acquire()
        self._fake.calls.append((self._call, self._path))

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._fake._lock.release()
        if error is None:
            self._fake.after(self._call, self._path)


class Place:
    """A local folder, its workspace in memory, and syncs of the two."""

    def __init__(self, folder: Path) -> None:
        self.local = folder / "p"
        self.local.mkdir(parents=True)
        self.fake = FakeWorkspace()
        self.pair = Pair(self.local, ROOT, folder / "state", "t")
        self._sync: Synchronizer | None = None

    def sync(self) -> Synchronizer:
        """A new process's synchronizer."""
        if self._sync is not None:
            self._sync.close()
        self._sync = Synchronizer(self.pair, self.fake, parallel=1, durable=False)
        return self._sync

    def settle(self) -> None:
        """Sync until the workspace's own bytes were seen and nothing is left to do."""
        for _ in range(3):
            report = self.sync().run()
            assert report.is_clean, report.as_json()
        assert not report.changes

    def files(self) -> dict[str, bytes]:
        """Every local file, by path."""
        return {
            path.relative_to(self.local).as_posix(): path.read_bytes()
            for path in self.local.rglob("*")
            if path.is_file()
        }


def _as_kept(content: Content) -> bytes:
    """Notebooks are not kept byte for byte."""
    if content.format is NotebookFormat.JUPYTER:
        return json.dumps(json.loads(content.data), indent=1).encode()
    return content.data.replace(b"\r\n", b"\n").rstrip(b"\n")
