"""Conflicts that wait for a decision: what is remembered of them, and the version laid beside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import Enum

from brickloop.errors import HeldBack, PathError, UsageError
from brickloop.sync import state as memory
from brickloop.sync.content import HEAD_BYTES, content_hash, slot_path
from brickloop.sync.displaced import free_name, publish_new
from brickloop.sync.objects import ObjectStore
from brickloop.sync.plan import Conflict
from brickloop.sync.remote import Kind
from brickloop.sync.selection import sidecar_name
from brickloop.sync.state import Hold, SyncState
from brickloop.sync.tree import DiskTree, Taken, Vanished
from brickloop.sync.versions import Side, Version, local_path


class Keep(str, Enum):
    """How a conflict is decided."""

    LOCAL = "local"
    REMOTE = "remote"
    BOTH = "both"
    """Both versions: the file that loses its name gets a new one, and both are synced."""


def note_conflicts(
    conflicts: Iterable[Conflict],
    tree: DiskTree,
    state: SyncState,
    objects: ObjectStore,
    *,
    apart: Callable[[Hold], bool] | None = None,
) -> list[Hold]:
    """Every conflict as it is remembered from now on; those that are settled are let go.

    Of what is ``apart`` nothing was looked at: it stays as it is remembered, and is left out.

    The workspace's version of a held file stands beside it under a name that nothing collects.
    """
    before = {
        slot: hold for slot, hold in state.holds().items() if apart is None or not apart(hold)
    }
    now: dict[str, Hold] = {}
    statements: list[memory.Statement] = []
    for conflict in conflicts:
        found = hold_of(conflict)
        known = before.get(conflict.slot)
        if known and is_about(known, conflict):
            found = replace(found, sidecar=known.sidecar, since=known.since)
        else:
            found = replace(found, sidecar=_lay_beside(conflict, tree, objects), since=time.time())
            statements += _kept(conflict, objects)
        now[conflict.slot] = found
        if found != known:
            statements.append(memory.hold(found))
    for slot in before.keys() - now.keys():
        statements.append(memory.release(slot))
    if statements:
        state.write(statements)
    # a version laid beside is of no more use once something else, or nothing, is held there
    still = {hold.sidecar for hold in now.values()}
    for hold in before.values():
        if hold.sidecar and hold.sidecar not in still:
            take_away(hold, tree, objects)
    return sorted(now.values(), key=lambda hold: hold.slot)


def hold_of(conflict: Conflict) -> Hold:
    """What a conflict is remembered as, but for the version laid beside and the moment."""
    local, remote = conflict.local, conflict.remote
    return Hold(
        conflict.slot,
        conflict.reason,
        local.sha if local else "",
        remote.sha if remote else "",
        remote.stamp if remote else None,
        "",
        0.0,
        local.name if local else "",
    )


def take_away(hold: Hold, tree: DiskTree, objects: ObjectStore) -> None:
    """Remove the version laid beside a held file, unless somebody worked in it."""
    data = tree.peek(hold.sidecar) if hold.sidecar else None
    if data is not None and content_hash(data) == hold.remote_sha:
        objects.put(data, durable=True)
        tree.discard(hold.sidecar)


def find_hold(holds: Mapping[str, Hold], path: str) -> Hold:
    """The conflict at a slot or a local path; raises UsageError where there is none."""
    for hold in holds.values():
        if path in {hold.slot, hold.name}:
            return hold
    raise UsageError(
        "nothing is held here", where=path, hint="invoke sync.status lists what is in conflict"
    )


def is_about(hold: Hold, conflict: Conflict) -> bool:
    """Whether a conflict is still between the versions that are remembered of it."""
    found = hold_of(conflict)
    return (hold.local_sha, hold.remote_sha) == (found.local_sha, found.remote_sha)


def changed_since(hold: Hold) -> HeldBack:
    """The error for a decision about versions that do not stand there any more."""
    return HeldBack(
        "changed since the conflict was reported; nothing of it was overwritten",
        where=hold.slot,
        hint="sync again, look at both versions, then decide",
    )


def lay_copy(conflict: Conflict, tree: DiskTree, objects: ObjectStore) -> tuple[Side, str]:
    """The side that keeps the name, and the slot of a new local file with the other's version.

    The local side keeps it, unless it is a folder's that stands in the workspace. The file's name
    is ``<stem>.conflict-<sha8><extension>``; it takes part in syncs. Raises OutputUnavailable,
    Vanished or OSError when the version cannot be had.
    """
    local, remote = conflict.local, conflict.remote
    assert local is not None
    assert remote is not None
    if remote.kind is Kind.DIRECTORY:
        winner, loser, data = Side.REMOTE, local, tree.read(local.name)
    else:
        winner, loser, data = Side.LOCAL, remote, objects.require(remote.sha)
    name = loser.name or local_path(conflict.slot, loser, None)
    copy = free_name(tree, name, "conflict", content_hash(data), same=data)
    if tree.look(copy) is None:
        publish_new(tree, copy, data)
    return winner, slot_path(copy, data[:HEAD_BYTES])


def _lay_beside(conflict: Conflict, tree: DiskTree, objects: ObjectStore) -> str:
    local, remote = conflict.local, conflict.remote
    if local is None or not local.name or remote is None or remote.kind is Kind.DIRECTORY:
        return ""
    data = objects.get(remote.sha) if remote.sha else None
    if data is None:
        return ""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(_seconds(remote)))
    name = sidecar_name(local.name, moment, remote.sha)
    try:
        if tree.look(name) is None:
            publish_new(tree, name, data)
    except (OSError, PathError, Taken, Vanished):
        # a full disk, a too long name, a folder that became a file: the object store has it
        return ""
    return name


def _seconds(remote: Version) -> float:
    """When a version was written, within the years that have four digits."""
    moment = remote.stamp.modified_at if remote.stamp else None
    return min(max(0, (moment or 0) // 1000), 253_402_300_799)


def _kept(conflict: Conflict, objects: ObjectStore) -> list[memory.Statement]:
    """The workspace's version in the history, so that it can be restored."""
    remote = conflict.remote
    data = objects.get(remote.sha) if remote and remote.sha else None
    if remote is None or data is None:
        return []
    sha = objects.put(data, durable=True)
    name = local_path(conflict.slot, remote, None)
    return [memory.keep_version(conflict.slot, sha, Side.REMOTE.value, "held", name, len(data))]
