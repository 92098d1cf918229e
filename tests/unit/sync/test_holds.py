"""Conflicts that wait: what lies beside them, and what each decision does."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.workspace import ROOT, Place

from brickloop.errors import HeldBack, UsageError
from brickloop.sync.holds import Keep

HEADER = "# Databricks notebook source\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def clash(place: Place) -> None:
    """A notebook that both sides changed."""
    (place.local / "n.py").write_text(HEADER + "1\n")
    place.settle()
    (place.local / "n.py").write_text(HEADER + "mine\n")
    place.fake.notebook(f"{ROOT}/n", "theirs")
    assert [hold.slot for hold in place.sync().run().conflicts] == ["n"]


def sidecars(place: Place) -> list[str]:
    return [name for name in place.files() if ".remote-" in name]


MINE, THEIRS = (HEADER + "mine\n").encode(), (HEADER + "theirs\n").encode()


@pytest.mark.parametrize("path", ["n", "n.py"])
@pytest.mark.parametrize(("keep", "kept"), [(Keep.LOCAL, MINE), (Keep.REMOTE, THEIRS)])
def test_one_version_is_kept_and_the_other_is_in_the_history(
    place: Place, path: str, keep: Keep, kept: bytes
) -> None:
    clash(place)
    report = place.sync().resolve(path, keep)
    assert report.is_clean
    assert place.files() == {"n.py": kept}
    assert place.fake.tree() == {"n": kept.rstrip(b"\n")}
    assert not place.sync().run().changes
    lost = THEIRS if kept == MINE else MINE
    contents = [place.sync().objects.require(v.sha256) for v in place.sync().history("n")]
    assert lost.rstrip(b"\n") in [content.rstrip(b"\n") for content in contents]


def test_both_versions_are_kept_on_both_sides(place: Place) -> None:
    clash(place)
    place.sync().resolve("n", Keep.BOTH)
    (copy,) = [name for name in place.files() if name != "n.py"]
    assert copy.startswith("n.conflict-")
    assert copy.endswith(".py")
    assert place.files() == {"n.py": MINE, copy: THEIRS.rstrip(b"\n")}
    assert set(place.fake.tree()) == {"n", copy.removesuffix(".py")}
    place.settle()
    assert place.files() == {"n.py": MINE, copy: THEIRS.rstrip(b"\n")}


@pytest.mark.parametrize("keep", Keep)
@pytest.mark.parametrize("side", ["local", "remote"])
def test_a_decision_is_about_the_versions_that_were_reported(
    place: Place, keep: Keep, side: str
) -> None:
    clash(place)
    if side == "local":
        (place.local / "n.py").write_text(HEADER + "newer\n")
    else:
        place.fake.notebook(f"{ROOT}/n", "newer")
    before = place.files(), place.fake.tree()
    with pytest.raises(HeldBack, match="changed since"):
        place.sync().resolve("n", keep)
    assert (place.files(), place.fake.tree()) == before
    (hold,) = place.sync().run().conflicts
    assert hold.slot == "n"


def test_a_save_in_the_last_moment_is_not_overwritten(place: Place) -> None:
    clash(place)

    def meddle(call: str, path: str) -> None:
        if call == "status" and path.endswith("/n"):
            place.fake.before = lambda _call, _path: None
            place.fake.notebook(path, "newer")

    place.fake.before = meddle
    with pytest.raises(HeldBack):
        place.sync().resolve("n", Keep.LOCAL)
    assert place.fake.items[f"{ROOT}/n"].data == (HEADER + "newer").encode()


def test_nothing_is_held_there(place: Place) -> None:
    (place.local / "f").write_text("1")
    place.settle()
    with pytest.raises(UsageError, match="nothing is held"):
        place.sync().resolve("f", Keep.LOCAL)


def folder_clash(place: Place) -> None:
    """A local file where the workspace has a folder with something in it."""
    (place.local / "d").write_text("mine")
    place.fake.file(f"{ROOT}/d/x", b"theirs")
    assert [hold.slot for hold in place.sync().run().conflicts] == ["d"]


def test_a_file_against_a_folder_keeps_either_or_both(tmp_path: Path) -> None:
    wanted = {
        Keep.LOCAL: {"d": b"mine"},
        Keep.REMOTE: {"d/x": b"theirs"},
        Keep.BOTH: {"d/x": b"theirs", "d.conflict": b"mine"},
    }
    for keep, files in wanted.items():
        place = Place(tmp_path / keep.value)
        folder_clash(place)
        place.sync().resolve("d", keep)
        place.settle()
        found = {name.split("-")[0]: data for name, data in place.files().items()}
        assert found == files
        remote = {n.split("-")[0]: d for n, d in place.fake.tree().items() if d is not None}
        assert remote == files


def test_a_folder_that_changed_below_is_not_what_was_decided_about(place: Place) -> None:
    folder_clash(place)
    place.fake.file(f"{ROOT}/d/y", b"new")
    with pytest.raises(HeldBack, match="changed since"):
        place.sync().resolve("d", Keep.LOCAL)
    assert set(place.fake.tree()) == {"d", "d/x", "d/y"}


def test_a_version_laid_beside_goes_when_the_conflict_does(place: Place) -> None:
    clash(place)
    assert len(sidecars(place)) == 1
    (place.local / "n.py").write_bytes(THEIRS)
    assert place.sync().run().is_clean
    assert sidecars(place) == []


def test_removing_the_version_laid_beside_decides_nothing(place: Place) -> None:
    clash(place)
    (place.local / sidecars(place)[0]).unlink()
    report = place.sync().run()
    assert [hold.slot for hold in report.conflicts] == ["n"]
    assert not report.changes


def test_work_done_in_a_version_laid_beside_stays(place: Place) -> None:
    clash(place)
    (place.local / sidecars(place)[0]).write_text("notes")
    place.sync().resolve("n", Keep.LOCAL)
    assert place.files()[sidecars(place)[0]] == b"notes"


def test_a_third_version_gets_a_place_beside_too(place: Place) -> None:
    clash(place)
    place.fake.notebook(f"{ROOT}/n", "newest")
    place.sync().run()
    (name,) = sidecars(place)
    assert place.files()[name] == (HEADER + "newest").encode()
    contents = [place.sync().objects.get(v.sha256) for v in place.sync().history("n")]
    assert THEIRS.rstrip(b"\n") in contents


@pytest.mark.parametrize("gone", ["local", "remote"])
def test_deleting_one_version_settles_a_conflict(place: Place, gone: str) -> None:
    clash(place)
    if gone == "local":
        (place.local / "n.py").unlink()
    else:
        place.fake.remove(f"{ROOT}/n")
    place.settle()
    assert place.sync().holds() == []
    kept = THEIRS if gone == "local" else MINE
    assert place.files()["n.py"].rstrip(b"\n") == kept.rstrip(b"\n")
