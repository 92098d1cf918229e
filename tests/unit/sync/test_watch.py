"""Watching a real folder: editors' ways of saving, failures, and the workspace's side."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fakes.workspace import ROOT, FakeWorkspace

from brickloop.errors import ConnectionFailed, UsageError
from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.plan import PULL, PUSH, SAFE, Mode
from brickloop.sync.remote import RemoteFault, Throttled
from brickloop.sync.watch import Pauses, Watcher, WatchEvent

HEADER = "# Databricks notebook source\n"
LIMIT = 60.0
SEEN = Pauses(gone=0.5, poll_first=0.2, poll_longest=0.4, retry_first=0.05, retry_longest=0.2)
UNSEEN = Pauses(gone=1.5, retry_first=0.05, retry_longest=0.2)
"""Without looks at the workspace, so that every request is that of a save."""


class Place:
    """A folder that is watched, and what the watch told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.local = folder / "p"
        self.local.mkdir()
        (self.local / "n.py").write_text(HEADER + "1\n")
        (self.local / "f.txt").write_text("1")
        self.fake = FakeWorkspace()
        self.events: list[WatchEvent] = []
        self.watcher: Watcher | None = None

    def watch(self, mode: Mode = SAFE, *, on_save: bool = True, pauses: Pauses = UNSEEN) -> None:
        sync = Synchronizer(
            Pair(self.local, ROOT, self.folder / "state", "t"), self.fake, parallel=2, durable=False
        )
        self.watcher = Watcher(
            sync, mode, on_save=on_save, on_event=self.events.append, pauses=pauses
        )
        self.watcher.start()
        if mode is not PULL:
            self.until(lambda: self.remote("f.txt") is not None)
            self.settled()

    def remote(self, name: str) -> bytes | None:
        return self.fake.tree().get(name)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert self.watcher is not None
            if self.watcher.failure is not None:
                raise self.watcher.failure
            assert time.monotonic() < deadline, (self.fake.tree(), self.events)
            time.sleep(0.01)

    def until_remote(self, name: str, text: str) -> None:
        self.until(lambda: self.remote(name) == text.encode())

    def settled(self) -> None:
        """Wait until nothing but looks at the workspace was asked for a moment."""
        count = -1
        while count != len(self.fake.calls) - self.fake.count("list"):
            count = len(self.fake.calls) - self.fake.count("list")
            time.sleep(0.4)

    def deletes(self) -> list[str]:
        return [path for call, path in self.fake.calls if call == "delete"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    if found.watcher is not None and found.watcher.is_alive():
        found.watcher.stop()
        found.watcher.join(LIMIT)
        assert not found.watcher.is_alive()
    if found.watcher is not None:
        assert found.watcher.failure is None


def save_in_place(path: Path, data: bytes) -> None:
    """As VS Code does: the file is cut to nothing and written anew."""
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(data)


def save_as_vim(path: Path, data: bytes) -> None:
    """As vim does with 'backupcopy=no': the old file moves away, a new one is written."""
    probe = path.with_name("4913")
    probe.touch()
    probe.unlink()
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    time.sleep(0.1)
    with path.open("xb") as file:
        file.write(data)
        os.fsync(file.fileno())
    backup.unlink()


def save_as_pycharm(path: Path, data: bytes) -> None:
    """As PyCharm does with 'safe write': a temporary file changes places with the old one."""
    new = path.with_name(path.name + "___jb_tmp___")
    old = path.with_name(path.name + "___jb_old___")
    new.write_bytes(data)
    path.rename(old)
    new.rename(path)
    old.unlink()


def save_by_replacing(path: Path, data: bytes) -> None:
    """As many others do: a new file takes the name."""
    new = path.with_name(f".{path.name}.tmp")
    new.write_bytes(data)
    new.replace(path)


@pytest.mark.parametrize("save", [save_in_place, save_as_vim, save_as_pycharm, save_by_replacing])
def test_however_an_editor_saves_the_object_is_overwritten_and_never_deleted(
    place: Place, save: Callable[[Path, bytes], None]
) -> None:
    place.watch()
    identity = place.fake.items[f"{ROOT}/n"].object_id
    for turn in range(3):
        body = f"{HEADER}saved {turn}"
        save(place.local / "n.py", body.encode() + b"\n")
        place.until_remote("n", body)
    place.settled()
    assert place.deletes() == []
    assert place.fake.items[f"{ROOT}/n"].object_id == identity
    assert set(place.fake.tree()) == {"n", "f.txt"}


@pytest.mark.skipif(shutil.which("vim") is None, reason="there is no vim")
@pytest.mark.parametrize("backupcopy", ["yes", "no"])
def test_vim_itself(place: Place, backupcopy: str) -> None:
    place.watch()
    subprocess.run(
        ["vim", "-u", "NONE", "-N", "-es", f"+set backupcopy={backupcopy} writebackup swapfile",
         "+normal Gosaved by vim", "+wq", "n.py"],
        cwd=place.local, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=True,
    )  # fmt: skip
    place.until(lambda: b"saved by vim" in (place.remote("n") or b""))
    place.settled()
    assert place.deletes() == []
    assert set(place.fake.tree()) == {"n", "f.txt"}


def test_a_save_takes_two_requests_and_the_next_one_too(place: Place) -> None:
    place.watch()
    for turn in range(2):
        place.fake.calls.clear()
        (place.local / "f.txt").write_text(f"again {turn}")
        place.until_remote("f.txt", f"again {turn}")
        assert [call for call, _ in place.fake.calls[:2]] == ["status", "put"]
        place.settled()
        assert place.fake.count("list") == 0


def test_200_saves_at_once_are_one_batch(place: Place) -> None:
    for number in range(200):
        (place.local / f"{number:03}.txt").write_text("1")
    place.watch(pauses=Pauses(quiet=1.5))
    place.settled()
    place.events.clear()
    for number in range(200):
        (place.local / f"{number:03}.txt").write_text(f"now {number}")
    place.until(lambda: place.remote("199.txt") == b"now 199")
    place.settled()
    reports = [event.report for event in place.events if event.report]
    assert [report.sent for report in reports if report.changes] == [200]
    assert place.remote("000.txt") == b"now 0"


def test_new_moved_and_deleted_files_and_folders(place: Place) -> None:
    place.watch()
    (place.local / "d" / "e").mkdir(parents=True)
    (place.local / "d" / "e" / "x").write_text("x")
    place.until(lambda: place.remote("d/e/x") == b"x")
    (place.local / "d" / "e" / "x").rename(place.local / "d" / "y")
    place.until(lambda: place.remote("d/y") == b"x" and "d/e/x" not in place.fake.tree())
    (place.local / "d").rename(place.local / "moved")
    place.until(lambda: place.remote("moved/y") == b"x" and "d/y" not in place.fake.tree())
    shutil.rmtree(place.local / "moved")
    (place.local / "f.txt").unlink()
    place.until(lambda: set(place.fake.tree()) == {"n"})


def test_a_failing_file_is_tried_again_while_others_go_on(place: Place) -> None:
    place.watch()
    fails = 4

    def fail(call: str, path: str) -> None:
        nonlocal fails
        if call == "put" and path.endswith("/f.txt") and fails:
            fails -= 1
            raise RemoteFault("500 internal error", where=path)

    place.fake.before = fail
    (place.local / "f.txt").write_text("2")
    place.until(lambda: fails < 4)
    (place.local / "other.txt").write_text("other")
    place.until(lambda: place.remote("other.txt") == b"other")
    place.until(lambda: place.remote("f.txt") == b"2")
    assert fails == 0
    failures = [one.name for event in place.events if event.report for one in event.report.failures]
    assert failures == ["f.txt"] * 4


def test_a_lost_connection_is_waited_out(place: Place) -> None:
    place.watch()
    lost = True

    def cut(_call: str, _path: str) -> None:
        if lost:
            raise ConnectionFailed("the network is unreachable", where="host")

    place.fake.before = cut
    (place.local / "f.txt").write_text("2")
    place.until(lambda: any(event.kind == "waiting" for event in place.events))
    (place.local / "n.py").write_text(HEADER + "2\n")
    time.sleep(0.5)
    lost = False
    place.until(lambda: place.remote("f.txt") == b"2")
    place.until(lambda: place.remote("n") == (HEADER + "2").encode())
    # said once, not at every try
    assert sum(event.kind == "waiting" for event in place.events) == 1


def test_throttled_saves_arrive(place: Place) -> None:
    place.watch()
    asked = 0

    def throttle(call: str, path: str) -> None:
        nonlocal asked
        if call == "put" and asked < 3:
            asked += 1
            raise Throttled("429", where=path, seconds=0.01)

    place.fake.before = throttle
    (place.local / "f.txt").write_text("2")
    place.until(lambda: place.remote("f.txt") == b"2")


def test_a_half_written_notebook_is_held_until_it_is_whole(place: Place) -> None:
    whole = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    (place.local / "b.ipynb").write_text(whole)
    place.watch()
    before = place.remote("b")
    (place.local / "b.ipynb").write_text(whole[:30])
    place.until(lambda: any(e.report and any(h.slot == "b" for h in e.report.held)
                            for e in place.events))  # fmt: skip
    assert place.remote("b") == before
    assert place.deletes() == []
    newer = whole.replace('"cells": []', '"cells": [{"cell_type": "raw", "source": "x",'
                          ' "metadata": {}}]')  # fmt: skip
    (place.local / "b.ipynb").write_text(newer)
    place.until(lambda: b'"x"' in (place.remote("b") or b""))


def test_a_file_emptied_for_a_moment_is_not_sent_empty(place: Place) -> None:
    place.watch()
    (place.local / "n.py").write_bytes(b"")
    time.sleep(0.15)
    (place.local / "n.py").write_text(HEADER + "2\n")
    place.until(lambda: place.remote("n") == (HEADER + "2").encode())
    place.settled()
    assert place.deletes() == []
    assert "n.py" not in place.fake.tree()


def test_an_edit_in_the_workspace_comes_down_and_a_conflict_is_held(place: Place) -> None:
    place.watch(pauses=SEEN)
    place.fake.file(f"{ROOT}/f.txt", b"theirs")
    place.until(lambda: (place.local / "f.txt").read_bytes() == b"theirs")
    place.fake.before = lambda call, path: (
        place.fake.file(f"{ROOT}/f.txt", b"theirs again")
        if call == "status" and path.endswith("f.txt")
        and place.remote("f.txt") == b"theirs" and (place.local / "f.txt").read_text() == "mine"
        else None
    )  # fmt: skip
    (place.local / "f.txt").write_text("mine")
    place.until(lambda: any(e.report and e.report.conflicts for e in place.events))
    assert place.remote("f.txt") == b"theirs again"
    assert (place.local / "f.txt").read_text() == "mine"


def test_the_workspace_is_asked_more_seldom_while_nothing_happens(place: Place) -> None:
    place.watch(pauses=Pauses(poll_first=0.1, poll_longest=30.0))
    watcher = place.watcher
    assert watcher is not None
    place.until(lambda: watcher._poll_pause >= 1.0)
    # 0.1 s, then half as long again each time: six looks, and those of the beginning
    assert place.fake.count("list") <= 12
    before = place.fake.count("list")
    (place.local / "f.txt").write_text("somebody is at work")
    place.until_remote("f.txt", "somebody is at work")
    place.until(lambda: place.fake.count("list") >= before + 4 and watcher._poll_pause >= 1.0)


def test_pull_watches_the_workspace_alone(place: Place) -> None:
    shutil.rmtree(place.local)
    place.fake.file(f"{ROOT}/theirs", b"1")
    place.watch(PULL, pauses=SEEN)
    place.until(lambda: (place.local / "theirs").exists())
    (place.local / "mine").write_text("mine")
    place.fake.file(f"{ROOT}/theirs", b"2")
    place.until(lambda: (place.local / "theirs").read_bytes() == b"2")
    assert set(place.fake.tree()) == {"theirs"}


def test_push_never_writes_here_nor_asks_by_itself(place: Place) -> None:
    place.watch(PUSH, pauses=SEEN)
    place.fake.calls.clear()
    place.fake.file(f"{ROOT}/theirs", b"1")
    time.sleep(1.0)
    assert place.fake.calls == []
    assert not (place.local / "theirs").exists()


def test_without_sync_on_save_files_wait_for_the_regular_look(place: Place) -> None:
    place.watch(on_save=False, pauses=Pauses(poll_first=1.5, poll_longest=1.5))
    place.fake.calls.clear()
    (place.local / "f.txt").write_text("2")
    place.until(lambda: place.remote("f.txt") == b"2")
    assert place.fake.calls[0][0] == "list"


def test_a_folder_that_vanishes_halts_and_its_return_goes_on(place: Place) -> None:
    place.watch(pauses=SEEN)
    place.local.rename(place.folder / "away")
    place.until(lambda: any("HALTED" in event.message for event in place.events))
    assert set(place.fake.tree()) == {"n", "f.txt"}
    (place.folder / "away").rename(place.local)
    (place.local / "f.txt").write_text("back")
    place.until(lambda: place.remote("f.txt") == b"back")
    shutil.copytree(place.local, place.folder / "copy")
    shutil.rmtree(place.local)
    (place.folder / "copy").rename(place.local)
    place.until(lambda: (place.local / "f.txt").exists())
    (place.local / "f.txt").write_text("another folder")
    place.until(lambda: place.remote("f.txt") == b"another folder")


def test_stopping_finishes_the_file_in_hand_and_begins_no_other(place: Place) -> None:
    for number in range(50):
        (place.local / f"{number}").write_text("1")
    begun: list[str] = []

    def slow(call: str, path: str) -> None:
        if call == "put":
            begun.append(path)
            time.sleep(0.05)

    place.fake.before = slow
    sync = Synchronizer(
        Pair(place.local, ROOT, place.folder / "state", "t"), place.fake, parallel=2, durable=False
    )
    place.watcher = Watcher(sync, on_event=place.events.append)
    place.watcher.start()
    place.until(lambda: len(begun) > 3)
    place.watcher.stop()
    place.watcher.join(LIMIT)
    assert place.events[-1].kind == "stopped"
    assert len(begun) < 50
    assert set(place.fake.tree()) == {path[len(ROOT) + 1 :] for path in begun}
    assert sync.state.intents() == {} or set(sync.state.intents()).isdisjoint(place.fake.tree())


def test_a_folder_that_is_not_there_is_an_error_for_push(tmp_path: Path) -> None:
    sync = Synchronizer(Pair(tmp_path / "no", ROOT, tmp_path / "state", "t"), FakeWorkspace())
    with pytest.raises(UsageError, match="no such folder"):
        Watcher(sync, PUSH).start()
