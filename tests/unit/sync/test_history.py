"""Versions that come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.workspace import ROOT, Place

from brickloop.errors import HeldBack, OutputUnavailable, UsageError
from brickloop.sync.tree import DiskTree

HEADER = b"# Databricks notebook source\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_a_pull_overwrote_comes_back_and_goes_up(place: Place) -> None:
    (place.local / "f").write_bytes(b"mine")
    place.settle()
    place.fake.file(f"{ROOT}/f", b"theirs")
    place.settle()
    assert place.files() == {"f": b"theirs"}
    events = [version.event for version in place.sync().history("f")]
    assert events[:2] == ["received", "overwritten"]
    place.sync().restore("f")
    assert place.files() == {"f": b"mine"}
    place.settle()
    assert place.fake.tree() == {"f": b"mine"}


def test_what_a_push_deleted_comes_back(place: Place) -> None:
    (place.local / "d").mkdir()
    (place.local / "d" / "n.py").write_bytes(HEADER + b"1\n")
    (place.local / "stays").write_bytes(b"")
    place.settle()
    place.fake.notebook(f"{ROOT}/d/n", "theirs")
    place.settle()
    (place.local / "d" / "n.py").unlink()
    place.settle()
    assert "d/n" not in place.fake.tree()
    place.sync().restore("d/n.py")
    assert place.files()["d/n.py"] == HEADER + b"theirs"


def test_a_version_is_chosen_by_its_number(place: Place) -> None:
    for text in (b"1", b"2", b"3"):
        (place.local / "f").write_bytes(text)
        place.settle()
    first = place.sync().history("f")[-1]
    assert place.sync().restore("f", first.number) == first
    assert place.files() == {"f": b"1"}
    assert place.sync().objects.get(place.sync().history("f")[0].sha256) == b"3"


def test_line_ends_of_the_file_stay_when_a_version_of_the_workspace_comes(place: Place) -> None:
    file = place.local / "n.py"
    file.write_bytes(HEADER + b"1\n")
    place.settle()
    place.fake.notebook(f"{ROOT}/n", "theirs")
    place.settle()
    file.write_bytes(HEADER.replace(b"\n", b"\r\n") + b"2\r\n")
    place.settle()
    theirs = next(v for v in place.sync().history("n") if v.event == "received")
    place.sync().restore("n", theirs.number)
    assert file.read_bytes() == HEADER.replace(b"\n", b"\r\n") + b"theirs\r\n"


def test_what_cannot_be_restored_says_why(place: Place) -> None:
    with pytest.raises(UsageError, match="no version of it is kept"):
        place.sync().restore("f")
    (place.local / "f").write_bytes(b"1")
    place.settle()
    with pytest.raises(UsageError, match="the only version"):
        place.sync().restore("f")
    with pytest.raises(UsageError, match="no version 99"):
        place.sync().restore("f", 99)
    (version,) = place.sync().history("f")
    store = place.sync().objects
    (store.folder / version.sha256[:2] / version.sha256).unlink()
    (place.local / "f").write_bytes(b"2")
    with pytest.raises(OutputUnavailable, match="not kept any more"):
        place.sync().restore("f", version.number)
    assert place.files() == {"f": b"2"}


def test_a_save_while_a_version_comes_back_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (b"1", b"2"):
        (place.local / "f").write_bytes(text)
        place.settle()
    whole = DiskTree.exchange

    def save_first(tree: DiskTree, staged: str, path: str) -> bool:
        monkeypatch.setattr(DiskTree, "exchange", whole)
        (place.local / "f").write_bytes(b"saved")
        return tree.exchange(staged, path)

    monkeypatch.setattr(DiskTree, "exchange", save_first)
    with pytest.raises(HeldBack, match="was saved"):
        place.sync().restore("f")
    assert place.files() == {"f": b"saved"}
    place.settle()
    assert place.fake.tree() == {"f": b"saved"}


def test_a_place_that_another_file_has_is_named(place: Place) -> None:
    (place.local / "n.py").write_bytes(HEADER)
    place.settle()
    (place.local / "n.py").unlink()
    (place.local / "n.sql").write_bytes(b"-- Databricks notebook source\nSELECT 1")
    place.settle()
    with pytest.raises(HeldBack, match=r"'n\.sql' has its place"):
        place.sync().restore("n.py")
    assert set(place.files()) == {"n.sql"}
