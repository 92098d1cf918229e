"""What a plan is: its actions in order, what it holds back, and what a mode lets it do."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import Enum

from brickloop.sync.versions import Side, Version


class Verb(str, Enum):
    """What an action does, in the order of the phases."""

    RECORD = "record"
    FORGET = "forget"
    MAKE_FOLDER = "make folder"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    REMOVE_FOLDER = "remove folder"


@dataclass(frozen=True)
class Action:
    """One step of a plan."""

    verb: Verb
    slot: str
    side: Side
    """The side that is changed; for RECORD and FORGET it says nothing."""
    source: Version | None = None
    """The version that is brought over."""
    expected: Version | None = None
    """What ``side`` was seen to hold; the guard compares with it right before the change."""
    row: int = 0
    note: str = ""
    """What is reported: ``created``, ``pushed``, ``delete overridden``, ..."""
    bring_back: bool = False
    """Whether this resolves a conflict in favour of ``source``."""


@dataclass(frozen=True)
class Conflict:
    """A slot in which both sides changed."""

    slot: str
    row: int
    local: Version | None
    remote: Version | None
    reason: str


@dataclass(frozen=True)
class Decision:
    """Which side wins a conflict, as long as it is one between these two versions."""

    winner: Side
    local_sha: str
    remote_sha: str


@dataclass(frozen=True)
class Held:
    """A change that the mode does not carry over, or that has to wait."""

    slot: str
    reason: str
    counts: bool = True
    """Whether it is a change that was held back, not just a thing that is on one side only."""


@dataclass(frozen=True)
class Mode:
    """What a sync may do."""

    changes: frozenset[Side] = frozenset(Side)
    """The sides that may be changed."""
    prefer: Side | None = None
    """The side that wins conflicts; None holds them."""
    overrides: bool = False
    """With one side changed only: the other's own changes there are undone."""
    removes_extra: bool = False
    """With one side changed only: what only that side has is deleted there."""
    accepted_deletes: int = 0
    accepted_changes: int = 0


SAFE = Mode()
PUSH = Mode(changes=frozenset({Side.REMOTE}))
PULL = Mode(changes=frozenset({Side.LOCAL}))


@dataclass(frozen=True)
class Plan:
    """Everything a sync will do, and what it will not."""

    actions: tuple[Action, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    held: tuple[Held, ...] = ()
    halts: tuple[str, ...] = ()
    """Reasons to do nothing at all."""
    unchanged: int = 0
    again: bool = False
    """Whether part of the work can only be planned after this plan is done."""

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that change a tree."""
        return tuple(a for a in self.actions if a.verb not in {Verb.RECORD, Verb.FORGET})


def within(actions: Iterable[Action], slots: Set[str]) -> tuple[Action, ...]:
    """The actions in some slots and below them."""
    return tuple(
        action
        for action in actions
        if action.slot in slots or any(action.slot.startswith(f"{slot}/") for slot in slots)
    )


_PHASES = {verb: number for number, verb in enumerate(Verb)}


def phase(action: Action) -> tuple[int, int, str]:
    """What actions are ordered by: folders are made before and removed after what is in them."""
    depth = action.slot.count("/")
    return (
        _PHASES[action.verb],
        -depth if action.verb is Verb.REMOVE_FOLDER else depth,
        action.slot,
    )
