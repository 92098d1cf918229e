"""Sending one file, so that nothing the ledger has not seen is overwritten."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from brickloop.errors import HeldBack
from brickloop.model.notebook import NotebookFormat
from brickloop.model.paths import workspace_path
from brickloop.sync.content import (
    HEAD_BYTES,
    canonical_hash,
    content_hash,
    content_of,
    find_collisions,
    slot_of,
    workspace_name,
)
from brickloop.sync.ledger import Ledger, RemoteObject
from brickloop.sync.plan import PUSH, Verb
from brickloop.sync.reconciler import reconcile
from brickloop.sync.remote import (
    AlreadyThere,
    Content,
    Kind,
    Missing,
    Refused,
    Remote,
    RemoteEntry,
    Throttled,
    WorkspaceRemote,
)
from brickloop.sync.remote_scan import remote_version
from brickloop.sync.versions import Ancestor, Version

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

__all__ = ["Pushed", "find_collisions", "push_content", "push_file", "workspace_name"]

CANONICAL = "canonical"
"""Kind of the ledger's facts that give a content's canonical hash."""
_TRIES = 5


@dataclass(frozen=True)
class Pushed:
    """What became of a file that was to be sent."""

    remote_path: str
    kind: str
    """``NOTEBOOK`` or ``FILE``."""
    created: bool
    """Whether the object is new in the workspace."""
    sent: bool
    """False when the workspace had the content already."""
    bytes: int
    """The file's size."""


def push_file(
    client: WorkspaceClient,
    ledger: Ledger,
    target: str,
    local: Path,
    remote: str,
    *,
    data: bytes | None = None,
) -> Pushed:
    """What became of ``local`` in the workspace at ``remote``, the object's own path.

    A notebook goes as SOURCE or JUPYTER, anything else as it is; ``remote`` is used as given, so
    make it of ``workspace_name``. Missing parents are made. One request creates, two replace.
    Raises HeldBack when the workspace has a version there that the ledger has not seen,
    NotebookError for an .ipynb that is none, ConnectionFailed, or a WorkFailed that says why.
    """
    if data is None:
        data = local.read_bytes()
    slot = slot_of(local.name, data[:HEAD_BYTES])
    content = content_of(slot, data, str(local))
    return push_content(WorkspaceRemote(client), ledger, target, content, workspace_path(remote))


def is_as_known(
    client: WorkspaceClient, ledger: Ledger, target: str, known: RemoteObject, remote: str
) -> bool:
    """Whether the workspace still holds what the ledger remembers, by its content.

    If so the ledger learns the object's present stamp, which the next look can go by.
    """
    door = WorkspaceRemote(client)
    try:
        found = door.status(remote)
        if found.kind.value != known.kind:
            return False
        # the stamp before the content: a save in between is taken for a change, never missed
        version = _read(door, remote_version(found, known_format=True), remote)
    except Missing:
        return False
    if version.canonical != (ledger.fact(CANONICAL, known.sha256) or known.sha256):
        return False
    stamp = found.stamp
    ledger.record_remote_object(
        target, replace(known, object_id=stamp.object_id, modified_at=stamp.modified_at)
    )
    return True


def push_content(
    remote: Remote, ledger: Ledger, target: str, content: Content, path: str
) -> Pushed:
    """As ``push_file``, for content at hand and any Remote."""
    for attempt in range(_TRIES):
        try:
            return _push_once(remote, ledger, target, content, path)
        except Throttled as fault:
            # whatever became of the request: the next attempt looks again before it writes
            if attempt + 1 == _TRIES:
                raise
            time.sleep(min(fault.seconds * (attempt + 1), 30.0))
    raise AssertionError("unreachable")


