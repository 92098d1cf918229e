"""Looking at the local side: what stands in each slot now. Changes nothing in the tree."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from brickloop.errors import NotebookError
from brickloop.model.notebook import Language, NotebookFormat, header_line
from brickloop.sync import state as memory
from brickloop.sync.content import (
    HEAD_BYTES,
    canonical_hash,
    content_hash,
    content_of,
    rivals,
    slot_of,
)
from brickloop.sync.objects import ObjectStore
from brickloop.sync.remote import Kind
from brickloop.sync.selection import Selection
from brickloop.sync.state import SyncState
from brickloop.sync.tree import DiskTree, Found, Vanished
from brickloop.sync.versions import Version, parents

_RACY_NS = 2_000_000_000
"""A file that changed this shortly before it was read may change again within its time stamp."""


@dataclass
class LocalScan:
    """The local side."""

    slots: dict[str, Version] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Each local path in use, and its slot."""
    uncounted: set[str] = field(default_factory=set)
    """Folders in which nothing takes part."""


def scan_local(
    tree: DiskTree, selection: Selection, state: SyncState, objects: ObjectStore
) -> LocalScan:
    """What stands in each slot locally; a content is hashed only when its file changed."""
    selection.forget_ignores()
    scan = LocalScan(slots={"": Version(Kind.DIRECTORY)})
    known = state.files()
    learned: list[memory.Statement] = []
    folders: dict[str, str] = {}
    crowded: set[str] = set()
    for found in tree.walk(selection.leaves_out):
        known.setdefault(found.path, [])
        if found.is_folder:
            folders[found.path] = found.problem
            continue
        if not found.problem and not selection.chooses(found.path):
            continue
        version = _local_version(tree, found, known[found.path], learned, objects)
        slot = _slot_path(found.path, version)
        scan.names[found.path] = slot
        crowded.update(parents(found.path))
        _enter(scan, slot, version)
    _enter_folders(scan, folders, crowded, tree, selection)
    gone = [path for path, value in known.items() if value and path not in scan.names]
    learned += [memory.unknow_file(path) for path in gone]
    if learned:
        state.write_later(learned)
    return scan


def scan_paths(
    tree: DiskTree,
    selection: Selection,
    state: SyncState,
    objects: ObjectStore,
    paths: Iterable[str],
) -> LocalScan:
    """As ``scan_local``, for a few files only; paths where there is no file are left out.

    Other files that would be one object with one of them are found, too.
    """
    scan = LocalScan()
    learned: list[memory.Statement] = []
    for path in sorted({rival for one in paths for rival in rivals(one)}):
        if not selection.chooses(path):
            continue
        found = tree.look(path)
        if found is None:
            continue
        if found.is_folder:
            _enter(scan, path, Version(Kind.DIRECTORY, name=path))
            continue
        version = _local_version(tree, found, [], learned, objects)
        slot = _slot_path(found.path, version)
        scan.names[found.path] = slot
        _enter(scan, slot, version)
    if learned:
        state.write_later(learned)
    return scan


def _local_version(
    tree: DiskTree,
    found: Found,
    known: list[Any],
    learned: list[memory.Statement],
    objects: ObjectStore,
) -> Version:
    if found.problem:
        return Version(Kind.OPAQUE, name=found.path, problem=found.problem)
    signature = list(found.signature)
    if known and known[0] == signature:
        kind, sha, canonical, language, format = known[1:]
        return Version(
            Kind(kind),
            sha,
            canonical,
            None if language is None else Language(language),
            None if format is None else NotebookFormat(format),
            found.path,
        )
    try:
        data = tree.read(found.path)
        version = version_of(found.path, data)
    except NotebookError as error:
        return Version(Kind.OPAQUE, name=found.path, problem=error.message)
    except Vanished:
        return Version(Kind.OPAQUE, name=found.path, problem="changed while it was read")
    except OSError as error:
        return Version(Kind.OPAQUE, name=found.path, problem=f"cannot be read: {error.strerror}")
    newest = max(found.signature[1], found.signature[2])
    if version.kind is not Kind.OPAQUE and newest < time.time_ns() - _RACY_NS:
        learned.append(
            memory.know_file(
                found.path,
                [
                    signature,
                    version.kind.value,
                    version.sha,
                    version.canonical,
                    version.language.value if version.language else None,
                    version.format.value if version.format else None,
                ],
            )
        )
    return version


def version_of(path: str, data: bytes) -> Version:
    """The version that a local file with these bytes is; raises NotebookError for a broken one."""
    slot = slot_of(path.rsplit("/", 1)[-1], data[:HEAD_BYTES])
    if slot.kind is Kind.OPAQUE:
        return Version(
            Kind.OPAQUE, name=path, problem="the workspace would make an object of its own of it"
        )
    content_of(slot, data, path)
    canonical = canonical_hash(slot.kind, slot.format, data)
    return Version(slot.kind, content_hash(data), canonical, slot.language, slot.format, path)


def _slot_path(path: str, version: Version) -> str:
    """The slot of a local file; of one that cannot be judged, the slot its name alone gives."""
    folder, _, name = path.rpartition("/")
    if version.kind is Kind.NOTEBOOK:
        head = b""
        if version.language is not None:
            head = header_line(version.language).encode()
        name = slot_of(name, head).name
    elif version.kind is Kind.OPAQUE:
        name = slot_of(name, b"").name
    return f"{folder}/{name}" if folder else name


def _enter(scan: LocalScan, slot: str, version: Version) -> None:
    other = scan.slots.get(slot)
    if other is None:
        scan.slots[slot] = version
        return
    first = other.name or slot
    scan.slots[slot] = Version(
        Kind.OPAQUE,
        name=first,
        problem=f"'{first}' and '{version.name}' would be one object in the workspace",
    )


def _enter_folders(
    scan: LocalScan,
    folders: Mapping[str, str],
    crowded: set[str],
    tree: DiskTree,
    selection: Selection,
) -> None:
    # deepest first: a folder counts when something in it does, or when it is truly empty
    for path in sorted(folders, key=lambda path: -path.count("/") if path else 1):
        problem = folders[path]
        if path == "" and problem:
            scan.slots[""] = Version(Kind.OPAQUE, problem=problem)
            continue
        if path not in crowded and not problem and (selection.is_narrow or tree.holds(path)):
            scan.uncounted.add(path)
            continue
        crowded.update(parents(path))
        scan.names[path] = path
        kind = Kind.OPAQUE if problem else Kind.DIRECTORY
        _enter(scan, path, Version(kind, name=path, problem=problem))
