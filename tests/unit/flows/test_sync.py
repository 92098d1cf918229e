"""What the words of a command allow: the table of docs/sync.md, met by real plans."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.fakes.workspace import ROOT, FakeWorkspace

from brickloop.config.sync_file import Direction
from brickloop.errors import UsageError
from brickloop.flows.sync import SyncWords
from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.report import SyncReport

DOCS = Path(__file__).parents[3] / "docs" / "sync.md"
CASES = {
    "was changed, the local one was not": ("1", "theirs"),
    "was changed, and the local one too": ("mine", "theirs"),
    "was deleted, the local one was not changed": ("1", None),
    "was deleted, and the local one was changed": ("mine", None),
    "was changed, and the local one was deleted": (None, "theirs"),
    "is new": (None, "new"),
    "is as it was, and the local one was deleted": (None, "1"),
}


def documented() -> dict[str, list[str]]:
    """The table: the workspace's version, then what each command does about it."""
    text = DOCS.read_text().split("### What push does", 1)[1].split("###", 1)[0]
    rows = re.findall(r"^\| ([a-z].*) \|$", text, re.M)
    return {cells[0]: cells[1:] for cells in (row.split(" | ") for row in rows[1:])}


def carry(folder: Path, case: str, words: SyncWords, *, mirrored: bool) -> tuple[str, SyncReport]:
    """What a command did, in the words of the table; ``mirrored`` exchanges the sides."""
    own, theirs = CASES[case]
    fake = FakeWorkspace()
    local = folder / "p"
    local.mkdir(parents=True)
    sync = Synchronizer(Pair(local, ROOT, folder / "state", "t"), fake, parallel=1, durable=False)
    here, there = (theirs, own) if mirrored else (own, theirs)
    if case != "is new":
        (local / "f").write_text("1")
        sync.run()
        sync.run()
    for text, write, remove in (
        (here, lambda text: (local / "f").write_text(text), (local / "f").unlink),
        (there, lambda text: fake.file(f"{ROOT}/f", text.encode()),
         lambda: fake.remove(f"{ROOT}/f")),
    ):  # fmt: skip
        if text is None and case != "is new":
            remove()
        elif text is not None and text != "1":
            write(text)
    report = sync.run(words.mode())
    after_here = (local / "f").read_text() if (local / "f").exists() else None
    data = fake.tree().get("f")
    after_there = None if data is None else data.decode()
    after_own, after_theirs = (after_there, after_here) if mirrored else (after_here, after_there)
    assert after_own == own, "the side that is read was written"
    if report.conflicts:
        found = "conflict"
    elif any(held.counts for held in report.held):
        found = "held"
    elif after_theirs is None and theirs is not None:
        found = "deleted"
    elif after_theirs is not None and theirs is None:
        found = "brought back"
    elif after_theirs != theirs:
        found = "overwritten"
    else:
        found = "left alone"
    if found in {"deleted", "overwritten"} and theirs is not None:
        kept = {sync.objects.get(version.sha256) for version in sync.state.history()}
        assert theirs.encode() in kept, "what was replaced is not kept"
    return found, report


@pytest.mark.parametrize("mirrored", [False, True], ids=["push", "pull"])
@pytest.mark.parametrize("case", CASES)
def test_the_documented_table_holds(tmp_path: Path, case: str, mirrored: bool) -> None:
    direction = Direction.PULL if mirrored else Direction.PUSH
    plain, force, delete = documented()[case]
    for name, words, said in (
        ("plain", SyncWords(direction), plain),
        ("force", SyncWords(direction, force=True), force),
        ("delete", SyncWords(direction, delete=True), delete),
        ("both", SyncWords(direction, force=True, delete=True), delete.rpartition(" ")[2]),
    ):
        if name == "both" and "with `--force`" not in delete:
            continue
        found, report = carry(tmp_path / name, case, words, mirrored=mirrored)
        assert re.split(r"[,;]", said)[0] == found, name
        assert report.is_clean == (found not in {"held", "conflict"})


def test_the_table_is_the_documents() -> None:
    assert set(documented()) == set(CASES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (SyncWords(Direction.BIDIRECTIONAL, force=True), "--force does not say"),
        (SyncWords(Direction.BIDIRECTIONAL, delete=True), "--delete does not say"),
        (SyncWords(Direction.BIDIRECTIONAL, prefer="mine"), "--prefer is 'mine'"),
        (SyncWords(Direction.PUSH, accept_deletes=-1), "--accept-deletes is -1"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words: SyncWords, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        words.mode()
