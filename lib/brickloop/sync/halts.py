"""When a plan looks like an accident: then nothing is changed until somebody says it is meant."""

from __future__ import annotations

from collections.abc import Mapping

from brickloop.sync.plan import Mode, Plan, Verb
from brickloop.sync.remote import Kind
from brickloop.sync.versions import Ancestor, Side, State, Version, local_state, remote_state


def find_halts(
    ancestors: Mapping[str, Ancestor],
    local: Mapping[str, Version],
    remote: Mapping[str, Version],
    plan: Plan,
    mode: Mode,
) -> tuple[str, ...]:
    """The reasons why a plan looks like an accident; empty when it does not."""
    known = {slot: was for slot, was in ancestors.items() if was.kind is not Kind.DIRECTORY}
    halts: list[str] = []
    for side, judge, tree in (
        (Side.LOCAL, local_state, local),
        (Side.REMOTE, remote_state, remote),
    ):
        if side.other not in mode.changes:
            continue
        where = "locally" if side is Side.LOCAL else "in the workspace"
        deletes = [
            action.slot
            for action in plan.actions
            if action.verb is Verb.DELETE and action.side is side.other and action.row in {8, 9}
        ]
        lost = len(deletes) - _renamed(deletes, ancestors, tree)
        left = sum(1 for found in tree.values() if found.kind is not Kind.DIRECTORY)
        emptied = len(known) >= 2 and left == 0 and len(deletes) > 0
        if (emptied or lost > max(10, len(known) // 4)) and lost > mode.accepted_deletes:
            what = "everything is" if emptied else f"{lost} of {len(known)} are"
            halts.append(f"{what} gone {where}; pass --accept-deletes {lost} if that is meant")
        extra = sum(
            1
            for action in plan.actions
            if action.verb is Verb.DELETE and action.side is side.other and action.row in {1, 2}
        )
        if extra > max(10, len(known) // 4) and extra > mode.accepted_deletes:
            kept = "in the workspace" if side is Side.LOCAL else "here"
            halts.append(
                f"{extra} that are only {kept} would be deleted;"
                f" pass --accept-deletes {extra} if that is meant"
            )
        changed = [
            slot
            for slot, was in known.items()
            if judge(was, tree.get(slot)) in {State.MODIFIED, State.TURNED}
        ]
        if 10 <= len(known) == len(changed) > mode.accepted_changes:
            halts.append(
                f"all {len(changed)} were changed {where} at once;"
                f" pass --accept-changes {len(changed)} if that is meant"
            )
    return tuple(halts)


def _renamed(
    deletes: list[str], ancestors: Mapping[str, Ancestor], tree: Mapping[str, Version]
) -> int:
    """How many of the deleted only moved: the same object, or the same bytes, is new elsewhere."""
    new = [found for slot, found in tree.items() if slot not in ancestors]
    hashes = {found.sha for found in new if found.sha}
    ids = {found.stamp.object_id for found in new if found.stamp is not None} - {None}
    count = 0
    for slot in deletes:
        was = ancestors[slot]
        moved = was.stamp is not None and was.stamp.object_id in ids
        count += moved or was.local_sha in hashes or was.remote_sha in hashes
    return count
