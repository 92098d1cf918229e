"""Doing what a plan says, one guarded step at a time.

For each action: the intent is on the disk, then the effect, then what is now equal, then the intent
goes. Right before a change the place is looked at again; when it holds something else than the plan
saw, nothing is done and the slot is planned anew. Whatever is overwritten or deleted is in the
object store first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from brickloop.errors import NotebookError, PathError
from brickloop.model.notebook import NotebookFormat
from brickloop.sync import state as memory
from brickloop.sync.content import canonical_hash, content_hash, content_of, slot_of, with_habits
from brickloop.sync.objects import ObjectStore
from brickloop.sync.pace import Crew, Pace
from brickloop.sync.plan import Action, Ancestor, Side, Verb, Version, equal_now, local_path
from brickloop.sync.remote import (
    AlreadyThere,
    Ambiguous,
    Content,
    Kind,
    Missing,
    NotEmpty,
    Remote,
    RemoteFault,
    Throttled,
)
from brickloop.sync.scan import remote_version
from brickloop.sync.state import Intent, SyncState
from brickloop.sync.tree import DiskTree, Taken, Vanished

_TRIES = 8


class Result(str, Enum):
    """How an action ended."""

    DONE = "done"
    STALE = "stale"
    """Something else was there than planned; nothing was changed."""
    UNSURE = "unsure"
    """The workspace did not say whether it did it; the next look will tell."""
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """An action and how it ended."""

    action: Action
    result: Result
    reason: str = ""
    bytes: int = 0


class _Changed(Exception):
    """The place does not hold what the plan saw."""


@dataclass
class Executor:
    """Carries out the actions of a plan."""

    tree: DiskTree
    remote: Remote
    root: str
    """The workspace folder."""
    state: SyncState
    objects: ObjectStore
    ancestors: dict[str, Ancestor]
    """Kept up to date as actions are done."""
    crew: Crew
    pace: Pace
    finish_soon: Callable[[], bool] = lambda: False
    """Asked before each action; when true what is under way is finished and no more begun."""

    def carry_out(self, actions: tuple[Action, ...]) -> Iterator[Outcome]:
        """Each action's outcome as it comes; phases in order, slots of a phase in parallel."""
        try:
            for verb in Verb:
                phase = [action for action in actions if action.verb is verb]
                if not phase:
                    continue
                if verb in {Verb.RECORD, Verb.FORGET}:
                    self._note(phase)
                elif verb in {Verb.MAKE_FOLDER, Verb.REMOVE_FOLDER}:
                    for action in phase:
                        if not self.finish_soon():
                            yield self._attempt(action)
                else:
                    self._intend(phase)
                    for _, outcome in self.crew.each(self._attempt, self._until_asked(phase)):
                        yield outcome
        finally:
            self.state.flush()

    def _until_asked(self, phase: list[Action]) -> Iterator[Action]:
        for action in phase:
            if self.finish_soon():
                return
            yield action

    def _note(self, phase: list[Action]) -> None:
        """Record or forget slots; nothing in either tree changes."""
        statements = []
        for action in phase:
            if action.verb is Verb.FORGET:
                self.ancestors.pop(action.slot, None)
                statements += [memory.forget(action.slot), memory.unsee(action.slot)]
            else:
                assert action.source is not None
                assert action.expected is not None
                now = equal_now(action.source, action.expected)
                self.ancestors[action.slot] = now
                statements.append(memory.remember(action.slot, now))
        self.state.write(statements)

    def _intend(self, phase: list[Action]) -> None:
        """Note what will be sent before the first request; one flush for all of it."""
        intents = [
            memory.intend(Intent(action.slot, Side.REMOTE.value, self._sent(action)))
            for action in phase
            if action.side is Side.REMOTE and action.source is not None
        ]
        if intents:
            self.state.write(intents)

    def _attempt(self, action: Action) -> Outcome:
        """Do one action, again from its guard on when the workspace asks to wait."""
        for attempt in range(_TRIES):
            try:
                with self.pace.turn():
                    return self._do(action)
            except Throttled as fault:
                if attempt + 1 == _TRIES:
                    return Outcome(action, Result.FAILED, fault.message)
                self.pace.slow_down(fault.seconds, attempt)
            except (_Changed, Vanished, Taken, AlreadyThere, Missing, NotEmpty):
                return Outcome(action, Result.STALE, "it changed meanwhile")
            except Ambiguous as fault:
                return Outcome(action, Result.UNSURE, fault.message)
            except (RemoteFault, NotebookError, PathError) as error:
                self._drop_intent(action)
                return Outcome(action, Result.FAILED, error.message)
            except OSError as error:
                return Outcome(action, Result.FAILED, error.strerror or str(error))
        raise AssertionError("unreachable")

    def _do(self, action: Action) -> Outcome:
        if action.side is Side.REMOTE:
            size = {
                Verb.MAKE_FOLDER: self._make_remote_folder,
                Verb.CREATE: self._create_remote,
                Verb.UPDATE: self._update_remote,
                Verb.REPLACE: self._replace_remote,
                Verb.DELETE: self._delete_remote,
                Verb.REMOVE_FOLDER: self._remove_remote_folder,
            }[action.verb](action)
        else:
            size = {
                Verb.MAKE_FOLDER: self._make_local_folder,
                Verb.CREATE: self._create_local,
                Verb.UPDATE: self._update_local,
                Verb.REPLACE: self._replace_local,
                Verb.DELETE: self._delete_local,
                Verb.REMOVE_FOLDER: self._remove_local_folder,
            }[action.verb](action)
        return Outcome(action, Result.DONE, bytes=size)

    # what changes the workspace

    def _make_remote_folder(self, action: Action) -> int:
        self.remote.make_folder(self._path(action.slot))
        self._remember(action.slot, Ancestor(Kind.DIRECTORY, action.slot))
        return 0

    def _create_remote(self, action: Action) -> int:
        content = self._local_content(action)
        self._put_new(action.slot, content)
        return self._sent_off(action, content)

    def _update_remote(self, action: Action) -> int:
        content = self._local_content(action)
        assert action.expected is not None
        self._keep_remote(action.slot, action.expected, "overwritten")
        self._guard_remote(action.slot, action.expected, "overwritten")
        self.remote.put(self._path(action.slot), content, overwrite=True)
        return self._sent_off(action, content)

    def _replace_remote(self, action: Action) -> int:
        content = self._local_content(action)
        assert action.expected is not None
        self._keep_remote(action.slot, action.expected, "overwritten")
        self._guard_remote(action.slot, action.expected, "overwritten")
        self.remote.delete(self._path(action.slot))
        self._put_new(action.slot, content)
        return self._sent_off(action, content)

    def _delete_remote(self, action: Action) -> int:
        assert action.expected is not None
        self._keep_remote(action.slot, action.expected, "deleted")
        try:
            self._guard_remote(action.slot, action.expected, "deleted")
            self.remote.delete(self._path(action.slot))
        except Missing:
            pass  # somebody was faster: it is gone, as it should be
        self._forget(action.slot)
        return 0

    def _remove_remote_folder(self, action: Action) -> int:
        try:
            entry = self.remote.status(self._path(action.slot))
            expected = action.expected.stamp if action.expected else None
            if entry.kind is not Kind.DIRECTORY or (
                expected is not None and expected.object_id != entry.stamp.object_id
            ):
                raise _Changed(action.slot)
            self.remote.delete(self._path(action.slot))
        except (Missing, NotEmpty):
            pass  # what takes no part in the sync keeps its folder
        self._forget(action.slot)
        return 0

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
                raise _Changed(slot)
            return
        # sent by us and not looked at since: only the content tells
        found = remote_version(entry, known_format=True)
        if (found.kind, found.language, found.format) != (
            expected.kind,
            expected.language,
            expected.format,
        ):
            raise _Changed(slot)
        data = self.remote.export(path, found.kind, found.format)
        if canonical_hash(found.kind, found.format, data) != expected.canonical:
            raise _Changed(slot)
        self._keep(slot, data, Side.REMOTE, expected, event)
        if not entry.stamp.agrees(self.remote.status(path).stamp):
            raise _Changed(slot)

    def _keep_remote(self, slot: str, expected: Version, event: str) -> None:
        """Put the workspace's version into the object store; the guard that follows checks it."""
        if expected.stamp is None:
            return  # the guard reads it
        data = self.objects.get(expected.sha) if expected.sha else None
        if data is None:
            data = self.remote.export(self._path(slot), expected.kind, expected.format)
            if expected.sha and content_hash(data) != expected.sha:
                raise _Changed(slot)
        self._keep(slot, data, Side.REMOTE, expected, event)

    def _local_content(self, action: Action) -> Content:
        """What is to be sent; raises when the file is not what the plan saw."""
        source = action.source
        assert source is not None
        data = self.tree.read(source.name)
        if content_hash(data) != source.sha:
            raise _Changed(action.slot)
        self.objects.put(data)
        slot = slot_of(source.name.rsplit("/", 1)[-1], data[:64])
        return content_of(slot, data, source.name)

    def _sent(self, action: Action) -> Ancestor:
        """What both sides are equal to once the action's source was sent."""
        source = action.source
        assert source is not None
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

    def _sent_off(self, action: Action, content: Content) -> int:
        size = len(content.data)
        now = self._sent(action)
        self._remember(
            action.slot,
            now,
            memory.keep_version(
                action.slot, now.local_sha, Side.LOCAL.value, "sent", now.name, size
            ),
        )
        return size

    # what changes the local tree

    def _make_local_folder(self, action: Action) -> int:
        self.tree.make_folder(action.slot)
        stamp = action.source.stamp if action.source else None
        self._remember(action.slot, Ancestor(Kind.DIRECTORY, action.slot, stamp=stamp))
        return 0

    def _create_local(self, action: Action) -> int:
        found, data = self._remote_content(action)
        name = local_path(action.slot, found, self.ancestors.get(action.slot))
        now = self._received(found, name, data)
        staged = self.tree.stage(name, data)
        self._write_intent(Intent(action.slot, Side.LOCAL.value, now, staged))
        try:
            self.tree.publish(staged, name)
        except Taken:
            self._undo(action.slot, staged)
            raise
        return self._received_off(action.slot, now, len(data))

    def _update_local(self, action: Action) -> int:
        expected = action.expected
        assert expected is not None
        found, data = self._remote_content(action)
        name = local_path(action.slot, found, self.ancestors.get(action.slot))
        if name != expected.name:
            same = (found.kind, found.language, found.format) == (
                expected.kind,
                expected.language,
                expected.format,
            )
            if not same:
                return self._replace_local(action)
            name = expected.name
        old = self.tree.read(name)
        if content_hash(old) != expected.sha:
            raise _Changed(action.slot)
        self._keep(action.slot, old, Side.LOCAL, expected, "overwritten")
        if found.format is NotebookFormat.SOURCE:
            data = with_habits(old, data)
        now = self._received(found, name, data)
        place = self.tree.followed(name)
        staged = self.tree.stage(place, data, like=place)
        retired = self.tree.staged_name(place)
        intent = Intent(action.slot, Side.LOCAL.value, now, staged, retired, place, expected.sha)
        self._write_intent(intent)
        if self._swap(action.slot, intent):
            return self._received_off(action.slot, now, len(data))
        self._retire(action.slot, intent)
        self._publish_over(intent, place)
        self.tree.discard(retired)
        return self._received_off(action.slot, now, len(data))

    def _replace_local(self, action: Action) -> int:
        """Another kind, language or format: the old file goes, one of another name comes."""
        expected = action.expected
        assert expected is not None
        found, data = self._remote_content(action)
        name = local_path(action.slot, found, self.ancestors.get(action.slot))
        old = self.tree.read(expected.name)
        if content_hash(old) != expected.sha:
            raise _Changed(action.slot)
        self._keep(action.slot, old, Side.LOCAL, expected, "overwritten")
        now = self._received(found, name, data)
        staged = self.tree.stage(name, data)
        retired = self.tree.staged_name(expected.name)
        intent = Intent(
            action.slot, Side.LOCAL.value, now, staged, retired, expected.name, expected.sha
        )
        self._write_intent(intent)
        self._retire(action.slot, intent)
        self._publish_over(intent, name)
        self.tree.discard(retired)
        return self._received_off(action.slot, now, len(data))

    def _delete_local(self, action: Action) -> int:
        expected = action.expected
        assert expected is not None
        old = self.tree.read(expected.name)
        if content_hash(old) != expected.sha:
            raise _Changed(action.slot)
        self._keep(action.slot, old, Side.LOCAL, expected, "deleted")
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
        self._write_intent(intent)
        self._retire(action.slot, intent)
        self.tree.discard(retired)
        self._forget(action.slot)
        return 0

    def _remove_local_folder(self, action: Action) -> int:
        # what takes no part in the sync keeps its folder
        self.tree.remove_folder(action.slot)
        self._forget(action.slot)
        return 0

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
        raise _Changed(slot)

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
            raise _Changed(slot)

    def _publish_over(self, intent: Intent, name: str) -> None:
        try:
            self.tree.publish(intent.staged, name)
        except Taken:
            # saved anew in the meantime: that version stays, the old one is in the object store
            self.tree.discard(intent.retired)
            self._undo(intent.slot, intent.staged)
            raise

    def _undo(self, slot: str, staged: str) -> None:
        # the intent goes first: with it, a staged file that is gone means that it was published
        self.state.write([memory.intended(slot)])
        if staged:
            self.tree.discard(staged)

    def _remote_content(self, action: Action) -> tuple[Version, bytes]:
        """The workspace's version and its bytes, read now if they were not yet."""
        source = action.source
        assert source is not None
        data = self.objects.get(source.sha) if source.sha else None
        if data is None:
            path = self._path(action.slot)
            data = self.remote.export(path, source.kind, source.format)
            if source.sha and content_hash(data) != source.sha:
                raise _Changed(action.slot)
            self.objects.put(data)
        canonical = canonical_hash(source.kind, source.format, data)
        return replace(source, sha=content_hash(data), canonical=canonical), data

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
        self._remember(
            slot,
            now,
            memory.keep_version(
                slot, now.remote_sha or "", Side.REMOTE.value, "received", now.name, size
            ),
        )
        return size

    def _keep(self, slot: str, data: bytes, side: Side, version: Version, event: str) -> None:
        sha = self.objects.put(data, durable=True)
        name = version.name or local_path(slot, version, self.ancestors.get(slot))
        self.state.write_later([memory.keep_version(slot, sha, side.value, event, name, len(data))])

    def _write_intent(self, intent: Intent) -> None:
        self.state.write([memory.intend(intent)])

    def _drop_intent(self, action: Action) -> None:
        self.state.write_later([memory.intended(action.slot)])

    def _remember(self, slot: str, now: Ancestor, *more: memory.Statement) -> None:
        self.ancestors[slot] = now
        self.state.write_later(
            [memory.remember(slot, now), memory.intended(slot), memory.unsee(slot), *more]
        )

    def _forget(self, slot: str) -> None:
        self.ancestors.pop(slot, None)
        self.state.write_later([memory.forget(slot), memory.intended(slot), memory.unsee(slot)])

    def _path(self, slot: str) -> str:
        return f"{self.root}/{slot}" if slot else self.root


