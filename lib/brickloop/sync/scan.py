"""Looking at both sides: what stands in each slot now. Changes nothing in either tree."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
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
from brickloop.sync.pace import Crew, Pace
from brickloop.sync.remote import Kind, Missing, Remote, RemoteEntry, RemoteFault, Stamp
from brickloop.sync.selection import Selection
from brickloop.sync.state import SyncState
from brickloop.sync.tree import DiskTree, Found, Vanished
from brickloop.sync.versions import Ancestor, Version, local_path

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


@dataclass
class RemoteScan:
    """The workspace's side."""

    slots: dict[str, Version] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)
    """Folders that hold anything at all."""
    uncounted: set[str] = field(default_factory=set)
    """Folders in which nothing takes part."""
    missing_root: bool = False
    requests: int = 0


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
        crowded.update(_parents(found.path))
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


def scan_remote(
    remote: Remote,
    root: str,
    selection: Selection,
    ancestors: Mapping[str, Ancestor],
    crew: Crew,
    pace: Pace,
) -> RemoteScan:
    """What stands in each slot of the workspace: one listing for each folder, in parallel.

    A folder that cannot be listed is a problem in its slot, never an empty folder.
    """
    scan = RemoteScan(slots={"": Version(Kind.DIRECTORY)})

    def list_one(folder: str) -> list[RemoteEntry] | RemoteFault:
        try:
            with pace.turn():
                return remote.list_folder(f"{root}/{folder}" if folder else root)
        except RemoteFault as fault:
            return fault

    pending = [""]
    while pending:
        level, pending = pending, []
        for folder, answer in crew.each(list_one, level):
            scan.requests += 1
            if isinstance(answer, RemoteFault):
                if folder == "" and isinstance(answer, Missing):
                    scan.missing_root = True
                else:
                    # gone since its parent was listed, or not to be had: unknown this time
                    scan.slots[folder] = Version(
                        Kind.OPAQUE, problem=f"cannot be listed: {answer.message}"
                    )
                continue
            pending += _enter_listing(scan, folder, answer, selection, ancestors)
    return scan


def drop_uncounted_folders(scan: RemoteScan, *, narrow: bool) -> None:
    """Drop folders in which nothing takes part, as the local side does.

    A folder that is truly empty counts, unless patterns choose what takes part.
    """
    crowded: set[str] = set()
    for slot, version in scan.slots.items():
        if version.kind is not Kind.DIRECTORY:
            crowded.update(_parents(slot))
    folders = [slot for slot, found in scan.slots.items() if found.kind is Kind.DIRECTORY and slot]
    for slot in sorted(folders, key=lambda slot: -slot.count("/")):
        if slot in crowded or not (narrow or slot in scan.filled):
            crowded.update(_parents(slot))
        else:
            del scan.slots[slot]
            scan.uncounted.add(slot)


def hold_blocked(local: LocalScan, remote: RemoteScan) -> None:
    """Hold what one side has as a file where the other has a folder of things that sit out."""
    problem = "there is a folder on the other side, with things in it that take no part"
    for slot in remote.uncounted & local.slots.keys():
        if local.slots[slot].kind is not Kind.DIRECTORY:
            remote.slots[slot] = Version(Kind.OPAQUE, problem=problem)
    for slot in local.uncounted & remote.slots.keys():
        found = remote.slots[slot]
        if found.kind is not Kind.DIRECTORY and local_path(slot, found, None) == slot:
            local.slots[slot] = Version(Kind.OPAQUE, name=slot, problem=problem)


def hold_lookalikes(local: LocalScan, remote: RemoteScan) -> None:
    """On a file system that does not tell such names apart: hold slots that differ in case only."""
    spelled: dict[str, set[str]] = {}
    for slot in (*local.slots, *remote.slots):
        spelled.setdefault(folded(slot), set()).add(slot)
    for alike in spelled.values():
        if len(alike) < 2:
            continue
        shown = " and ".join(f"'{slot}'" for slot in sorted(alike))
        for slot in alike:
            problem = f"{shown} are one name on this file system"
            for slots in (local.slots, remote.slots):
                if slot in slots:
                    slots[slot] = Version(Kind.OPAQUE, problem=problem)


