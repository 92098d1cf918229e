"""What files and tables are like now, as short texts: two that are equal mean that nothing changed.

Files are judged as build tools judge them, by size, time and inode; Delta tables by their version,
views by what they stand on.
"""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from brickloop.localws.registry import Entry, Registry, TableName
from brickloop.localws.sql_tokens import name_chains, read_tokens

_MOST_FILES = 5_000
_DEPTH = 32
GONE = "none"
"""The state of what is not there."""


def file_state(path: str) -> str:
    """A file by size, time and inode; of a folder only that it is one."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return GONE
    if stat.S_ISDIR(found.st_mode):
        return "folder"
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def folder_state(path: str) -> str:
    """A folder by the names in it; those that begin with a dot are nobody's business."""
    try:
        return _digest(sorted(name for name in os.listdir(path) if not name.startswith(".")))
    except (OSError, ValueError):
        return GONE


def data_state(path: str) -> str:
    """Data at a path: a Delta table by its version, else all files below it, or that match it."""
    if os.path.isdir(os.path.join(path, "_delta_log")):
        return _delta_state(Path(path))
    places = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else [path]
    found: list[str] = []
    for place in places:
        for name in _files(place):
            found.append(f"{name} {file_state(name)}")
            if len(found) > _MOST_FILES:
                # never equal to anything: it would take too long to look
                return f"too many files {os.urandom(8).hex()}"
    return f"files {_digest(found)}" if found else GONE


def table_state(registry: Registry, name: TableName, depth: int = 0) -> str:
    """A table by its version, a view with all that it stands on, a function by its text."""
    entry = registry.find(name)
    function = registry.find_function(name)
    if entry is None and function is None:
        return GONE
    parts = [repr(each) for each in (entry, function) if each is not None]
    if entry is not None and entry.kind == "view" and depth < _DEPTH:
        for chain in name_chains(read_tokens(entry.statement)):
            for length in range(1, min(len(chain.parts), 3) + 1):
                inner = _qualified(chain.parts[:length], name)
                if inner != name:
                    parts.append(f"{inner} {table_state(registry, inner, depth + 1)}")
    elif entry is not None:
        parts.append(_table_data(entry))
    return _digest(parts)


def changed_since(registry: Registry, name: TableName, began: float) -> bool:
    """Whether a table was written to after a moment."""
    entry = registry.find(name)
    if entry is None or entry.kind == "view":
        return False
    try:
        folder = entry.folder / "_delta_log"
        return max((each.stat().st_mtime for each in folder.iterdir()), default=0.0) >= began
    except OSError:
        return False


def _table_data(entry: Entry) -> str:
    folder = entry.folder
    return _delta_state(folder) if entry.is_delta else data_state(str(folder))


def _delta_state(folder: Path) -> str:
    """The newest commits: a table that was made anew has a version 0 of another time."""
    try:
        commits = sorted((folder / "_delta_log").glob("*.json"))
    except OSError:
        return GONE
    ends = dict.fromkeys([*commits[:1], *commits[-1:]])
    return " ".join(f"{path.name} {file_state(str(path))}" for path in ends)


def _files(place: str) -> Iterable[str]:
    if not os.path.isdir(place):
        yield place
        return
    for folder, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(folder, name)


def _qualified(parts: tuple[str, ...], beside: TableName) -> TableName:
    lowered = tuple(part.lower() for part in parts)
    full = (beside.catalog, beside.schema)[: 3 - len(lowered)] + lowered
    return TableName(full[0], full[1], full[2])


def _digest(texts: Iterable[str]) -> str:
    joined = "\n".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:32]
