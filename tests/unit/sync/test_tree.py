"""The local tree, on a disk and in memory: the same rules for both."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.real import RealTree
from tests.fakes.tree import SteppedMemoryTree
from tests.fakes.workspace import ROOT, Place

from brickloop.errors import PathError
from brickloop.sync.remote import Kind, RemoteEntry, Stamp
from brickloop.sync.tree import Taken, Vanished


@pytest.fixture(params=["disk", "memory"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return RealTree(tmp_path) if request.param == "disk" else SteppedMemoryTree()


def test_a_staged_version_is_published_where_there_is_nothing(tree: Any) -> None:
    staged = tree.stage("d/f", b"1")
    tree.publish(staged, "d/f")
    assert tree.files() == {"d/f": b"1"}
    other = tree.stage("d/f", b"2")
    with pytest.raises(Taken):
        tree.publish(other, "d/f")
    tree.discard(other)
    assert tree.files() == {"d/f": b"1"}
    with pytest.raises(Vanished):
        tree.publish(other, "d/g")


def test_versions_are_exchanged_and_the_old_one_can_be_looked_at(tree: Any) -> None:
    tree.save("f", b"old")
    staged = tree.stage("f", b"new")
    if not tree.exchange(staged, "f"):
        pytest.skip("this file system cannot exchange")
    assert (tree.read("f"), tree.peek(staged)) == (b"new", b"old")
    with pytest.raises(Vanished):
        tree.exchange(staged, "gone")


def test_a_version_is_retired_and_given_back(tree: Any) -> None:
    tree.save("f", b"old")
    name = tree.staged_name("f")
    tree.retire("f", name)
    assert tree.look("f") is None
    assert tree.peek(name) == b"old"
    tree.publish(name, "f")
    assert tree.files() == {"f": b"old"}
    with pytest.raises(Vanished):
        tree.retire("gone", name)


def test_a_folder_is_removed_only_when_it_is_empty(tree: Any) -> None:
    tree.save("d/f", b"")
    assert not tree.remove_folder("d")
    tree.remove("d/f")
    assert tree.remove_folder("d")
    assert tree.remove_folder("d")
    tree.save("f", b"")
    with pytest.raises(Taken):
        tree.make_folder("f")


def test_a_walk_finds_what_takes_part_and_what_was_left_behind(tree: Any) -> None:
    for name in ("a", "d/b", "out/c"):
        tree.save(name, b"1")
    left = tree.stage("d/b", b"2")
    found = {f.path for f in tree.walk(lambda path, _folder: path == "out")}
    assert found == {"a", "d", "d/b"}
    assert tree.leftovers == [left]


def test_a_changed_content_never_leaves_the_signature_alike(tree: Any) -> None:
    tree.save("f", b"1")
    before = tree.look("f").signature
    tree.save("f", b"2", alike=True)
    assert tree.look("f").signature != before


def test_a_folder_that_moved_is_not_the_same(tree: Any) -> None:
    tree.save("d/f", b"1")
    before = tree.folder_of("d/x")
    assert before == tree.folder_of("d/y") != 0
    tree.move("d", "k")
    assert tree.folder_of("d/x") == 0
    assert tree.folder_of("k/x") == before


@pytest.mark.parametrize("path", ["../x", "/etc/x", "d/../../x", "a\x00b"])
def test_no_path_leads_out(tree: Any, path: str) -> None:
    for step in (tree.read, tree.look, tree.make_folder):
        with pytest.raises(PathError):
            step(path)
    with pytest.raises(PathError):
        tree.publish(tree.stage(path, b""), path)


NAMES = [
    "..", ".", "", "../out", "/etc/out", "d/../../out", "a\x00b", ".git", ".brickloop", "a\\..\\b",
    "..\\out", "con", "x:y", "line\nbreak", "\x1b[31mred", "é" * 120, "a" * 300,
]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="names that are legal elsewhere")
def test_a_workspace_that_lies_about_names_writes_nothing_outside(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "p" / ".git").mkdir()
    (tmp_path / "out").write_text("mine")
    whole = place.fake.list_folder

    def lie(path: str) -> list[RemoteEntry]:
        if path != ROOT:
            return whole(path)
        return [RemoteEntry(n, Stamp(Kind.FILE, i, 5, 1)) for i, n in enumerate(NAMES)]

    place.fake.list_folder = lie  # type: ignore[method-assign]
    place.fake.export = lambda *_: b"x"  # type: ignore[method-assign]
    report = place.sync().run()
    outside = {
        path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()
    }
    assert outside <= {"p", "state", "out"}
    assert (tmp_path / "out").read_text() == "mine"
    assert not list((tmp_path / "p" / ".git").iterdir())
    assert not (tmp_path / "p" / ".brickloop").exists()
    names = set(os.listdir(tmp_path / "p"))  # noqa: PTH208  names as the system has them
    assert names <= {".git", "a\\..\\b", "..\\out", "con", "x:y", "line\nbreak", "\x1b[31mred",
                     "é" * 120}  # fmt: skip
    told = {held.slot for held in report.held} | {failed.path for failed in report.failures}
    assert {"..", "../out", "/etc/out", "a\x00b", "a" * 300} <= told


def test_links_are_followed_inside_only(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "secret").write_text("secret")
    (place.local / "d").mkdir()
    (place.local / "d" / "f").write_text("inside")
    for name, target in (("in", "d/f"), ("out", "../secret"), ("dir", "d"), ("none", "nowhere")):
        (place.local / name).symlink_to(target)
    report = place.sync().run()
    assert {n: d for n, d in place.fake.tree().items() if d} == {"d/f": b"inside", "in": b"inside"}
    reasons = {held.slot: held.reason for held in report.held}
    assert reasons["out"] == "is a link that leads out of the folder"
    assert reasons["dir"] == "is a link to a folder, which is not followed"
    assert reasons["none"] == "is a link to nothing"
    place.sync().run()
    place.fake.file(f"{ROOT}/in", b"theirs")
    place.sync().run()
    assert (place.local / "in").is_symlink()
    assert (place.local / "d" / "f").read_bytes() == b"theirs"
    place.fake.file(f"{ROOT}/out", b"theirs")
    place.sync().run()
    assert (tmp_path / "secret").read_text() == "secret"


def test_nothing_is_written_through_a_folder_that_is_a_link(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "outside").mkdir()
    (place.local / "d").symlink_to(tmp_path / "outside")
    place.fake.file(f"{ROOT}/d/x", b"theirs")
    place.sync().run()
    assert list((tmp_path / "outside").iterdir()) == []