def folded(name: str) -> str:
    """The name as a file system sees it that minds neither case nor composition."""
    return unicodedata.normalize("NFC", name).casefold()


@dataclass
class Inspector:
    """Reads the remote versions whose stamp says that they may have changed."""

    remote: Remote
    root: str
    objects: ObjectStore
    state: SyncState
    crew: Crew
    pace: Pace
    received: int = 0
    """Bytes that were read."""
    requests: int = 0

    def inspect(
        self,
        scan: RemoteScan,
        ancestors: Mapping[str, Ancestor],
        local: Mapping[str, Version],
        wanted: Callable[[str], bool],
        proven: Callable[[str, Version], Version | None],
    ) -> None:
        """Complete the scan's leaves: format, and where it matters hash and canonical hash.

        ``wanted`` names slots whose content is needed though the table does not ask for it;
        ``proven`` may know a version's content from elsewhere.
        """
        seen = self.state.seen()
        unread: list[tuple[str, bool]] = []
        for slot, version in scan.slots.items():
            if version.kind not in {Kind.FILE, Kind.NOTEBOOK}:
                continue
            known = self._known(slot, version, ancestors.get(slot), seen.get(slot))
            known = known or proven(slot, version)
            if known is not None:
                scan.slots[slot] = known
                continue
            content = slot in ancestors or slot in local or wanted(slot)
            if content or version.kind is Kind.NOTEBOOK:
                unread.append((slot, content))

        def read(item: tuple[str, bool]) -> Version | None:
            slot, content = item
            version, was = scan.slots[slot], ancestors.get(slot)
            found = self._verify(slot, version, was) if content and was is not None else None
            return found or self.read(slot, version, content=content)

        learned: list[memory.Statement] = []
        for (slot, _), found in self.crew.each(read, unread):
            if found is None:
                del scan.slots[slot]
                continue
            scan.slots[slot] = found
            if found.sha:
                learned.append(memory.see(slot, found))
        learned += [memory.unsee(slot) for slot in seen if slot not in scan.slots]
        if learned:
            self.state.write_later(learned)

    def read(self, slot: str, version: Version, *, content: bool) -> Version | None:
        """The version with its format, and its hashes if ``content``; None when it is gone.

        The stamp is always older than the content that is read, so a save in between is noticed.
        """
        path = f"{self.root}/{slot}"
        entry_kind = version.kind
        try:
            with self.pace.turn():
                if version.kind is Kind.NOTEBOOK:
                    entry = self.remote.status(path)
                    self.requests += 1
                    version = remote_version(entry, known_format=True)
                if version.kind is not entry_kind:
                    return Version(Kind.OPAQUE, problem="was replaced while it was read")
                if not content:
                    return version
                data = self.remote.export(path, version.kind, version.format)
                self.requests += 1
        except Missing:
            return None
        except RemoteFault as fault:
            return Version(Kind.OPAQUE, problem=f"cannot be read: {fault.message}")
        self.received += len(data)
        sha = self.objects.put(data)
        canonical = canonical_hash(version.kind, version.format, data)
        return replace(version, sha=sha, canonical=canonical)

    def _verify(self, slot: str, version: Version, was: Ancestor) -> Version | None:
        """The notebook that was sent, with one request: None when it is another by now."""
        if version.kind is not Kind.NOTEBOOK or was.kind is not Kind.NOTEBOOK or was.stamp:
            return None
        if was.format is NotebookFormat.SOURCE and version.language is not was.language:
            return None
        try:
            with self.pace.turn():
                data = self.remote.export(f"{self.root}/{slot}", version.kind, was.format)
        except RemoteFault:
            return None
        finally:
            self.requests += 1
        self.received += len(data)
        if canonical_hash(was.kind, was.format, data) != was.canonical:
            return None
        return replace(
            version,
            sha=self.objects.put(data),
            canonical=was.canonical,
            language=was.language,
            format=was.format,
        )

    @staticmethod
    def _known(
        slot: str, version: Version, ancestor: Ancestor | None, seen: Version | None
    ) -> Version | None:
        """The version without a request, if its stamp is one whose content is known."""
        if version.stamp is None:
            return None
        if ancestor is not None and version.stamp.agrees(ancestor.stamp):
            return replace(
                version,
                sha=ancestor.remote_sha or "",
                canonical=ancestor.canonical,
                language=ancestor.language,
                format=ancestor.format,
            )
        if seen is not None and version.stamp.agrees(seen.stamp):
            return replace(seen, stamp=version.stamp)
        return None