def put_back(tree: DiskTree, staged: str, name: str, ours: str) -> bool:
    """Undo an exchange: the displaced version gets its name back.

    Returns whether our version is now under the staged name, to be thrown away.
    """
    try:
        tree.exchange(staged, name)
    except Vanished:
        # the name was removed in the meantime; the displaced version is still somebody's work
        give_back(tree, staged, name)
        return False
    left = tree.peek(staged)
    if left is not None and content_hash(left) != ours:
        # saved once more between the two exchanges
        give_back(tree, staged, name)
        return False
    return True


def give_back(tree: DiskTree, staged: str, name: str) -> None:
    """Give a displaced version its name again, or one beside it when the name was taken."""
    try:
        tree.publish(staged, name)
    except Taken:
        data = tree.peek(staged) or b""
        tree.publish(staged, free_name(tree, name, "conflict", content_hash(data)))


def free_name(tree: DiskTree, name: str, word: str, sha256: str) -> str:
    """A name beside ``name`` that is free: ``<stem>.<word>-<sha8><extension>``."""
    folder, slash, base = name.rpartition("/")
    stem, dot, extension = base.rpartition(".")
    if not stem:
        stem, dot, extension = base, "", ""
    number = 0
    while True:
        count = f"-{number}" if number else ""
        found = f"{folder}{slash}{stem}.{word}-{sha256[:8]}{count}{dot}{extension}"
        if tree.look(found) is None:
            return found
        number += 1
