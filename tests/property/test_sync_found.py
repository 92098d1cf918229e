"""Histories that once lost or doubled something."""

from __future__ import annotations

import pytest
from tests.fakes.tree import SteppedMemoryTree
from tests.fakes.world import Broken, Fault, Op, World

from brickloop.sync.versions import Side

LOCAL, REMOTE = Side.LOCAL, Side.REMOTE


@pytest.mark.parametrize("exchanges", [False, True])
@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("step", ["before publish", "before exchange", "before retire"])
@pytest.mark.parametrize("known", [False, True])
def test_a_folder_is_moved_with_a_version_on_its_way(
    exchanges: bool, dies: bool, step: str, known: bool
) -> None:
    """What is staged goes with its folder; that it is gone does not mean that it was published."""
    world = World(tree=SteppedMemoryTree(exchanges=exchanges))
    world.act(Op(REMOTE, "save file", "d/x"))
    if known:
        world.sync()
        world.sync()
        world.act(Op(REMOTE, "save file", "d/x"))
    faults = [Fault(1, Op(LOCAL, "move", "d", "k"), step)]
    world.sync([*faults, Fault(1, "kill", step)] if dies else faults)
    world.quiesce()


def test_a_delete_without_an_answer_keeps_its_folder_known() -> None:
    """A folder that could not be emptied was forgotten, and a false conflict came of it."""
    world = World()
    world.act(Op(LOCAL, "save", "b"))
    world.act(Op(LOCAL, "save", "d/x"))
    world.sync()
    world.sync()
    world.act(Op(LOCAL, "save", "d"))
    world.sync([Fault(1, "lose", "before delete")])
    world.quiesce()
    assert world.remote()["d"] == world.local()["d"]


def test_a_notebook_that_turned_before_it_was_fetched_makes_no_file_of_another_name() -> None:
    """Bytes without the first line of a notebook would have been another object here."""
    world = World(window_open=True)
    world.act(Op(REMOTE, "save python", "d/x.py"))
    world.sync([Fault(1, Op(REMOTE, "save file", "d/x.py"), "before export")])
    world.quiesce()
    assert set(world.tree.files()) == {"d/x.py"}


def test_a_version_nobody_saw_is_in_the_history_when_a_dead_sync_left_it() -> None:
    world = World()
    world.tree.save(".brickloop-" + "0" * 32 + ".tmp", b"work")
    world.sync()
    assert b"work" in world.kept.values()
    rows = world.database.execute("SELECT name, event FROM versions").fetchall()
    assert [(name.split("-")[0], event) for name, event in rows] == [("found", "found")]
    assert not world.tree.files()


def test_a_world_notices_what_it_is_there_for() -> None:
    """The model itself: a version that vanishes is missed."""
    world = World()
    world.act(Op(LOCAL, "save", "b"))
    world.tree.remove("b")
    with pytest.raises(Broken, match="LOST"):
        world.sync()


def test_a_folder_that_cannot_be_read_once_is_no_conflict() -> None:
    """A file replaced a folder here; one failed request there was called a change."""
    world = World()
    world.act(Op(LOCAL, "save", "b"))
    world.act(Op(LOCAL, "save", "d/x"))
    world.sync()
    world.act(Op(LOCAL, "save", "d"))
    report = world.sync([Fault(1, "refuse", "before export"), Fault(1, "refuse", "before export")])
    assert report is not None
    assert not report.conflicts
    world.quiesce()
    assert world.remote()["d"] == world.local()["d"]


def test_a_folder_that_became_a_file_takes_no_version_laid_beside() -> None:
    """The place beside a held file was gone, and the sync ended in a traceback."""
    world = World()
    world.act(Op(LOCAL, "save", "d/x.py"))
    world.sync()
    world.sync()
    world.act(Op(LOCAL, "save", "d/x.py"))
    world.act(Op(REMOTE, "save python", "d/x"))
    meddling = [
        Fault(1, Op(LOCAL, "delete", "d"), "after export"),
        Fault(1, Op(LOCAL, "save plain", "d"), "after export"),
    ]
    report = world.sync(meddling)
    assert report is not None
    assert [hold.sidecar for hold in report.conflicts] == [""]
    world.quiesce()