def _push_once(remote: Remote, ledger: Ledger, target: str, content: Content, path: str) -> Pushed:
    known = ledger.remote_object(target, path)
    entry: RemoteEntry | None = None
    if known is not None:
        with contextlib.suppress(Missing):
            entry = remote.status(path)
    if entry is None:
        # nothing is known to be there: the workspace itself refuses to overwrite what is
        try:
            return _create(remote, ledger, target, content, path)
        except (AlreadyThere, Refused):
            with contextlib.suppress(Missing):
                entry = remote.status(path)
            if entry is None:
                raise
            known = None
    slot = path.rpartition("/")[2]
    local = _local_version(content, slot)
    found = remote_version(entry, known_format=True)
    stands = known is not None and _is_seen(known, entry)
    if not stands and found.kind in {Kind.FILE, Kind.NOTEBOOK}:
        found = _read(remote, found, path)
    ancestor = None if known is None else _ancestor(ledger, known, slot, found, stands=stands)
    ancestors = {} if ancestor is None else {slot: ancestor}
    plan = reconcile(ancestors, {slot: local}, {slot: found}, PUSH)
    if not plan.changes:
        if plan.held or plan.conflicts:
            raise _held(path)
        _record(ledger, target, content, path, entry)
        return _pushed(content, path, created=False, sent=False)
    (action,) = plan.changes
    if action.verb is Verb.REPLACE:
        remote.delete(path)
        return _create(remote, ledger, target, content, path)
    remote.put(path, content, overwrite=True)
    _record(ledger, target, content, path, None)
    return _pushed(content, path, created=False, sent=True)


def _create(remote: Remote, ledger: Ledger, target: str, content: Content, path: str) -> Pushed:
    try:
        remote.put(path, content, overwrite=False)
    except Missing:
        remote.make_folder(path.rsplit("/", 1)[0] or "/")
        remote.put(path, content, overwrite=False)
    _record(ledger, target, content, path, None)
    return _pushed(content, path, created=True, sent=True)


def _local_version(content: Content, slot: str) -> Version:
    # what language an .ipynb is in stands in its content
    language = content.language if content.format is not NotebookFormat.JUPYTER else None
    return Version(
        content.kind,
        content_hash(content.data),
        canonical_hash(content.kind, content.format, content.data),
        language,
        content.format,
        slot,
    )


def _is_seen(known: RemoteObject, entry: RemoteEntry) -> bool:
    """Whether the stamp alone tells that the workspace holds what the ledger remembers."""
    now = entry.stamp
    return known.modified_at is not None and (known.kind, known.object_id, known.modified_at) == (
        now.kind.value,
        now.object_id,
        now.modified_at,
    )


def _read(remote: Remote, found: Version, path: str) -> Version:
    data = remote.export(path, found.kind, found.format)
    canonical = canonical_hash(found.kind, found.format, data)
    return replace(found, sha=content_hash(data), canonical=canonical)


def _ancestor(
    ledger: Ledger, known: RemoteObject, name: str, found: Version, *, stands: bool
) -> Ancestor:
    canonical = ledger.fact(CANONICAL, known.sha256) or known.sha256
    # language and format are not remembered: content that is equal is in the same ones
    return Ancestor(
        Kind(known.kind),
        name,
        known.sha256,
        None,
        canonical,
        found.language,
        found.format,
        found.stamp if stands else None,
    )


def _record(
    ledger: Ledger, target: str, content: Content, path: str, found: RemoteEntry | None
) -> None:
    sha256 = content_hash(content.data)
    canonical = canonical_hash(content.kind, content.format, content.data)
    if canonical != sha256 and ledger.fact(CANONICAL, sha256) != canonical:
        ledger.record_fact(CANONICAL, sha256, canonical)
    # right after a write the stamp is unknown: whatever is seen now may be somebody's newer save
    stamp = found.stamp if found else None
    ledger.record_remote_object(
        target,
        RemoteObject(
            path,
            sha256,
            content.kind.value,
            stamp.object_id if stamp else None,
            stamp.modified_at if stamp else None,
        ),
    )


def _pushed(content: Content, path: str, *, created: bool, sent: bool) -> Pushed:
    return Pushed(path, content.kind.value, created, sent, len(content.data))


def _held(path: str) -> HeldBack:
    return HeldBack(
        "was changed in the workspace since it was last sent; it is not overwritten",
        where=path,
        hint="fetch it (invoke sync.pull), or save or remove it there, then try again",
    )
