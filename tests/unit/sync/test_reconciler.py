"""The reconciler: every row of the table, folders, modes and halts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brickloop.sync.halts import find_halts
from brickloop.sync.plan import PULL, PUSH, SAFE, Mode, Plan, Verb
from brickloop.sync.reconciler import ROWS, reconcile
from brickloop.sync.remote import Kind, Stamp
from brickloop.sync.versions import Ancestor, Side, Version

FOLDER = Version(Kind.DIRECTORY)


def local(sha: str, name: str = "f", kind: Kind = Kind.FILE) -> Version:
    return Version(kind, sha, sha, name=name)


def remote(sha: str, moment: int, number: int = 1, kind: Kind = Kind.FILE) -> Version:
    return Version(kind, sha, sha, stamp=Stamp(kind, number, moment))


def known(sha: str, name: str = "f", number: int = 1) -> Ancestor:
    return Ancestor(Kind.FILE, name, sha, sha, sha, stamp=Stamp(Kind.FILE, number, 1))


LOCAL = {
    "=": local("old"), "M": local("mine"), "T": local("mine", "f.py", Kind.NOTEBOOK), "∅": None,
}  # fmt: skip
REMOTE = {
    "=": remote("old", 1), "M": remote("theirs", 2), "T": remote("theirs", 2, 2, Kind.NOTEBOOK),
    "∅": None,
}  # fmt: skip
EXPECTED: dict[int, tuple[Verb, Side] | None] = {
    1: (Verb.CREATE, Side.REMOTE), 2: (Verb.CREATE, Side.LOCAL), 3: None, 4: None,
    5: (Verb.UPDATE, Side.REMOTE), 6: (Verb.UPDATE, Side.LOCAL), 7: None,
    8: (Verb.DELETE, Side.REMOTE), 9: (Verb.DELETE, Side.LOCAL), 10: None,
    11: (Verb.CREATE, Side.LOCAL), 12: (Verb.CREATE, Side.REMOTE),
    13: (Verb.REPLACE, Side.REMOTE), 14: (Verb.REPLACE, Side.LOCAL), 15: None, 16: None,
}  # fmt: skip


def plan_of(states: tuple[str, str], mode: Mode = SAFE) -> Plan:
    left, right = states
    if "+" in states:
        ancestors = {}
        ours = local("mine") if left == "+" else None
        theirs = remote("theirs", 2) if right == "+" else None
    else:
        ancestors, ours, theirs = {"f": known("old")}, LOCAL[left], REMOTE[right]
    return reconcile(ancestors, {"f": ours} if ours else {}, {"f": theirs} if theirs else {}, mode)


def test_the_table_has_sixteen_rows() -> None:
    assert set(ROWS.values()) == set(range(1, 17)) == set(EXPECTED)


@pytest.mark.parametrize("states", ROWS, ids=lambda states: "".join(states))
def test_each_row(states: tuple[str, str]) -> None:
    row = ROWS[states]
    plan = plan_of(states)
    changes = [(action.verb, action.side) for action in plan.changes]
    expected = EXPECTED[row]
    assert changes == ([expected] if expected else [])
    assert [c.row for c in plan.conflicts] == ([row] if row in {3, 7, 15, 16} else [])
    assert [a.verb for a in plan.actions if a not in plan.changes] == (
        [Verb.FORGET] if row == 10 else []
    )


@pytest.mark.parametrize("states", ROWS, ids=lambda states: "".join(states))
@pytest.mark.parametrize(("mode", "side"), [(PUSH, Side.REMOTE), (PULL, Side.LOCAL)])
def test_one_way_modes_change_one_side_only(
    states: tuple[str, str], mode: Mode, side: Side
) -> None:
    both = plan_of(states).changes
    plan = plan_of(states, mode)
    assert plan.changes == tuple(action for action in both if action.side is side)
    assert len(plan.held) == len(both) - len(plan.changes)


@pytest.mark.parametrize("states", [("+", "+"), ("M", "M"), ("T", "T")])
def test_equal_contents_are_recorded_not_in_conflict(states: tuple[str, str]) -> None:
    ancestors = {} if "+" in states else {"f": known("old")}
    kind = Kind.NOTEBOOK if "T" in states else Kind.FILE
    plan = reconcile(ancestors, {"f": local("new", kind=kind)}, {"f": remote("new", 2, kind=kind)})
    assert [action.verb for action in plan.actions] == [Verb.RECORD]
    assert not plan.conflicts


@pytest.mark.parametrize("winner", Side)
def test_a_preferred_side_wins_conflicts(winner: Side) -> None:
    plan = plan_of(("M", "M"), Mode(prefer=winner))
    assert [(a.verb, a.side) for a in plan.changes] == [(Verb.UPDATE, winner.other)]
    assert not plan.conflicts


@pytest.mark.parametrize("where", Side)
def test_what_cannot_be_judged_stops_everything_below(where: Side) -> None:
    unknown = Version(Kind.OPAQUE, problem="cannot be listed")
    ancestors = {"d": Ancestor(Kind.DIRECTORY, "d"), "d/f": known("old", "d/f")}
    sides = {Side.LOCAL: {"d": FOLDER}, Side.REMOTE: {"d": FOLDER}}
    sides[where] = {"d": unknown}
    plan = reconcile(ancestors, sides[Side.LOCAL], sides[Side.REMOTE])
    assert plan.actions == ()
    assert [held.slot for held in plan.held] == ["d"]


def test_a_deleted_folder_is_kept_for_what_was_changed_in_it() -> None:
    ancestors = {
        "d": Ancestor(Kind.DIRECTORY, "d"), "d/a": known("old", "d/a"), "d/b": known("old", "d/b"),
    }  # fmt: skip
    theirs = {"d": FOLDER, "d/a": remote("old", 1), "d/b": remote("theirs", 2)}
    plan = reconcile(ancestors, {}, theirs)
    assert [(a.verb, a.side, a.slot) for a in plan.changes] == [
        (Verb.MAKE_FOLDER, Side.LOCAL, "d"),
        (Verb.CREATE, Side.LOCAL, "d/b"),
        (Verb.DELETE, Side.REMOTE, "d/a"),
    ]


def test_a_folder_that_lost_everything_goes_after_its_contents() -> None:
    ancestors = {"d": Ancestor(Kind.DIRECTORY, "d"), "d/a": known("old", "d/a")}
    plan = reconcile(ancestors, {}, {"d": FOLDER, "d/a": remote("old", 1)})
    assert [(a.verb, a.slot) for a in plan.changes] == [
        (Verb.DELETE, "d/a"),
        (Verb.REMOVE_FOLDER, "d"),
    ]


def test_a_leaf_against_a_folder_with_new_things_is_a_conflict() -> None:
    ours = {"d": local("mine", "d")}
    plan = reconcile({}, ours, {"d": FOLDER, "d/x": remote("theirs", 2)})
    assert plan.changes == ()
    assert [conflict.slot for conflict in plan.conflicts] == ["d"]


def test_a_taken_local_name_is_held() -> None:
    theirs = {"f": replace(remote("theirs", 2, kind=Kind.NOTEBOOK))}
    plan = reconcile({}, {}, theirs, names={"f.py": "other"})
    assert plan.changes == ()
    assert "belongs to 'other'" in plan.held[0].reason


def _many(count: int) -> tuple[dict[str, Ancestor], dict[str, Version], dict[str, Version]]:
    names = [f"f{number:02}" for number in range(count)]
    return (
        {name: known(name, name, number) for number, name in enumerate(names)},
        {name: local(name, name) for name in names},
        {name: remote(name, 1, number) for number, name in enumerate(names)},
    )


def halts_of(
    ancestors: dict[str, Ancestor],
    ours: dict[str, Version],
    theirs: dict[str, Version],
    mode: Mode = SAFE,
) -> tuple[str, ...]:
    plan = reconcile(ancestors, ours, theirs, mode)
    return find_halts(ancestors, ours, theirs, plan, mode)


def test_many_deletes_halt_unless_accepted_or_moved() -> None:
    ancestors, ours, theirs = _many(20)
    left = {name: found for name, found in ours.items() if name >= "f11"}
    assert "--accept-deletes 11" in halts_of(ancestors, left, theirs)[0]
    assert halts_of(ancestors, left, theirs, Mode(accepted_deletes=11)) == ()
    moved = left | {f"new/{n}": replace(v, name=f"new/{n}") for n, v in ours.items() if n < "f11"}
    assert halts_of(ancestors, moved, theirs) == ()
    assert halts_of(ancestors, {n: v for n, v in ours.items() if n >= "f10"}, theirs) == ()


def test_an_emptied_side_halts() -> None:
    ancestors, ours, theirs = _many(2)
    assert "everything is gone locally" in halts_of(ancestors, {}, theirs)[0]
    assert "everything is gone in the workspace" in halts_of(ancestors, ours, {})[0]


def test_everything_changed_at_once_halts() -> None:
    ancestors, ours, theirs = _many(10)
    changed = {name: local("x" + name, name) for name in ours}
    assert "--accept-changes 10" in halts_of(ancestors, changed, theirs)[0]
    assert halts_of(ancestors, changed, theirs, Mode(accepted_changes=10)) == ()
