"""Plans of random trees: they settle, touch nothing that is held, and know no favourite side."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from brickloop.model.notebook import Language, NotebookFormat
from brickloop.sync.plan import Action, Plan, Verb
from brickloop.sync.reconciler import reconcile
from brickloop.sync.remote import Kind, Stamp
from brickloop.sync.versions import (
    Ancestor,
    Side,
    State,
    Version,
    equal_now,
    local_path,
    local_state,
    remote_state,
)

SLOTS = ("b", "b.py", "d", "d/x", "d/x.py", "d/e", "d/e/z.txt", "q")
PLAIN = ("b", "c", "d", "d/x", "d/y", "d/e", "d/e/z.txt", "q")
"""None of these has another's local name."""
RUNS = 6000
FOLDER = Version(Kind.DIRECTORY)


class Case:
    """Two sides and what was last equal, all drawn from one seed."""

    def __init__(self, seed: int, slots: tuple[str, ...] = SLOTS) -> None:
        self.slots = slots
        self.dice = random.Random(seed)
        self.count = 0
        self.sides: dict[Side, dict[str, Version]] = {Side.LOCAL: {}, Side.REMOTE: {}}
        self.ancestors: dict[str, Ancestor] = {}
        for slot in slots:
            parent = slot.rpartition("/")[0]
            above = self.sides[Side.LOCAL].get(parent)
            if (parent and (above is None or above.kind is not Kind.DIRECTORY)) or (
                self.dice.random() < 0.3
            ):
                continue
            kind = self.draw_kind(slot)
            content = self.new()
            for side in Side:
                self.sides[side][slot] = self.version(slot, side, kind, content)
            if self.dice.random() < 0.9:
                self.ancestors[slot] = equal_now(*(self.sides[side][slot] for side in Side))
        for side in Side:
            for _ in range(self.dice.randint(0, 3)):
                self.perturb(side)
            self.mend(side)

    def new(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def draw_kind(self, slot: str) -> Kind:
        if slot in {"d", "d/e"} and self.dice.random() < 0.8:
            return Kind.DIRECTORY
        return self.dice.choice([Kind.FILE, Kind.NOTEBOOK])

    def version(self, slot: str, side: Side, kind: Kind, content: str) -> Version:
        if kind is Kind.DIRECTORY:
            name = slot if side is Side.LOCAL else ""
            stamp = Stamp(kind, 1, None) if side is Side.REMOTE else None
            return Version(kind, name=name, stamp=stamp)
        language, format = None, None
        if kind is Kind.NOTEBOOK:
            language, format = Language.PYTHON, NotebookFormat.SOURCE
        found = Version(kind, content, content, language, format)
        if side is Side.LOCAL:
            return replace(found, name=local_path(slot, found, None))
        return replace(found, stamp=Stamp(kind, 1, int(content[1:])))

    def perturb(self, side: Side) -> None:
        tree, slot = self.sides[side], self.dice.choice((*self.slots, "d", "d/e"))
        doing = self.dice.choice(["edit", "edit", "delete", "flip", "unknown", "add"])
        if doing == "delete":
            for name in [n for n in tree if n == slot or n.startswith(f"{slot}/")]:
                del tree[name]
        elif doing == "unknown":
            if self.dice.random() < 0.9:
                tree[slot] = Version(Kind.OPAQUE, problem="cannot be judged")
        elif doing == "edit" and slot in tree and tree[slot].kind is not Kind.DIRECTORY:
            tree[slot] = self.version(slot, side, tree[slot].kind, self.new())
        elif doing in {"flip", "add"}:
            tree[slot] = self.version(slot, side, self.draw_kind(slot), self.new())

    def mend(self, side: Side) -> None:
        """Take out what cannot be on a disk: things below a leaf, one name twice."""
        tree, names = self.sides[side], set()
        for slot in sorted(tree):
            parent = slot.rpartition("/")[0]
            above = tree.get(parent)
            name = tree[slot].name
            if (parent and (above is None or above.kind is not Kind.DIRECTORY)) or name in names:
                del tree[slot]
            elif name:
                names.add(name)

    def plan(self) -> Plan:
        local, remote = self.sides[Side.LOCAL], self.sides[Side.REMOTE]
        names = {found.name: slot for slot, found in local.items() if found.name}
        return reconcile(self.ancestors, local, remote, names=names)

    def apply(self, plan: Plan) -> None:
        """Do a plan as if everything went well, in any order within a phase."""
        for verb in Verb:
            phase = [action for action in plan.actions if action.verb is verb]
            if verb not in {Verb.MAKE_FOLDER, Verb.REMOVE_FOLDER}:
                self.dice.shuffle(phase)
            for action in phase:
                self.do(action)

    def do(self, action: Action) -> None:
        slot, tree = action.slot, self.sides[action.side]
        if action.verb is Verb.FORGET:
            self.ancestors.pop(slot, None)
        elif action.verb is Verb.RECORD:
            assert action.source is not None
            assert action.expected is not None
            self.ancestors[slot] = equal_now(action.source, action.expected)
        elif action.verb is Verb.DELETE:
            assert tree.pop(slot) == action.expected
            self.ancestors.pop(slot, None)
        elif action.verb is Verb.REMOVE_FOLDER:
            assert not [name for name in tree if name.startswith(f"{slot}/")]
            del tree[slot]
            self.ancestors.pop(slot, None)
        else:
            source = action.source
            assert source is not None
            assert tree.get(slot) == action.expected
            assert action.verb is not Verb.CREATE or slot not in tree
            parent = slot.rpartition("/")[0]
            assert not parent or tree[parent].kind is Kind.DIRECTORY
            if action.side is Side.LOCAL and source.kind is not Kind.DIRECTORY:
                name = local_path(slot, source, self.ancestors.get(slot))
                others = {n: found.name for n, found in tree.items() if n != slot}
                assert name not in others.values()
            tree[slot] = self.version(slot, action.side, source.kind, source.sha or "v0")
            self.ancestors[slot] = equal_now(*(self.sides[side][slot] for side in Side))


def below(held: set[str], slot: str) -> bool:
    return any(slot == one or slot.startswith(f"{one}/") for one in held)


def test_plans_settle_and_every_row_is_met() -> None:
    rows: Counter[int] = Counter()
    kinds: set[tuple[Kind | None, State, State]] = set()
    for seed in range(RUNS):
        case = Case(seed)
        for slot in SLOTS:
            was = case.ancestors.get(slot)
            kinds.add(
                (
                    was.kind if was else None,
                    local_state(was, case.sides[Side.LOCAL].get(slot)),
                    remote_state(was, case.sides[Side.REMOTE].get(slot)),
                )
            )
        for turn in range(4):
            plan = case.plan()
            held = {one.slot for one in plan.held} | {one.slot for one in plan.conflicts}
            for action in plan.actions:
                rows[action.row] += 1
                gone = action.verb is Verb.FORGET
                assert gone or not below(held, action.slot), (seed, action)
                if action.verb is Verb.DELETE:
                    assert action.row in {8, 9, 13, 14}, (seed, action)
            rows.update(one.row for one in plan.conflicts)
            if plan.unchanged:
                rows[4] += 1
            if not plan.actions:
                break
            assert turn < 3, (seed, plan.actions)
            case.apply(plan)
        local, remote = case.sides[Side.LOCAL], case.sides[Side.REMOTE]
        for slot in {*local, *remote}:
            related = any(one == slot or one.startswith(f"{slot}/") for one in held)
            if not related and not below(held, slot):
                one, other = local[slot], remote[slot]
                assert (one.kind, one.canonical) == (other.kind, other.canonical), seed
    assert set(range(1, 17)) <= set(rows)
    # of each kind, every pair of states that can be
    states = [State.SAME, State.MODIFIED, State.TURNED, State.GONE, State.UNKNOWN]
    for kind in (Kind.FILE, Kind.NOTEBOOK):
        for one in states:
            for other in states:
                assert (kind, one, other) in kinds
    for one in (State.SAME, State.TURNED, State.GONE, State.UNKNOWN):
        for other in (State.SAME, State.TURNED, State.GONE, State.UNKNOWN):
            assert (Kind.DIRECTORY, one, other) in kinds
    for one in (State.NEW, State.GONE, State.UNKNOWN):
        for other in (State.NEW, State.GONE, State.UNKNOWN):
            assert (None, one, other) in kinds


def turn(case: Case, side: Side) -> dict[str, Version]:
    """What the other side holds, as this side would."""
    return {
        slot: found
        if found.kind is Kind.OPAQUE
        else case.version(slot, side, found.kind, found.sha or "v0")
        for slot, found in case.sides[side.other].items()
    }


MIRROR = {1: 2, 2: 1, 5: 6, 6: 5, 8: 9, 9: 8, 11: 12, 12: 11, 13: 14, 14: 13}


def test_both_sides_are_treated_alike() -> None:
    for seed in range(RUNS // 2):
        case = Case(seed, PLAIN)
        local, remote = case.sides[Side.LOCAL], case.sides[Side.REMOTE]
        one = reconcile(case.ancestors, local, remote)
        turned = {
            slot: replace(was, local_sha=was.remote_sha or "", remote_sha=was.local_sha)
            for slot, was in case.ancestors.items()
        }
        flip, back = turn(case, Side.LOCAL), turn(case, Side.REMOTE)
        other = reconcile(turned, flip, back)
        assert {(a.verb, a.slot, a.side) for a in one.changes} == {
            (a.verb, a.slot, a.side.other) for a in other.changes
        }, seed
        assert {c.slot for c in one.conflicts} == {c.slot for c in other.conflicts}
        assert {a.row for a in one.changes} == {MIRROR.get(a.row, a.row) for a in other.changes}
