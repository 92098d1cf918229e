"""Changing the local tree, so that a version saved meanwhile is noticed and stays."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass

from brickloop.errors import NotebookError
from brickloop.model.notebook import NotebookFormat
from brickloop.sync import state as memory
from brickloop.sync.books import Books, Changed
from brickloop.sync.content import (
    HEAD_BYTES,
    canonical_hash,
    content_hash,
    slot_of,
    with_habits,
)
from brickloop.sync.displaced import give_back, publish_new, put_back
from brickloop.sync.plan import Action
from brickloop.sync.remote import Kind, Remote
from brickloop.sync.state import RESTORE, Intent, KeptVersion
from brickloop.sync.tree import DiskTree, Taken, Vanished
from brickloop.sync.versions import Ancestor, Side, Version, local_path


@dataclass
class LocalWriter:
    """Carries out the actions that change the local tree; each returns the bytes it received."""

    tree: DiskTree
    remote: Remote
    root: str
    """The workspace folder."""
    books: Books

    def make_folder(self, action: Action) -> int:
        """Make a folder."""
        self.tree.make_folder(action.slot)
        stamp = action.source.stamp if action.source else None
        self.books.remember(action.slot, Ancestor(Kind.DIRECTORY, action.slot, stamp=stamp))
        return 0

    def create(self, action: Action) -> int:
        """Write a file where there is none; raises Taken."""
        found, data = self._remote_content(action)
        name = local_path(action.slot, found, self.books.ancestors.get(action.slot))
        now = self._received(found, name, data)
        staged = self.tree.stage(name, data)
        self._intend(Intent(action.slot, Side.LOCAL.value, now, staged))
        try:
            self.tree.publish(staged, name)
        except (Taken, Vanished, OSError):
            self._undo(action.slot, staged)
            raise
        return self._received_off(action.slot, now, len(data))

    def update(self, action: Action) -> int:
        """Write over a file that holds what the plan saw; raises Changed or Vanished."""
        expected = action.expected
        assert expected is not None
        found, data = self._remote_content(action)
        name = local_path(action.slot, found, self.books.ancestors.get(action.slot))
        if name != expected.name:
            same = (found.kind, found.language, found.format) == (
                expected.kind,
                expected.language,
                expected.format,
            )
            if not same:
                return self.replace(action)
            name = expected.name
        old = self.tree.read(name)
        if content_hash(old) != expected.sha:
            raise Changed(action.slot)
        self.books.keep(action.slot, old, Side.LOCAL, expected, "overwritten")
        if found.format is NotebookFormat.SOURCE:
            data = with_habits(old, data)
        now = self._received(found, name, data)
        place = self.tree.followed(name)
        staged = self.tree.stage(place, data, like=place)
        retired = self.tree.staged_name(place)
        intent = Intent(action.slot, Side.LOCAL.value, now, staged, retired, place, expected.sha)
        self._put_over(intent)
        return self._received_off(action.slot, now, len(data))

    def replace(self, action: Action) -> int:
        """As ``update``, for another kind, language or format: the file gets another name."""
        expected = action.expected
        assert expected is not None
        found, data = self._remote_content(action)
        name = local_path(action.slot, found, self.books.ancestors.get(action.slot))
        old = self.tree.read(expected.name)
        if content_hash(old) != expected.sha:
            raise Changed(action.slot)
        self.books.keep(action.slot, old, Side.LOCAL, expected, "overwritten")
        now = self._received(found, name, data)
        staged = self.tree.stage(name, data)
        retired = self.tree.staged_name(expected.name)
        intent = Intent(
            action.slot, Side.LOCAL.value, now, staged, retired, expected.name, expected.sha
        )
        self._intend(intent)
        self._retire(action.slot, intent)
        self._publish_over(intent, name)
        self.tree.discard(retired)
        return self._received_off(action.slot, now, len(data))

    def restore(self, version: KeptVersion, data: bytes) -> bool:
        """Whether a file had to be changed to hold a version of its history again.

        What it held goes into the history. Raises Changed, Vanished, Taken, PathError or OSError.
        """
        name = version.name
        old = self.tree.peek(name)
        if old is None:
            publish_new(self.tree, name, data)
            return True
        if old == data:
            return False
        self.books.keep(version.slot, old, Side.LOCAL, Version(Kind.FILE, name=name), "overwritten")
        place = self.tree.followed(name)
        staged = self.tree.stage(place, data, like=place)
        retired = self.tree.staged_name(place)
        # no slot begins with a slash: an intent of a sync in this slot stays as it is
        slot = f"/{version.slot}"
        result = Ancestor(Kind.FILE, place, content_hash(data))
        self._put_over(Intent(slot, RESTORE, result, staged, retired, place, content_hash(old)))
        self.books.drop_intent(slot, now=True)
        return True

    def delete(self, action: Action) -> int:
        """Remove a file that holds what the plan saw; raises Changed or Vanished."""
        expected = action.expected
        assert expected is not None
        old = self.tree.read(expected.name)
        if content_hash(old) != expected.sha:
            raise Changed(action.slot)
        self.books.keep(action.slot, old, Side.LOCAL, expected, "deleted")
        retired = self.tree.staged_name(expected.name)
        intent = Intent(
            action.slot,
            Side.LOCAL.value,
            None,
            "",
            retired,
            expected.name,
            expected.sha,
        )
        self.books.intend(intent)
        self._retire(action.slot, intent)
        self.tree.discard(retired)
        self.books.forget(action.slot)
        return 0

    def remove_folder(self, action: Action) -> int:
        """Remove a folder, if nothing is left in it; raises Changed."""
        if not self.tree.remove_folder(action.slot):
            raise Changed(action.slot)
        self.books.forget(action.slot)
        return 0

    def _put_over(self, intent: Intent) -> None:
        """Give a staged version the place of an old one."""
        self._intend(intent)
        if not self._swap(intent.slot, intent):
            self._retire(intent.slot, intent)
            self._publish_over(intent, intent.old_name)
            self.tree.discard(intent.retired)

    def _intend(self, intent: Intent) -> None:
        folder = self.tree.folder_of(intent.staged)
        self.books.intend(dataclasses.replace(intent, folder=folder))

    def _swap(self, slot: str, intent: Intent) -> bool:
        """Exchange the new version with the old; False where the file system cannot.

        When the file was saved meanwhile, its version is put back, and nothing has happened.
        """
        try:
            if not self.tree.exchange(intent.staged, intent.old_name):
                return False
        except Vanished:
            self._undo(slot, intent.staged)
            raise
        displaced = self.tree.peek(intent.staged)
        if displaced is not None and content_hash(displaced) == intent.old_sha:
            self.tree.discard(intent.staged)
            return True
        assert intent.result is not None
        ours = put_back(self.tree, intent.staged, intent.old_name, intent.result.local_sha)
        self._undo(slot, intent.staged if ours else "")
        raise Changed(slot)

    def _retire(self, slot: str, intent: Intent) -> None:
        """Move the old version out of the way and make sure that it is the one that was seen."""
        try:
            self.tree.retire(intent.old_name, intent.retired)
        except Vanished:
            self._undo(slot, intent.staged)
            raise
        displaced = self.tree.peek(intent.retired)
        if displaced is None or content_hash(displaced) != intent.old_sha:
            give_back(self.tree, intent.retired, intent.old_name)
            self._undo(slot, intent.staged)
            raise Changed(slot)

    def _publish_over(self, intent: Intent, name: str) -> None:
        try:
            self.tree.publish(intent.staged, name)
        except Taken:
            # saved anew in the meantime: that version stays, the old one is in the object store
            self.tree.discard(intent.retired)
            self._undo(intent.slot, intent.staged)
            raise
        except (Vanished, OSError):
            # the folder was moved or removed in the meantime, or the disk refused
            with contextlib.suppress(Vanished, OSError):
                give_back(self.tree, intent.retired, intent.old_name)
            self._undo(intent.slot, intent.staged)
            raise

    def _undo(self, slot: str, staged: str) -> None:
        # the intent goes first: with it, a staged file that is gone means that it was published
        self.books.drop_intent(slot, now=True)
        if staged:
            self.tree.discard(staged)

    def _remote_content(self, action: Action) -> tuple[Version, bytes]:
        """The workspace's version and its bytes, read now if they were not yet."""
        source = action.source
        assert source is not None
        data = self.books.objects.get(source.sha) if source.sha else None
        if data is None:
            path = f"{self.root}/{action.slot}"
            data = self.remote.export(path, source.kind, source.format)
            if source.sha and content_hash(data) != source.sha:
                raise Changed(action.slot)
            self.books.objects.put(data)
        name = local_path(action.slot, source, self.books.ancestors.get(action.slot))
        here = slot_of(name, data[:HEAD_BYTES])
        if (here.kind, here.language, here.format) != (
            source.kind,
            source.language,
            source.format,
        ):
            raise NotebookError(
                f"would be another object as the local file '{name}': a first line that says"
                " notebook makes a file one, and without it there is none",
                where=action.slot,
            )
        canonical = canonical_hash(source.kind, source.format, data)
        return dataclasses.replace(source, sha=content_hash(data), canonical=canonical), data

    def _received(self, found: Version, name: str, data: bytes) -> Ancestor:
        # the stamp was seen before the content was read, so a save in between will be noticed
        return Ancestor(
            found.kind,
            name,
            content_hash(data),
            found.sha,
            found.canonical,
            found.language,
            found.format,
            found.stamp,
        )

    def _received_off(self, slot: str, now: Ancestor, size: int) -> int:
        self.books.remember(
            slot,
            now,
            memory.keep_version(
                slot, now.remote_sha or "", Side.REMOTE.value, "received", now.name, size
            ),
        )
        return size
