"""The reconciler: what was equal, what each side holds now, and from that an ordered plan.

Pure and total: no clock, no I/O, the same input gives the same plan. ``docs/sync.md`` holds the
table that ``ROWS`` is, and says why each row is as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from brickloop.sync.content import content_hash
from brickloop.sync.local_names import NameClaims
from brickloop.sync.plan import SAFE, Action, Conflict, Decision, Held, Mode, Plan, Verb, phase
from brickloop.sync.remote import Kind
from brickloop.sync.versions import (
    Ancestor,
    Side,
    State,
    Version,
    equal_now,
    local_state,
    remote_state,
    same_content,
)

ROWS: dict[tuple[str, str], int] = {
    ("+", "∅"): 1,
    ("∅", "+"): 2,
    ("+", "+"): 3,
    ("=", "="): 4,
    ("M", "="): 5,
    ("=", "M"): 6,
    ("M", "M"): 7,
    ("∅", "="): 8,
    ("=", "∅"): 9,
    ("∅", "∅"): 10,
    ("∅", "M"): 11,
    ("∅", "T"): 11,
    ("M", "∅"): 12,
    ("T", "∅"): 12,
    ("T", "="): 13,
    ("=", "T"): 14,
    ("T", "T"): 15,
    ("T", "M"): 16,
    ("M", "T"): 16,
}
"""The rule for each pair of local and remote state."""

_DONE: dict[int, tuple[Verb, Side, str]] = {
    1: (Verb.CREATE, Side.REMOTE, "created"),
    2: (Verb.CREATE, Side.LOCAL, "created"),
    5: (Verb.UPDATE, Side.REMOTE, "pushed"),
    6: (Verb.UPDATE, Side.LOCAL, "pulled"),
    8: (Verb.DELETE, Side.REMOTE, "deleted"),
    9: (Verb.DELETE, Side.LOCAL, "deleted"),
    11: (Verb.CREATE, Side.LOCAL, "delete overridden"),
    12: (Verb.CREATE, Side.REMOTE, "delete overridden"),
    13: (Verb.REPLACE, Side.REMOTE, "replaced"),
    14: (Verb.REPLACE, Side.LOCAL, "replaced"),
}
_BOTH_CHANGED = {3, 7, 15, 16}
_HELD_BECAUSE: dict[int, str] = {
    1: "is new locally",
    2: "is new in the workspace",
    5: "was changed locally",
    6: "was changed in the workspace",
    8: "was deleted locally",
    9: "was deleted in the workspace",
    11: "was deleted locally and changed in the workspace",
    12: "was changed locally and deleted in the workspace",
    13: "was replaced locally",
    14: "was replaced in the workspace",
}


def reconcile(
    ancestors: Mapping[str, Ancestor],
    local: Mapping[str, Version],
    remote: Mapping[str, Version],
    mode: Mode = SAFE,
    *,
    names: Mapping[str, str] | None = None,
    decisions: Mapping[str, Decision] | None = None,
) -> Plan:
    """The plan that makes both sides equal, as far as ``mode`` and safety allow.

    ``names`` gives, for each local path in use, the slot it belongs to; ``decisions`` says what
    somebody decided about conflicts, by slot.
    """
    return _Reconciler(ancestors, local, remote, mode, names or {}, decisions or {}).plan()


class _Fate(Enum):
    """What a slot is after the plan."""

    GONE = 0
    HELD = 1
    LIVES = 2


@dataclass
class _Reconciler:
    ancestors: Mapping[str, Ancestor]
    local: Mapping[str, Version]
    remote: Mapping[str, Version]
    mode: Mode
    names: Mapping[str, str]
    decisions: Mapping[str, Decision]
    actions: list[Action] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    unchanged: int = 0
    again: bool = False
    children: dict[str, list[str]] = field(default_factory=dict)

    def plan(self) -> Plan:
        slots = {*self.ancestors, *self.local, *self.remote}
        # a folder that only its contents speak of is still a folder to walk through
        for slot in list(slots):
            while "/" in slot:
                slot = slot.rsplit("/", 1)[0]
                if slot in slots:
                    break
                slots.add(slot)
        for slot in sorted(slots):
            parent = slot.rsplit("/", 1)[0] if "/" in slot else ""
            if slot:
                self.children.setdefault(parent, []).append(slot)
        root = self.local.get(""), self.remote.get("")
        for side, found in zip(Side, root, strict=True):
            if found is not None and found.kind is Kind.OPAQUE:
                self._hold("", f"the {side.value} folder: {found.problem}")
                return Plan(held=tuple(self.held))
        for slot in self.children.get("", []):
            self._visit(slot)
        claims = NameClaims(self.names, self.ancestors)
        actions = claims.admit(self.actions)
        return Plan(
            tuple(sorted(actions, key=phase)),
            tuple(self.conflicts),
            (*self.held, *claims.held),
            (),
            self.unchanged,
            self.again or claims.again,
        )

    def _visit(self, slot: str) -> _Fate:
        ancestor, local, remote = self._at(slot)
        for found in (local, remote):
            if found is not None and found.kind is Kind.OPAQUE:
                self._hold(slot, found.problem or "is of a kind that sync does not touch")
                return _Fate.HELD
        local_folder = local is not None and local.kind is Kind.DIRECTORY
        remote_folder = remote is not None and remote.kind is Kind.DIRECTORY
        if local_folder and remote_folder:
            return self._visit_folder(slot)
        if (local_folder and remote is None) or (remote_folder and local is None):
            return self._visit_half_folder(slot, Side.LOCAL if local_folder else Side.REMOTE)
        if local_folder or remote_folder:
            return self._visit_clash(slot, Side.LOCAL if local_folder else Side.REMOTE)
        if local is None and remote is None and slot in self.children:
            return self._visit_vanished(slot)
        return self._visit_leaf(slot, ancestor, local, remote)

    def _visit_folder(self, slot: str) -> _Fate:
        ancestor, local, remote = self._at(slot)
        assert local is not None
        assert remote is not None
        if ancestor != equal_now(local, remote):
            self._add(Verb.RECORD, slot, Side.LOCAL, source=local, expected=remote)
        for child in self.children.get(slot, []):
            self._visit(child)
        return _Fate.LIVES

    def _visit_half_folder(self, slot: str, side: Side) -> _Fate:
        """A folder that only ``side`` has: new there, or lost by the other side."""
        ancestor, local, remote = self._at(slot)
        found = local if side is Side.LOCAL else remote
        lost = ancestor is not None and ancestor.kind is Kind.DIRECTORY
        fates = {self._visit(child) for child in self.children.get(slot, [])}
        changed = side.other
        if _Fate.LIVES in fates or (not lost and _Fate.HELD not in fates):
            pass
        elif _Fate.HELD in fates:
            return _Fate.HELD
        else:
            changed = side
        row = {Side.LOCAL: 9 if lost else 1, Side.REMOTE: 8 if lost else 2}[side]
        return self._settle_folder(slot, side, changed, found, row)

    def _settle_folder(
        self, slot: str, side: Side, changed: Side, found: Version | None, row: int
    ) -> _Fate:
        if changed not in self.mode.changes:
            if changed is not side and self.mode.removes_extra:
                # its contents were deleted as extra
                self._add(Verb.REMOVE_FOLDER, slot, side, expected=found, row=row, note="deleted")
                return _Fate.GONE
            if changed is side and self.mode.overrides:
                self._add(
                    Verb.MAKE_FOLDER, slot, side.other, source=found, row=row, note="brought back"
                )
                return _Fate.LIVES
            self._hold(slot, _HELD_BECAUSE[row], counts=row not in {1, 2})
            return _Fate.HELD
        if changed is side:
            self._add(Verb.REMOVE_FOLDER, slot, side, expected=found, row=row, note="deleted")
            return _Fate.GONE
        self._add(Verb.MAKE_FOLDER, slot, changed, source=found, row=row, note="created")
        return _Fate.LIVES

    def _visit_vanished(self, slot: str) -> _Fate:
        """A folder that neither side has any more."""
        for child in self.children.get(slot, []):
            self._visit(child)
        if slot in self.ancestors:
            self._add(Verb.FORGET, slot, Side.LOCAL, row=10)
        return _Fate.GONE

    def _visit_clash(self, slot: str, folder_side: Side) -> _Fate:
        """A leaf on one side, a folder on the other."""
        ancestor, local, remote = self._at(slot)
        leaf_side = folder_side.other
        leaf = local if leaf_side is Side.LOCAL else remote
        folder = remote if leaf_side is Side.LOCAL else local
        assert leaf is not None
        was_folder = ancestor is not None and ancestor.kind is Kind.DIRECTORY
        leaf_state = (local_state if leaf_side is Side.LOCAL else remote_state)(ancestor, leaf)
        news = self._news(slot, folder_side) if was_folder else set()
        if news == {State.UNKNOWN}:
            # it may not have changed at all: no conflict as long as that cannot be said
            self._hold(slot, "something in the folder that it replaces cannot be judged")
            return _Fate.HELD
        if was_folder and not news:
            # the folder's side did nothing: its contents give way to the leaf
            row = 13 if leaf_side is Side.LOCAL else 14
            if folder_side in self.mode.changes:
                self._clear(slot, folder_side, folder, row)
                self.again = True
                return _Fate.LIVES
            self._hold(slot, _HELD_BECAUSE[row])
            return _Fate.HELD
        if leaf_state is State.SAME:
            # the leaf's side did nothing: it gives way to the folder
            row = 13 if folder_side is Side.LOCAL else 14
            if leaf_side in self.mode.changes:
                self._add(Verb.DELETE, slot, leaf_side, expected=leaf, row=row, note="replaced")
                self.again = True
                return _Fate.LIVES
            self._hold(slot, _HELD_BECAUSE[row])
            return _Fate.HELD
        winner = self._winner(slot)
        if winner is leaf_side and folder_side in self.mode.changes:
            self._clear(slot, folder_side, folder, 16)
            self.again = True
            return _Fate.LIVES
        if winner is folder_side and leaf_side in self.mode.changes:
            self._add(Verb.DELETE, slot, leaf_side, expected=leaf, row=16, note="replaced")
            self.again = True
            return _Fate.LIVES
        self._conflict(slot, 16, "is a folder on one side and a file or notebook on the other")
        return _Fate.HELD

    def _news(self, slot: str, side: Side) -> set[State]:
        """What is new, changed or unknown below a folder on ``side``."""
        judge = local_state if side is Side.LOCAL else remote_state
        tree = self.local if side is Side.LOCAL else self.remote
        found: set[State] = set()
        for child in self.children.get(slot, []):
            found.add(judge(self.ancestors.get(child), tree.get(child)))
            found |= self._news(child, side)
        return found - {State.SAME, State.GONE}

    def _clear(self, slot: str, side: Side, folder: Version | None, row: int) -> None:
        tree = self.local if side is Side.LOCAL else self.remote
        for child in self.children.get(slot, []):
            found = tree.get(child)
            if found is None:
                if child in self.ancestors:
                    self._add(Verb.FORGET, child, side, row=10)
                self._clear(child, side, None, row)
            elif found.kind is Kind.DIRECTORY:
                self._clear(child, side, found, row)
            else:
                self._add(Verb.DELETE, child, side, expected=found, row=row, note="deleted")
        if folder is not None:
            self._add(Verb.REMOVE_FOLDER, slot, side, expected=folder, row=row, note="replaced")

    def _visit_leaf(
        self, slot: str, ancestor: Ancestor | None, local: Version | None, remote: Version | None
    ) -> _Fate:
        states = (local_state(ancestor, local).value, remote_state(ancestor, remote).value)
        row = ROWS[states]
        for child in self.children.get(slot, []):
            # what was below when this was a folder is gone on both sides
            self._visit(child)
        if row == 10:
            self._add(Verb.FORGET, slot, Side.LOCAL, row=10)
            return _Fate.GONE
        if row == 4:
            assert ancestor is not None
            assert local is not None
            assert remote is not None
            now = replace(equal_now(local, remote), canonical=ancestor.canonical)
            if now.remote_sha is None:
                now = replace(now, remote_sha=ancestor.remote_sha)
            if now != ancestor:
                self._add(Verb.RECORD, slot, Side.LOCAL, source=local, expected=remote, row=4)
            self.unchanged += 1
            return _Fate.LIVES
        if row in _BOTH_CHANGED:
            return self._both_changed(slot, row, local, remote)
        verb, side, note = _DONE[row]
        if side in self.mode.changes:
            return self._act(slot, verb, side, row, note, local, remote)
        return self._one_sided(slot, row, local, remote)

    def _both_changed(
        self, slot: str, row: int, local: Version | None, remote: Version | None
    ) -> _Fate:
        assert local is not None
        assert remote is not None
        if same_content(local, remote):
            self._add(Verb.RECORD, slot, Side.LOCAL, source=local, expected=remote, row=row)
            self.unchanged += 1
            return _Fate.LIVES
        winner = self._winner(slot)
        if winner is None or winner.other not in self.mode.changes:
            self._conflict(slot, row, "was changed on both sides")
            return _Fate.HELD
        verb = Verb.UPDATE if local.kind is remote.kind else Verb.REPLACE
        note = "conflict resolved"
        return self._act(slot, verb, winner.other, row, note, local, remote, bring_back=True)

    def _one_sided(
        self, slot: str, row: int, local: Version | None, remote: Version | None
    ) -> _Fate:
        """A change of the side that may not be carried over in this mode."""
        (target,) = self.mode.changes
        own, theirs = (local, remote) if target is Side.REMOTE else (remote, local)
        if own is not None and self.mode.overrides:
            verb = Verb.CREATE
            if theirs is not None:
                verb = Verb.UPDATE if own.kind is theirs.kind else Verb.REPLACE
            note = "brought back"
            return self._act(slot, verb, target, row, note, local, remote, bring_back=True)
        new = row in {1, 2}
        if own is None and self.mode.removes_extra and (new or self.mode.overrides):
            return self._act(slot, Verb.DELETE, target, row, "deleted", local, remote)
        self._hold(slot, _HELD_BECAUSE[row], counts=not new)
        return _Fate.HELD

    def _act(
        self,
        slot: str,
        verb: Verb,
        side: Side,
        row: int,
        note: str,
        local: Version | None,
        remote: Version | None,
        *,
        bring_back: bool = False,
    ) -> _Fate:
        source, expected = (local, remote) if side is Side.REMOTE else (remote, local)
        if verb is Verb.DELETE:
            source = None
        self._add(verb, slot, side, source, expected, row, note, bring_back)
        return _Fate.GONE if verb is Verb.DELETE else _Fate.LIVES

    def _at(self, slot: str) -> tuple[Ancestor | None, Version | None, Version | None]:
        return self.ancestors.get(slot), self.local.get(slot), self.remote.get(slot)

    def _add(
        self,
        verb: Verb,
        slot: str,
        side: Side,
        source: Version | None = None,
        expected: Version | None = None,
        row: int = 0,
        note: str = "",
        bring_back: bool = False,
    ) -> None:
        self.actions.append(Action(verb, slot, side, source, expected, row, note, bring_back))

    def _hold(self, slot: str, reason: str, *, counts: bool = True) -> None:
        self.held.append(Held(slot, reason, counts))

    def _conflict(self, slot: str, row: int, reason: str) -> None:
        local, remote = (self._summed_up(slot, side) for side in Side)
        self.conflicts.append(Conflict(slot, row, local, remote, reason))

    def _winner(self, slot: str) -> Side | None:
        """The side that wins a conflict; None when nobody decided about these two versions."""
        decision = self.decisions.get(slot)
        if decision is not None:
            local, remote = (self._summed_up(slot, side) for side in Side)
            held = (local.sha if local else "", remote.sha if remote else "")
            if held == (decision.local_sha, decision.remote_sha):
                return decision.winner
        return self.mode.prefer

    def _summed_up(self, slot: str, side: Side) -> Version | None:
        """The side's version; of a folder, with a hash of all that is below it."""
        tree = self.local if side is Side.LOCAL else self.remote
        found = tree.get(slot)
        if found is None or found.kind is not Kind.DIRECTORY:
            return found
        below = [repr((slot, found))]
        pending = list(self.children.get(slot, []))
        while pending:
            child = pending.pop()
            pending += self.children.get(child, [])
            version = tree.get(child)
            if version is not None:
                told = version.sha if side is Side.LOCAL else version.stamp
                below.append(repr((child, version.kind, told)))
        return replace(found, sha=content_hash("\n".join(below).encode()))
