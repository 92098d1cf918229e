"""What stands in a slot on each side, what was last equal there, and what became of it since."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brickloop.model.notebook import Language, NotebookFormat
from brickloop.sync.content import local_name
from brickloop.sync.remote import Kind, Stamp


class Side(str, Enum):
    """One of the two trees."""

    LOCAL = "local"
    REMOTE = "remote"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.REMOTE if self is Side.LOCAL else Side.LOCAL


@dataclass(frozen=True)
class Version:
    """What one side holds in a slot."""

    kind: Kind
    sha: str = ""
    """Hash of the bytes; empty for a folder, and for a remote version nobody has read yet."""
    canonical: str = ""
    language: Language | None = None
    format: NotebookFormat | None = None
    name: str = ""
    """The local file's path; empty for a remote version."""
    stamp: Stamp | None = None
    """Of a remote version; None while it is unknown (right after a write of ours)."""
    problem: str = ""
    """Why the slot cannot be judged; kind is OPAQUE then."""


@dataclass(frozen=True)
class Ancestor:
    """What was last known equal on both sides of a slot."""

    kind: Kind
    name: str
    """The local file's path."""
    local_sha: str = ""
    remote_sha: str | None = None
    """None until the workspace's own bytes were read."""
    canonical: str = ""
    language: Language | None = None
    format: NotebookFormat | None = None
    stamp: Stamp | None = None

    def as_version(self, side: Side) -> Version:
        """The side's version when it is unchanged."""
        sha = self.local_sha if side is Side.LOCAL else (self.remote_sha or "")
        name = self.name if side is Side.LOCAL else ""
        stamp = self.stamp if side is Side.REMOTE else None
        return Version(self.kind, sha, self.canonical, self.language, self.format, name, stamp)


class State(str, Enum):
    """What became of one side since the ancestor."""

    NEW = "+"
    SAME = "="
    MODIFIED = "M"
    TURNED = "T"
    GONE = "∅"
    UNKNOWN = "?"


def local_state(ancestor: Ancestor | None, found: Version | None) -> State:
    """What became of the local side."""
    if found is None:
        return State.GONE
    if found.kind is Kind.OPAQUE:
        return State.UNKNOWN
    if ancestor is None:
        return State.NEW
    if found.kind is not ancestor.kind:
        return State.TURNED
    same = found.sha == ancestor.local_sha and found.format == ancestor.format
    return State.SAME if same else State.MODIFIED


def remote_state(ancestor: Ancestor | None, found: Version | None) -> State:
    """What became of the workspace's side."""
    if found is None:
        return State.GONE
    if found.kind is Kind.OPAQUE:
        return State.UNKNOWN
    if ancestor is None:
        return State.NEW
    if found.kind is not ancestor.kind:
        return State.TURNED
    if found.kind is Kind.DIRECTORY:
        return State.SAME
    if found.stamp is not None and found.stamp.agrees(ancestor.stamp):
        return State.SAME
    if ancestor.remote_sha is None:
        # never read since it was sent: what the workspace made of the bytes counts as the same
        alike = (found.canonical, found.language, found.format) == (
            ancestor.canonical,
            ancestor.language,
            ancestor.format,
        )
        return State.SAME if alike else State.MODIFIED
    return State.SAME if found.sha == ancestor.remote_sha else State.MODIFIED


def same_content(local: Version, remote: Version) -> bool:
    """Whether two leaves cannot be told apart."""
    return (
        local.kind is remote.kind is not Kind.DIRECTORY
        and bool(remote.canonical)
        and (local.canonical, local.language, local.format)
        == (remote.canonical, remote.language, remote.format)
    )


def local_path(slot: str, found: Version, ancestor: Ancestor | None) -> str:
    """The path of the local file that a version of a slot stands in."""
    if found.kind is not Kind.NOTEBOOK:
        return slot
    if ancestor is not None and (found.kind, found.language, found.format) == (
        ancestor.kind,
        ancestor.language,
        ancestor.format,
    ):
        return ancestor.name
    return local_name(slot, found.language, found.format)


def equal_now(local: Version, remote: Version) -> Ancestor:
    """The ancestor of two sides that are equal."""
    return Ancestor(
        local.kind,
        local.name,
        local.sha,
        remote.sha or None,
        local.canonical,
        local.language,
        local.format,
        remote.stamp,
    )


def parents(path: str) -> set[str]:
    """The folders that a slot or local path is in, without the root."""
    found = set()
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        found.add(path)
    return found
