"""Bringing back versions that were sent, received, overwritten, deleted or held."""

from __future__ import annotations

from brickloop.errors import HeldBack, UsageError
from brickloop.model.notebook import NotebookFormat
from brickloop.sync.books import Changed
from brickloop.sync.content import HEAD_BYTES, canonical_hash, slot_of, with_habits
from brickloop.sync.local_writer import LocalWriter
from brickloop.sync.state import KeptVersion
from brickloop.sync.tree import Taken, Vanished
from brickloop.sync.versions import Side


def restore(path: str, number: int | None, writer: LocalWriter) -> KeptVersion:
    """The version that stands in its local file again.

    ``number`` None means the newest that is not what the file holds. Raises UsageError when there
    is no such version, OutputUnavailable when its content is not kept any more, HeldBack when its
    place is taken or was saved meanwhile, PathError and OSError when it cannot be written.
    """
    found, data = _choose(path, number, writer)
    was = writer.books.ancestors.get(found.slot)
    if was is not None and was.name != found.name and writer.tree.look(was.name) is not None:
        raise HeldBack(
            f"'{was.name}' has its place in the workspace now",
            where=found.name,
            hint=f"move '{was.name}' away, then restore again",
        )
    old = writer.tree.peek(found.name)
    if old is not None and found.side == Side.REMOTE.value and _is_source(found.name, data):
        data = with_habits(old, data)
    try:
        writer.restore(found, data)
    except (Changed, Vanished, Taken):
        raise HeldBack(
            "was saved while it was restored, and stays as it is", where=found.name
        ) from None
    return found


def _choose(path: str, number: int | None, writer: LocalWriter) -> tuple[KeptVersion, bytes]:
    kept = writer.books.state.history_of(path)
    if not kept:
        raise UsageError("no version of it is kept", where=path)
    objects = writer.books.objects
    if number is not None:
        for version in kept:
            if version.number == number:
                return version, objects.require(version.sha256)
        raise UsageError(
            f"it has no version {number}",
            where=path,
            hint=f"the newest is {kept[0].number}; invoke sync.history {path} lists all",
        )
    for version in kept:
        data = objects.get(version.sha256)
        old = writer.tree.peek(version.name)
        if data is not None and (old is None or not _are_alike(version.name, data, old)):
            return version, data
    raise UsageError("it holds the only version that is kept", where=path)


def _are_alike(name: str, one: bytes, other: bytes) -> bool:
    slots = [slot_of(name, data[:HEAD_BYTES]) for data in (one, other)]
    hashes = [
        canonical_hash(slot.kind, slot.format, data)
        for slot, data in zip(slots, (one, other), strict=True)
    ]
    return slots[0] == slots[1] and hashes[0] == hashes[1]


def _is_source(name: str, data: bytes) -> bool:
    return slot_of(name.rpartition("/")[2], data[:HEAD_BYTES]).format is NotebookFormat.SOURCE