def remote_version(entry: RemoteEntry, *, known_format: bool = False) -> Version:
    """The version that a listed entry is; its content is still unread."""
    if entry.kind is Kind.OPAQUE:
        return Version(Kind.OPAQUE, problem="is of a kind that sync does not touch")
    language, format = None, None
    if entry.kind is Kind.NOTEBOOK:
        format = entry.format or (NotebookFormat.SOURCE if known_format else None)
        # what language an .ipynb is in stands in its content
        language = entry.stamp.language if format is not NotebookFormat.JUPYTER else None
        if format is NotebookFormat.SOURCE and language is None:
            language = Language.PYTHON
    stamp = _folder_stamp(entry.stamp) if entry.kind is Kind.DIRECTORY else entry.stamp
    return Version(entry.kind, language=language, format=format, stamp=stamp)


def _folder_stamp(stamp: Stamp) -> Stamp:
    # what is written of a folder's times differs from release to release
    return Stamp(Kind.DIRECTORY, stamp.object_id, None)


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
        crowded.update(_parents(path))
        scan.names[path] = path
        kind = Kind.OPAQUE if problem else Kind.DIRECTORY
        _enter(scan, path, Version(kind, name=path, problem=problem))


def _enter_listing(
    scan: RemoteScan,
    folder: str,
    entries: list[RemoteEntry],
    selection: Selection,
    ancestors: Mapping[str, Ancestor],
) -> list[str]:
    """Enter a folder's entries; the folders among them that are to be listed too."""
    deeper: list[str] = []
    if entries:
        scan.filled.add(folder)
    for entry in entries:
        if not _is_legal(entry.name):
            shown = f"{folder}/{entry.name}" if folder else entry.name
            scan.problems[shown] = "its name in the workspace is no legal file name"
            continue
        slot = f"{folder}/{entry.name}" if folder else entry.name
        version = remote_version(entry)
        if not _takes_part(slot, version, selection, ancestors.get(slot)):
            continue
        if slot in scan.slots:
            version = Version(Kind.OPAQUE, problem="stands in the workspace's folder twice")
            deeper = [path for path in deeper if path != slot]
        elif version.kind is Kind.DIRECTORY:
            deeper.append(slot)
        scan.slots[slot] = version
    return deeper


def _takes_part(
    slot: str, version: Version, selection: Selection, ancestor: Ancestor | None
) -> bool:
    if version.kind is Kind.DIRECTORY:
        return not selection.leaves_out(slot, True)
    if version.kind is Kind.NOTEBOOK and version.format is None:
        # a listing does not tell an .ipynb from a source notebook: any of its names will do
        names = {
            local_path(slot, replace(version, format=format), ancestor) for format in NotebookFormat
        }
        if ancestor is not None:
            names.add(ancestor.name)
        return any(selection.chooses(name) for name in names)
    return selection.chooses(local_path(slot, version, ancestor))


def _is_legal(name: str) -> bool:
    return name not in {"", ".", ".."} and "/" not in name and "\x00" not in name


def _parents(path: str) -> set[str]:
    found = set()
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        found.add(path)
    return found
