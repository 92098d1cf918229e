"""What can stand on one side only: slots that block each other are held."""

from __future__ import annotations

import unicodedata

from brickloop.sync.local_scan import LocalScan
from brickloop.sync.remote import Kind
from brickloop.sync.remote_scan import RemoteScan
from brickloop.sync.versions import Version, local_path


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
