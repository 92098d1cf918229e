"""The short ways of a watch: what they send, what they leave to a look at the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.workspace import ROOT, FakeWorkspace

from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.saves import learn_stamps, push_saved, take_snapshot

HEADER = "# Databricks notebook source\n"


class Place:
    """A local folder with its workspace, once synced."""

    def __init__(self, folder: Path) -> None:
        self.local = folder / "p"
        (self.local / "d").mkdir(parents=True)
        (self.local / "f").write_text("f 1")
        (self.local / "d" / "n.py").write_text(HEADER + "1\n")
        self.fake = FakeWorkspace()
        self.sync = Synchronizer(
            Pair(self.local, ROOT, folder / "state", "t"), self.fake, parallel=1, durable=False
        )
        self.sync.run()
        self.sync.run()
        self.fake.calls.clear()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_saved_file_takes_two_requests_again_and_again(place: Place) -> None:
    for turn in range(3):
        (place.local / "f").write_text(f"f again {turn}")
        report = push_saved(place.sync, ["f"])
        assert report is not None
        assert [change.path for change in report.changes] == ["f"]
        assert place.fake.items[f"{ROOT}/f"].data == f"f again {turn}".encode()
        assert [call for call, _ in place.fake.calls] == ["status", "put"]
        learn_stamps(place.sync, ["f"])
        place.fake.calls.clear()


def test_a_new_file_in_a_known_folder_takes_one(place: Place) -> None:
    (place.local / "d" / "new.py").write_text(HEADER + "new\n")
    report = push_saved(place.sync, ["d/new.py"])
    assert report is not None
    assert report.sent == 1
    assert [call for call, _ in place.fake.calls] == ["put"]
    assert place.fake.tree()["d/new"] == (HEADER + "new").encode()


def test_a_file_that_was_not_changed_takes_none(place: Place) -> None:
    (place.local / "f").write_text("f 1")
    report = push_saved(place.sync, ["f", ".git/x", "came/and/went"])
    assert report is not None
    assert (report.changes, report.unchanged) == ([], 1)
    assert place.fake.calls == []


@pytest.mark.parametrize("what", ["gone", "new folder", "other kind", "broken", "ignore", "theirs"])
def test_what_is_left_to_a_look_at_the_whole(place: Place, what: str) -> None:
    path = "f"
    if what == "gone":
        (place.local / "f").unlink()
    elif what == "new folder":
        path = "e/f"
        (place.local / "e").mkdir()
        (place.local / "e" / "f").write_text("new")
    elif what == "other kind":
        path = "d/n.py"
        (place.local / "d" / "n.py").write_text("no notebook any more\n")
    elif what == "broken":
        path = "half.ipynb"
        (place.local / "half.ipynb").write_text('{"cells": [')
    elif what == "ignore":
        path = ".gitignore"
        (place.local / ".gitignore").write_text("f\n")
    else:
        place.fake.file(f"{ROOT}/f", b"theirs")
        (place.local / "f").write_text("mine")
    before = place.fake.tree()
    assert push_saved(place.sync, [path]) is None
    assert place.fake.tree() == before


def test_an_unseen_object_in_the_place_of_a_new_file_stays(place: Place) -> None:
    place.fake.file(f"{ROOT}/new", b"theirs")
    (place.local / "new").write_text("mine")
    assert push_saved(place.sync, ["new"]) is None
    assert place.fake.items[f"{ROOT}/new"].data == b"theirs"


def test_stamps_are_not_learnt_from_a_newer_version(place: Place) -> None:
    (place.local / "f").write_text("mine")
    push_saved(place.sync, ["f"])
    place.fake.file(f"{ROOT}/f", b"theirs, right after")
    learn_stamps(place.sync, ["f"])
    place.sync.run()
    assert (place.local / "f").read_bytes() == b"theirs, right after"


def test_a_snapshot_changes_when_anything_there_does(place: Place) -> None:
    first = take_snapshot(place.sync)
    assert take_snapshot(place.sync) == first
    assert place.fake.count() == place.fake.count("list") == 4
    place.fake.file(f"{ROOT}/d/theirs", b"1")
    second = take_snapshot(place.sync)
    assert second != first
    place.fake.remove(f"{ROOT}/d/theirs")
    assert take_snapshot(place.sync) == first
