"""After a sync that was killed: what of its intents came true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from brickloop.sync import state as memory
from brickloop.sync.content import content_hash
from brickloop.sync.displaced import give_back, put_back
from brickloop.sync.remote import Kind
from brickloop.sync.state import RESTORE, Intent, SyncState
from brickloop.sync.tree import DiskTree
from brickloop.sync.versions import Ancestor, Side, Version


def recover_local(
    tree: DiskTree, state: SyncState, ancestors: dict[str, Ancestor], intents: dict[str, Intent]
) -> None:
    """Settle the intents that changed the local tree; those that came true become ancestors.

    A version that was displaced and is not the one the plan saw gets its name back.
    """
    for slot, intent in list(intents.items()):
        if intent.side == Side.REMOTE.value:
            continue
        came_true, thrown = _settle(tree, intent)
        statements = [memory.intended(slot)]
        if intent.side == RESTORE:
            pass
        elif came_true and intent.result is not None:
            ancestors[slot] = intent.result
            statements.append(memory.remember(slot, intent.result))
        elif came_true:
            ancestors.pop(slot, None)
            statements.append(memory.forget(slot))
        # the intent goes first: with it, a staged file that is gone means that it was published
        state.write(statements)
        for name in thrown:
            tree.discard(name)
        del intents[slot]


def recover_remote(
    state: SyncState,
    ancestors: dict[str, Ancestor],
    intents: Mapping[str, Intent],
    remote: Mapping[str, Version],
) -> None:
    """Settle the intents that changed the workspace, by what stands there now.

    One whose slot cannot be judged this time is kept.
    """
    statements: list[memory.Statement] = []
    for slot, intent in intents.items():
        if _is_unknown(slot, remote):
            continue
        found = remote.get(slot)
        statements.append(memory.intended(slot))
        result = intent.result
        if found is None or result is None or not found.canonical:
            continue
        if (found.kind, found.canonical, found.language, found.format) == (
            result.kind,
            result.canonical,
            result.language,
            result.format,
        ):
            now = replace(result, remote_sha=found.sha or None, stamp=found.stamp)
            ancestors[slot] = now
            statements.append(memory.remember(slot, now))
    if statements:
        state.write(statements)


def _is_unknown(slot: str, remote: Mapping[str, Version]) -> bool:
    """Whether a slot, or a folder it is in, cannot be judged."""
    step = slot
    while True:
        found = remote.get(step)
        if found is not None and found.kind is Kind.OPAQUE:
            return True
        if not step:
            return False
        step = step.rpartition("/")[0]


def _settle(tree: DiskTree, intent: Intent) -> tuple[bool, list[str]]:
    """Whether an intent came true, and the staged files to throw away once that is remembered."""
    thrown: list[str] = []
    if intent.result is None:
        return _settle_delete(tree, intent)
    # what was moved away with its folder, or went with it, was not published
    came_true = not intent.staged or intent.folder == tree.folder_of(intent.staged)
    if intent.staged and tree.look(intent.staged) is not None:
        left = content_hash(tree.peek(intent.staged) or b"")
        if tree.same(intent.staged, intent.result.name):
            came_true = True
            tree.unlink(intent.staged)
        elif left == intent.result.local_sha:
            came_true = False
            thrown.append(intent.staged)
        elif left == intent.old_sha:
            came_true = True
            thrown.append(intent.staged)
        else:
            came_true = False
            if put_back(tree, intent.staged, intent.old_name, intent.result.local_sha):
                thrown.append(intent.staged)
    if intent.retired and tree.look(intent.retired) is not None:
        left = content_hash(tree.peek(intent.retired) or b"")
        if came_true and left == intent.old_sha:
            thrown.append(intent.retired)
        else:
            give_back(tree, intent.retired, intent.old_name)
    return came_true, thrown


def _settle_delete(tree: DiskTree, intent: Intent) -> tuple[bool, list[str]]:
    if tree.look(intent.retired) is None:
        # not begun, or done: what stands there now tells
        return False, []
    if content_hash(tree.peek(intent.retired) or b"") == intent.old_sha:
        return True, [intent.retired]
    give_back(tree, intent.retired, intent.old_name)
    return False, []
