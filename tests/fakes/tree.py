"""A local tree in memory with DiskTree's rules: fast, and able to stop at every step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from brickloop.errors import PathError
from brickloop.sync.tree import DiskTree, Found, Taken, Vanished, is_staged

Hook = Callable[[str, str], None]

_STEPS = (
    "read", "stage", "publish", "exchange", "retire", "unlink", "discard", "make_folder",
    "remove_folder",
)  # fmt: skip


def stepped(kind: type) -> type:
    """A kind of tree that calls ``before`` and ``after`` around each of its steps."""

    def wrap(name: str) -> Callable[..., object]:
        whole = getattr(kind, name)

        def step(self: object, path: str, *more: object, **options: object) -> object:
            target = str(more[0]) if name in {"publish", "exchange"} else path
            self.before(name, target)  # type: ignore[attr-defined]
            result = whole(self, path, *more, **options)
            self.after(name, target)  # type: ignore[attr-defined]
            return result

        return step

    def quiet(_step: str, _path: str) -> None:
        pass

    hooks = {"before": staticmethod(quiet), "after": staticmethod(quiet)}
    return type(f"Stepped{kind.__name__}", (kind,), hooks | {name: wrap(name) for name in _STEPS})


@dataclass
class Node:
    """One file, under however many names."""

    data: bytes
    number: int
    written: int
    changed: int

    @property
    def signature(self) -> tuple[int, int, int, int]:
        """As of a file on a disk."""
        return (len(self.data), self.written, self.changed, self.number)


class MemoryTree:
    """Files and folders by relative path."""

    def __init__(self, *, exchanges: bool = True) -> None:
        self.root = Path("/nowhere")
        self.nodes: dict[str, Node | None] = {}
        """What stands at each path; None is a folder."""
        self.numbers: dict[str, int] = {}
        """The inode of each folder that was asked for."""
        self.gone = False
        self.exchanges = exchanges
        self.leftovers: list[str] = []
        self._clock = itertools.count(1_000_000_000)
        self._names = itertools.count()

    # what programs do in it

    def save(self, path: str, data: bytes, *, alike: bool = False) -> None:
        """Write a file anew; with ``alike`` in place, and the time of writing is set back."""
        self.make_parents(path)
        old = self.nodes.get(path)
        now = next(self._clock)
        if old is not None and alike:
            self.nodes[path] = Node(data, old.number, old.written, now)
        else:
            self.nodes[path] = Node(data, now, now, now)

    def touch(self, path: str) -> None:
        """Give a file a new time."""
        node = self.nodes[path]
        assert node is not None
        node.written = node.changed = next(self._clock)

    def move(self, path: str, new: str) -> None:
        """Move a file or folder over whatever file was there."""
        self.make_parents(new)
        for name in [n for n in self.nodes if n == path or n.startswith(path + "/")]:
            node = self.nodes.pop(name)
            if node is not None:
                node.changed = next(self._clock)
            self.nodes[new + name[len(path) :]] = node
            if name in self.numbers:
                self.numbers[new + name[len(path) :]] = self.numbers.pop(name)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        for name in [n for n in self.nodes if n == path or n.startswith(path + "/")]:
            del self.nodes[name]
            self.numbers.pop(name, None)

    def make_parents(self, path: str) -> None:
        """Make the folders above a path."""
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            if self.nodes.setdefault(path, None) is not None:
                raise Taken(path)

    def files(self) -> dict[str, bytes]:
        """Every file's content."""
        return {path: node.data for path, node in self.nodes.items() if node is not None}

    def folders(self) -> set[str]:
        """Every folder."""
        return {path for path, node in self.nodes.items() if node is None}

    # what sync does in it, as DiskTree does

    def exists(self) -> bool:
        return not self.gone

    def make_root(self) -> None:
        self.gone = False

    def walk(self, skip: Callable[[str, bool], bool]) -> Iterator[Found]:
        self.leftovers = []
        out: list[str] = []
        for path in sorted(self.nodes):
            if any(path.startswith(f"{folder}/") for folder in out):
                continue
            if is_staged(path.rsplit("/", 1)[-1]):
                self.leftovers.append(path)
                continue
            found = self.look(path)
            if found is None:
                continue
            if skip(path, found.is_folder):
                out.append(path)
                continue
            yield found

    def look(self, path: str) -> Found | None:
        self._check(path)
        if path not in self.nodes:
            return None
        node = self.nodes[path]
        return Found(path, True) if node is None else Found(path, False, node.signature)

    def holds(self, path: str) -> bool:
        inside = (n for n in self.nodes if n.startswith(f"{path}/"))
        return any(not is_staged(n.rsplit("/", 1)[-1]) for n in inside)

    def minds_case(self) -> bool:
        return True

    def read(self, path: str) -> bytes:
        self._check(path)
        if path not in self.nodes:
            raise Vanished(path)
        node = self.nodes[path]
        if node is None:
            raise IsADirectoryError(21, "Is a directory")
        return node.data

    def peek(self, path: str) -> bytes | None:
        node = self.nodes.get(path)
        return None if node is None else node.data

    def same(self, one: str, other: str) -> bool:
        node = self.nodes.get(one)
        return node is not None and node is self.nodes.get(other)

    def staged_name(self, path: str) -> str:
        folder, slash, _ = path.rpartition("/")
        return f"{folder}{slash}.brickloop-{next(self._names):032x}.tmp"

    def stage(self, path: str, data: bytes, *, like: str | None = None) -> str:
        self._check(path)
        self.make_parents(path)
        name = self.staged_name(path)
        now = next(self._clock)
        self.nodes[name] = Node(data, now, now, now)
        return name

    def publish(self, staged: str, path: str) -> None:
        self._check(path)
        if path in self.nodes:
            raise Taken(path)
        parent = path.rpartition("/")[0]
        if staged not in self.nodes or (parent and parent not in self.nodes):
            raise Vanished(staged)
        if self.nodes[staged] is None:
            self._rename(staged, path)
        else:
            self.nodes[path] = self.nodes[staged]
            self.unlink(staged)

    def folder_of(self, path: str) -> int:
        folder = path.rpartition("/")[0]
        if folder and folder not in self.nodes:
            return 0
        return self.numbers.setdefault(folder, next(self._clock))

    def followed(self, path: str) -> str:
        return path

    def exchange(self, staged: str, path: str) -> bool:
        if not self.exchanges:
            return False
        if path not in self.nodes or staged not in self.nodes:
            raise Vanished(path)
        self._rename(path, "\x01")
        self._rename(staged, path)
        self._rename("\x01", staged)
        return True

    def retire(self, path: str, staged: str) -> None:
        if path not in self.nodes:
            raise Vanished(path)
        self._rename(path, staged)

    def unlink(self, staged: str) -> None:
        self.nodes.pop(staged, None)

    def discard(self, staged: str) -> None:
        self.nodes.pop(staged, None)

    def empty_trash(self) -> None:
        pass

    def make_folder(self, path: str) -> None:
        self._check(path)
        if path not in {"", "."}:
            self.make_parents(path)
            if self.nodes.setdefault(path, None) is not None:
                raise Taken(path)

    def remove_folder(self, path: str) -> bool:
        if path not in self.nodes:
            return True
        if self.nodes[path] is not None or any(n.startswith(f"{path}/") for n in self.nodes):
            return False
        del self.nodes[path]
        self.numbers.pop(path, None)
        return True

    def _rename(self, path: str, new: str) -> None:
        for name in [n for n in self.nodes if n == path or n.startswith(f"{path}/")]:
            self.nodes[new + name[len(path) :]] = self.nodes.pop(name)

    def _check(self, path: str) -> None:
        if path.startswith("/") or ".." in path.split("/") or "\x00" in path:
            raise PathError(f"'{path}' leads outside")


SteppedMemoryTree = stepped(MemoryTree)
SteppedDiskTree = stepped(DiskTree)
