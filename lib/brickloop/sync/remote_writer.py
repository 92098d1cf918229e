"""Changing the workspace, one guarded request after another."""

from __future__ import annotations

from dataclasses import dataclass

from brickloop.sync import state as memory
from brickloop.sync.books import Books, Changed
from brickloop.sync.content import (
    HEAD_BYTES,
    canonical_hash,
    content_hash,
    content_of,
    slot_of,
    slot_path,
)
from brickloop.sync.pace import Pace
from brickloop.sync.plan import Action
from brickloop.sync.remote import Content, Kind, Missing, Remote
from brickloop.sync.remote_scan import remote_version
from brickloop.sync.tree import DiskTree
from brickloop.sync.versions import Ancestor, Side, Version


def sent(source: Version) -> Ancestor:
    """What both sides are equal to once a local version was sent."""
    return Ancestor(
        source.kind,
        source.name,
        source.sha,
        None,
        source.canonical,
        source.language,
        source.format,
        None,
    )


@dataclass
class RemoteWriter:
    """Carries out the actions that change the workspace; each returns the bytes it sent."""

    tree: DiskTree
    remote: Remote
    root: str
    """The workspace folder."""
    books: Books
    pace: Pace

    def make_folder(self, action: Action) -> int:
        """Make a folder; raises AlreadyThere over a file."""
        self.remote.make_folder(self._path(action.slot))
        self.books.remember(action.slot, Ancestor(Kind.DIRECTORY, action.slot))
        return 0

    def create(self, action: Action) -> int:
        """Write an object where there is none; raises AlreadyThere.

        Takes its own turn, for the request alone: nothing has to stay as it was meanwhile.
        """
        content = self._local_content(action)
        with self.pace.turn():
            self._put_new(action.slot, content)
        return self._sent_off(action, content)

    def update(self, action: Action) -> int:
        """Write over an object that is what the plan saw; raises Changed."""
        content = self._local_content(action)
        assert action.expected is not None
        self._keep_remote(action.slot, action.expected, "overwritten")
        self._guard_remote(action.slot, action.expected, "overwritten")
        self.remote.put(self._path(action.slot), content, overwrite=True)
        return self._sent_off(action, content)

    def replace(self, action: Action) -> int:
        """As ``update``, with an object of another kind."""
        content = self._local_content(action)
        assert action.expected is not None
        self._keep_remote(action.slot, action.expected, "overwritten")
        self._guard_remote(action.slot, action.expected, "overwritten")
        self.remote.delete(self._path(action.slot))
        self._put_new(action.slot, content)
        return self._sent_off(action, content)

    def delete(self, action: Action) -> int:
        """Remove an object that is what the plan saw; raises Changed."""
        assert action.expected is not None
        self._keep_remote(action.slot, action.expected, "deleted")
        try:
            self._guard_remote(action.slot, action.expected, "deleted")
            if action.row == 8 and self._is_back(action.slot):
                raise Changed(action.slot)
            self.remote.delete(self._path(action.slot))
        except Missing:
            pass  # somebody was faster: it is gone, as it should be
        self.books.forget(action.slot)
        return 0

    def remove_folder(self, action: Action) -> int:
        """Remove a folder, if nothing is left in it; raises Changed or NotEmpty."""
        try:
            entry = self.remote.status(self._path(action.slot))
            expected = action.expected.stamp if action.expected else None
            if entry.kind is not Kind.DIRECTORY or (
                expected is not None and expected.object_id != entry.stamp.object_id
            ):
                raise Changed(action.slot)
            self.remote.delete(self._path(action.slot))
        except Missing:
            pass  # somebody was faster: it is gone, as it should be
        self.books.forget(action.slot)
        return 0

    def _is_back(self, slot: str) -> bool:
        """Whether the local file stands there again: editors that save by renaming have it away."""
        was = self.books.ancestors.get(slot)
        if was is None or not was.name:
            return False
        data = self.tree.peek(was.name)
        return data is not None and slot_path(was.name, data[:HEAD_BYTES]) == slot

    def _put_new(self, slot: str, content: Content) -> None:
        path = self._path(slot)
        try:
            self.remote.put(path, content, overwrite=False)
        except Missing:
            self.remote.make_folder(path.rsplit("/", 1)[0])
            self.remote.put(path, content, overwrite=False)

    def _guard_remote(self, slot: str, expected: Version, event: str) -> None:
        """Raise when the workspace does not hold the expected version at this moment."""
        path = self._path(slot)
        entry = self.remote.status(path)
        if expected.stamp is not None:
            if not entry.stamp.agrees(expected.stamp):
                raise Changed(slot)
            return
        # sent by us and not looked at since: only the content tells
        found = remote_version(entry, known_format=True)
        if (found.kind, found.language, found.format) != (
            expected.kind,
            expected.language,
            expected.format,
        ):
            raise Changed(slot)
        data = self.remote.export(path, found.kind, found.format)
        if canonical_hash(found.kind, found.format, data) != expected.canonical:
            raise Changed(slot)
        self.books.keep(slot, data, Side.REMOTE, expected, event)
        if not entry.stamp.agrees(self.remote.status(path).stamp):
            raise Changed(slot)

    def _keep_remote(self, slot: str, expected: Version, event: str) -> None:
        """Put the workspace's version into the object store; the guard that follows checks it."""
        if expected.stamp is None:
            return  # the guard reads it
        data = self.books.objects.get(expected.sha) if expected.sha else None
        if data is None:
            data = self.remote.export(self._path(slot), expected.kind, expected.format)
            if expected.sha and content_hash(data) != expected.sha:
                raise Changed(slot)
        self.books.keep(slot, data, Side.REMOTE, expected, event)

    def _local_content(self, action: Action) -> Content:
        """What is to be sent; raises when the file is not what the plan saw."""
        source = action.source
        assert source is not None
        data = self.tree.read(source.name)
        if content_hash(data) != source.sha:
            raise Changed(action.slot)
        self.books.objects.put(data)
        slot = slot_of(source.name.rsplit("/", 1)[-1], data[:64])
        return content_of(slot, data, source.name)

    def _sent_off(self, action: Action, content: Content) -> int:
        size = len(content.data)
        assert action.source is not None
        now = sent(action.source)
        self.books.remember(
            action.slot,
            now,
            memory.keep_version(
                action.slot, now.local_sha, Side.LOCAL.value, "sent", now.name, size
            ),
        )
        return size

    def _path(self, slot: str) -> str:
        return f"{self.root}/{slot}" if slot else self.root
