"""Looking at the workspace's side: what its listings show in each slot. Changes nothing there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from brickloop.model.notebook import Language, NotebookFormat
from brickloop.sync.pace import Crew, Pace
from brickloop.sync.remote import Kind, Missing, Remote, RemoteEntry, RemoteFault, Stamp
from brickloop.sync.selection import Selection
from brickloop.sync.versions import Ancestor, Version, local_path, parents


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
            crowded.update(parents(slot))
    folders = [slot for slot, found in scan.slots.items() if found.kind is Kind.DIRECTORY and slot]
    for slot in sorted(folders, key=lambda slot: -slot.count("/")):
        if slot in crowded or not (narrow or slot in scan.filled):
            crowded.update(parents(slot))
        else:
            del scan.slots[slot]
            scan.uncounted.add(slot)


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
