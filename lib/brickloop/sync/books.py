"""What changes note down before and after they touch a tree, so that nothing is forgotten."""

from __future__ import annotations

from dataclasses import dataclass

from brickloop.sync import state as memory
from brickloop.sync.objects import ObjectStore
from brickloop.sync.state import Intent, SyncState
from brickloop.sync.versions import Ancestor, Side, Version, local_path


class Changed(Exception):
    """The place does not hold what the plan saw; nothing was changed."""


@dataclass
class Books:
    """State, object store and ancestors of one pair, written together."""

    state: SyncState
    objects: ObjectStore
    ancestors: dict[str, Ancestor]
    """Kept up to date as actions are done."""

    def keep(self, slot: str, data: bytes, side: Side, version: Version, event: str) -> None:
        """Have a version that is about to go in the object store and in the history."""
        sha = self.objects.put(data, durable=True)
        name = version.name or local_path(slot, version, self.ancestors.get(slot))
        self.state.write_later([memory.keep_version(slot, sha, side.value, event, name, len(data))])

    def intend(self, intent: Intent) -> None:
        """Note what is about to be done; durable on return."""
        self.state.write([memory.intend(intent)])

    def drop_intent(self, slot: str, *, now: bool = False) -> None:
        """Note that nothing is under way in a slot any more; with ``now`` durable on return."""
        if now:
            self.state.write([memory.intended(slot)])
        else:
            self.state.write_later([memory.intended(slot)])

    def remember(self, slot: str, now: Ancestor, *more: memory.Statement) -> None:
        """Note what both sides of a slot are equal to now; its intent is done."""
        self.ancestors[slot] = now
        self.state.write_later(
            [memory.remember(slot, now), memory.intended(slot), memory.unsee(slot), *more]
        )

    def forget(self, slot: str) -> None:
        """Note that a slot is empty on both sides; its intent is done."""
        self.ancestors.pop(slot, None)
        self.state.write_later([memory.forget(slot), memory.intended(slot), memory.unsee(slot)])
