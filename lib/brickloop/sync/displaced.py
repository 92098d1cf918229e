"""Versions that were moved out of their place and have to go somewhere again."""

from __future__ import annotations

from brickloop.sync.content import content_hash
from brickloop.sync.tree import DiskTree, Taken, Vanished


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


def publish_new(tree: DiskTree, name: str, data: bytes) -> None:
    """Make a new file in one step; raises Taken when the name is in use, OSError."""
    staged = tree.stage(name, data)
    try:
        tree.publish(staged, name)
    except BaseException:
        tree.unlink(staged)
        raise


def free_name(
    tree: DiskTree, name: str, word: str, sha256: str, *, same: bytes | None = None
) -> str:
    """A name beside ``name`` that is free: ``<stem>.<word>-<sha8><extension>``.

    One that holds ``same`` already is as good as free.
    """
    folder, slash, base = name.rpartition("/")
    stem, dot, extension = base.rpartition(".")
    if not stem:
        stem, dot, extension = base, "", ""
    number = 0
    while True:
        count = f"-{number}" if number else ""
        found = f"{folder}{slash}{stem}.{word}-{sha256[:8]}{count}{dot}{extension}"
        if tree.look(found) is None or (same is not None and tree.peek(found) == same):
            return found
        number += 1
