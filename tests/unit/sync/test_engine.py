"""Whole syncs against a workspace in memory, killed and failed at every request."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.workspace import ROOT, Place

from brickloop.errors import WorkFailed
from brickloop.model.notebook import Language, header_line
from brickloop.sync.engine import Halted, Synchronizer
from brickloop.sync.objects import ObjectStore
from brickloop.sync.plan import PUSH
from brickloop.sync.remote import Ambiguous, RemoteFault, Throttled
from brickloop.sync.selection import Selection
from brickloop.sync.tree import DiskTree

HEADER = "# Databricks notebook source\n"


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def begin(place: Place) -> None:
    """Equal sides, then changes of every kind on both."""
    for name in ("push", "pull", "drop", "lose"):
        (place.local / name).write_text(name)
    (place.local / "n.py").write_text(HEADER + "print(1)\n")
    place.sync().run()
    place.sync().run()
    place.fake.calls.clear()
    (place.local / "push").write_text("push 2")
    (place.local / "new").mkdir()
    (place.local / "new" / "mine").write_text("mine")
    (place.local / "drop").unlink()
    place.fake.file(f"{ROOT}/pull", b"pull 2")
    place.fake.file(f"{ROOT}/theirs", b"theirs")
    place.fake.remove(f"{ROOT}/lose")
    place.fake.notebook(f"{ROOT}/n", "print(2)")


WANTED = {
    "push": b"push 2", "pull": b"pull 2", "new/mine": b"mine", "theirs": b"theirs",
    "n.py": (HEADER + "print(2)\n").encode(),
}  # fmt: skip


def settle(place: Place) -> None:
    place.fake.before = place.fake.after = lambda _call, _path: None
    for _ in range(3):
        report = place.sync().run()
        assert report.is_clean, report.as_json()
    assert not report.changes
    assert place.files() == WANTED
    remote = {name: data for name, data in place.fake.tree().items() if data is not None}
    assert remote == {
        "push": b"push 2", "pull": b"pull 2", "new/mine": b"mine", "theirs": b"theirs",
        "n": (HEADER + "print(2)").encode(),
    }  # fmt: skip


def test_changes_on_both_sides_meet_and_then_nothing_is_written(place: Place) -> None:
    begin(place)
    settle(place)
    place.fake.calls.clear()
    place.sync().run()
    assert place.fake.count() == place.fake.count("list") == 2


def _kill(_path: str) -> BaseException:
    return Killed()


def _lose(path: str) -> BaseException:
    return Ambiguous("lost", where=path)


def _fail(path: str) -> BaseException:
    return RemoteFault("500", where=path)


def _throttle(path: str) -> BaseException:
    return Throttled("429", where=path, seconds=0)


@pytest.mark.parametrize(
    ("when", "fault"),
    [("before", _kill), ("after", _kill), ("before", _lose), ("after", _lose),
     ("before", _fail), ("before", _throttle)],
)  # fmt: skip
def test_a_fault_at_any_request_loses_nothing(
    tmp_path: Path, when: str, fault: Callable[[str], BaseException]
) -> None:
    reached = 0
    for step in range(200):
        place = Place(tmp_path / str(step))
        begin(place)
        count = 0

        def trip(call: str, path: str, place: Place = place, step: int = step) -> None:
            nonlocal count
            count += 1
            if count == step + 1 and (fault is not _lose or call in {"put", "delete", "mkdirs"}):
                raise fault(path)

        setattr(place.fake, when, trip)
        try:
            place.sync().run()
        except Killed:
            reached += 1
        except RemoteFault:
            reached += 1
        settle(place)
        if count <= step:
            break
    else:
        raise AssertionError("never ran through")
    assert step > 10


def test_a_conflict_is_held_with_the_other_version_beside(place: Place) -> None:
    (place.local / "n.py").write_text(HEADER + "1\n")
    place.sync().run()
    place.sync().run()
    (place.local / "n.py").write_text(HEADER + "mine\n")
    place.fake.notebook(f"{ROOT}/n", "theirs")
    report = place.sync().run()
    assert not report.is_clean
    (sidecar,) = [name for name in place.files() if ".remote-" in name]
    assert place.files()[sidecar] == (HEADER + "theirs").encode()
    assert place.files()["n.py"] == (HEADER + "mine\n").encode()
    assert place.fake.items[f"{ROOT}/n"].data == (HEADER + "theirs").encode()
    assert not place.sync().run().changes


def test_a_save_between_look_and_write_is_not_overwritten(place: Place) -> None:
    (place.local / "f").write_text("1")
    place.sync().run()
    place.sync().run()
    (place.local / "f").write_text("mine")

    def meddle(call: str, path: str) -> None:
        if call == "status" and path.endswith("/f"):
            place.fake.before = lambda _call, _path: None
            place.fake.file(path, b"theirs")

    place.fake.before = meddle
    report = place.sync().run()
    assert [hold.slot for hold in report.conflicts] == ["f"]
    assert place.fake.items[f"{ROOT}/f"].data == b"theirs"
    assert place.files()["f"] == b"mine"


def test_a_folder_that_cannot_be_listed_deletes_nothing(place: Place) -> None:
    (place.local / "d").mkdir()
    (place.local / "d" / "f").write_text("1")
    place.sync().run()

    def fail(call: str, path: str) -> None:
        if call == "list" and path.endswith("/d"):
            raise RemoteFault("500", where=path)

    place.fake.before = fail
    report = place.sync().run()
    assert not report.changes
    assert [held.slot for held in report.held] == ["d"]


def test_a_root_that_is_gone_halts(place: Place) -> None:
    (place.local / "f").write_text("1")
    place.sync().run()
    place.fake.remove(f"{ROOT}/f")
    place.fake.remove(ROOT)
    with pytest.raises(Halted, match="HALTED"):
        place.sync().run()
    assert place.files() == {"f": b"1"}


def test_a_push_leaves_the_local_side_alone(place: Place) -> None:
    (place.local / "f").write_text("1")
    place.fake.file(f"{ROOT}/theirs", b"theirs")
    place.sync().run(PUSH)
    assert place.files() == {"f": b"1"}
    assert place.fake.tree() == {"f": b"1", "theirs": b"theirs"}


def test_a_file_that_is_back_when_its_deletion_is_carried_over_stays(place: Place) -> None:
    (place.local / "f").write_text("1")
    place.sync().run()
    place.sync().run()
    (place.local / "f").unlink()

    def save(call: str, path: str) -> None:
        if call == "status":
            (place.local / "f").write_text("2")

    place.fake.after = save
    report = place.sync().run()
    assert report.is_clean
    assert place.fake.count("delete") == 0
    assert place.fake.tree() == {"f": b"2"}


def test_a_notebook_that_became_a_file_of_the_same_name_leaves_its_slot(place: Place) -> None:
    (place.local / "n.py").write_text(HEADER + "1")
    place.sync().run()
    place.sync().run()
    (place.local / "n.py").write_text("no notebook")
    assert place.sync().run().is_clean
    assert place.fake.tree() == {"n.py": b"no notebook"}


def test_extra_objects_are_deleted_when_asked_and_not_by_the_dozen(place: Place) -> None:
    from dataclasses import replace

    mirror = replace(PUSH, removes_extra=True)
    (place.local / "f").write_text("1")
    for number in range(11):
        place.fake.file(f"{ROOT}/theirs/{number}", b"theirs")
    with pytest.raises(Halted, match="11 that are only in the workspace would be deleted"):
        place.sync().run(mirror)
    assert len(place.fake.tree()) == 12
    place.sync().run(replace(mirror, accepted_deletes=11))
    assert place.fake.tree() == {"f": b"1"}
    kept = place.sync().state.history()
    assert sum(version.event == "deleted" for version in kept) == 11


def test_a_state_that_cannot_be_read_deletes_and_overwrites_nothing(place: Place) -> None:
    begin(place)
    before = place.files(), place.fake.tree()
    sync = place.sync()
    sync.close()
    (sync.pair.folder / "state.db").write_bytes(b"no database at all")
    for name in ("state.db-wal", "state.db-shm"):
        (sync.pair.folder / name).unlink(missing_ok=True)
    report = place.sync().run()
    assert not [change for change in report.changes if change.verb in {"delete", "update"}]
    for name, data in before[0].items():
        assert place.files()[name] == data
    for name, data in before[1].items():
        assert place.fake.tree()[name] == data
    assert {hold.slot for hold in report.conflicts} == {"n", "pull", "push"}
    assert list(sync.pair.folder.glob("state.db.unreadable-*"))


def test_a_state_of_another_pair_is_not_this_one(place: Place) -> None:
    begin(place)
    other = replace(place.pair, target="another workspace")
    assert other.folder != place.pair.folder
    place.pair = other
    report = place.sync().run()
    assert not [change for change in report.changes if change.verb in {"delete", "update"}]


def test_what_patterns_do_not_choose_any_more_is_forgotten_not_deleted(place: Place) -> None:
    begin(place)
    settle(place)
    before = place.files(), place.fake.tree()
    narrow = Selection(place.local, ["*.py"])
    sync = Synchronizer(place.pair, place.fake, narrow, parallel=1, durable=False)
    assert not sync.run().changes
    sync.close()
    assert (place.files(), place.fake.tree()) == before
    # and taken in again they are compared as if never seen
    assert not place.sync().run().changes
    (place.local / "push").write_text("push 3")
    assert [change.note for change in place.sync().run().changes] == ["pushed"]


def test_a_folder_of_things_that_sit_out_in_the_place_of_a_file_is_named(place: Place) -> None:
    (place.local / ".gitignore").write_text("*.log\n")
    (place.local / "d").write_text("mine")
    place.fake.mkdirs(f"{ROOT}/d")
    place.fake.file(f"{ROOT}/d/x.log", b"log")
    report = place.sync().run()
    assert [held.slot for held in report.held] == ["d"]
    assert "take no part" in report.held[0].reason
    assert place.fake.tree()["d/x.log"] == b"log"


def test_a_file_that_would_be_a_notebook_here_is_not_fetched(place: Place) -> None:
    place.fake.file(f"{ROOT}/x.py", HEADER.encode() + b"1")
    report = place.sync().run()
    assert [failed.path for failed in report.failures] == ["x.py"]
    assert "would be another object" in report.failures[0].reason
    assert place.files() == {}
    assert place.fake.tree() == {"x.py": HEADER.encode() + b"1"}


@pytest.mark.parametrize("suffix", [".py", ".sql", ".scala", ".r", ".R"])
def test_a_notebook_keeps_its_name_and_line_ends_when_the_workspace_changes_it(
    place: Place, suffix: str
) -> None:
    language = {".py": Language.PYTHON, ".sql": Language.SQL, ".scala": Language.SCALA}.get(
        suffix, Language.R
    )
    head = header_line(language)
    titled = f"{head}\n{head.split()[0]} DBTITLE 1,A title\n1\n\n"
    (place.local / f"n{suffix}").write_bytes(titled.replace("\n", "\r\n").encode())
    place.settle()
    kept = place.fake.items[f"{ROOT}/n"].data.decode()
    assert kept == titled.rstrip("\n")
    place.fake.notebook(f"{ROOT}/n", kept.partition("\n")[2].replace("\n1", "\n2"), language)
    place.settle()
    expected = titled.replace("\n1\n", "\n2\n").replace("\n", "\r\n").encode()
    assert place.files() == {f"n{suffix}": expected}


def test_a_full_disk_is_told_and_the_next_sync_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(place)

    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(DiskTree, "stage", full)
        report = place.sync().run()
        assert {failed.path for failed in report.failures} == {"n", "pull", "theirs"}
        assert {failed.reason for failed in report.failures} == {"No space left on device"}
    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "put", full)
        place.fake.file(f"{ROOT}/pull", b"pull 3")
        with pytest.raises(WorkFailed, match="No space left"):
            place.sync().run()
    place.fake.file(f"{ROOT}/pull", b"pull 2")
    settle(place)
