"""Sending one file, so that nothing the ledger has not seen is overwritten."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from brickloop.errors import HeldBack
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
from brickloop.sync.remote import (
    AlreadyThere,
    Content,
    Missing,
    Refused,
    Remote,
    RemoteEntry,
    Throttled,
    WorkspaceRemote,
)

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
    if known is None:
        return _create(remote, ledger, target, content, path)
    try:
        found = remote.status(path)
    except Missing:
        return _create(remote, ledger, target, content, path)
    if not _is_known(remote, ledger, known, found, path):
        if _same(remote, found, content, path):
            _record(ledger, target, content, path, found)
            return _pushed(content, path, created=False, sent=False)
        raise _held(path)
    if known.sha256 == content_hash(content.data) and known.kind == content.kind.value:
        _record(ledger, target, content, path, found)
        return _pushed(content, path, created=False, sent=False)
    if found.kind is not content.kind:
        remote.delete(path)
        return _create(remote, ledger, target, content, path)
    remote.put(path, content, overwrite=True)
    _record(ledger, target, content, path, None)
    return _pushed(content, path, created=False, sent=True)


def _create(remote: Remote, ledger: Ledger, target: str, content: Content, path: str) -> Pushed:
    try:
        try:
            remote.put(path, content, overwrite=False)
        except Missing:
            remote.make_folder(path.rsplit("/", 1)[0] or "/")
            remote.put(path, content, overwrite=False)
    except (AlreadyThere, Refused):
        try:
            found = remote.status(path)
        except Missing:
            found = None
        if found is None:
            raise
        if not _same(remote, found, content, path):
            raise _held(path) from None
        _record(ledger, target, content, path, found)
        return _pushed(content, path, created=False, sent=False)
    _record(ledger, target, content, path, None)
    return _pushed(content, path, created=True, sent=True)


def _is_known(
    remote: Remote, ledger: Ledger, known: RemoteObject, found: RemoteEntry, path: str
) -> bool:
    """Whether the workspace holds what the ledger remembers, by its stamp or else its content."""
    if known.modified_at is not None and (known.modified_at, known.object_id, known.kind) == (
        found.stamp.modified_at,
        found.stamp.object_id,
        found.kind.value,
    ):
        return True
    if found.kind.value != known.kind:
        return False
    canonical = ledger.fact(CANONICAL, known.sha256) or known.sha256
    return _canonical_of(remote, found, path) == canonical


def _same(remote: Remote, found: RemoteEntry, content: Content, path: str) -> bool:
    if found.kind is not content.kind or found.stamp.language not in {None, content.language}:
        return False
    wanted = canonical_hash(content.kind, content.format, content.data)
    return found.format in {None, content.format} and _canonical_of(remote, found, path) == wanted


def _canonical_of(remote: Remote, found: RemoteEntry, path: str) -> str:
    data = remote.export(path, found.kind, found.format)
    return canonical_hash(found.kind, found.format, data)


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
        hint="save or remove the workspace's version, then try again",
    )
