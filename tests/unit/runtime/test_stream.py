"""Live documents: sealed chunks, attempts that never mix, and a folder that is slow or gone."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest
from tests.fakes.notebook import begin_attempt, chunks, follower, live, png, writer_folders

from brickloop.model.document import is_sealed
from brickloop.runtime import sinks, stream
from brickloop.runtime.stream import DocumentStream, split_text


def test_every_chunk_seals_itself_and_is_never_touched_again(folder):
    output = live(folder)
    seen = {}
    for number in range(5):
        output.add_section(f"s{number}", "x" * 100)
        for path in chunks(folder):
            data = path.read_bytes()
            assert is_sealed(data)
            assert not is_sealed(data[:-1])
            assert not is_sealed(data.replace(b"s0", b"s9", 1)) or b"s0" not in data
            assert seen.setdefault(path, data) == data
    assert len(seen) == 6


def test_a_retried_task_begins_a_document_of_its_own(folder):
    first = live(folder)
    first.add_section("First attempt", "1")
    reader = follower(folder)
    assert [section.title for section in reader.poll()] == ["First attempt"]
    begin_attempt()
    second = live(folder)
    second.add_section("Second attempt", "2")
    second.close()
    found = [section.title for _ in range(4) for section in reader.poll()]
    assert found == ["Second attempt"]
    document = reader.document()
    assert (document.attempt, document.complete) == (2, True)
    assert [section.title for section in document.sections] == ["Second attempt"]
    # the first one's driver was only thought dead
    first.add_section("Late", "3")
    reader.finish(succeeded=True)
    assert [section.title for section in reader.document().sections] == ["Second attempt"]


def test_two_writers_of_one_run_are_one_document_and_do_not_mix(folder):
    one, two = live(folder), live(folder)
    one.add_section("a", "1")
    two.add_section("b", "2")
    one.add_section("c", "3")
    assert [path.name[-2:] for path in writer_folders(folder)] == [".1", ".2"]
    reader = follower(folder)
    assert {section.title for section in reader.poll()} == {"a", "b", "c"}
    one.close()
    reader.poll()
    assert reader.document().complete is False
    with pytest.raises(ZeroDivisionError), two:
        _ = 1 / 0
    reader.poll()
    document = reader.document()
    assert [section.title for section in document.sections] == ["a", "b", "c", "Uncaught error"]
    assert (document.complete, document.status, document.attempt) == (True, "failed", 1)


def in_run(run_id: str) -> types.SimpleNamespace:
    """A ``dbutils`` that says which task run the notebook is."""
    context = types.SimpleNamespace(toJson=lambda: json.dumps({"currentRunId": {"id": run_id}}))
    inner = types.SimpleNamespace(
        notebook=lambda: types.SimpleNamespace(getContext=lambda: context)
    )
    entry_point = types.SimpleNamespace(getDbutils=lambda: inner)
    return types.SimpleNamespace(notebook=types.SimpleNamespace(entry_point=entry_point))


def test_a_process_that_takes_the_place_of_another_goes_on_with_the_attempt(folder, monkeypatch):
    monkeypatch.setattr(stream, "open_sink", lambda path, dbutils: sinks.FolderSink(path))
    titles = iter("abc")

    def write(run_id: str) -> None:
        document = DocumentStream(str(folder), in_run(run_id))
        document.emit({"kind": "text", "title": next(titles), "text": ""})
        document.close("finished")
        begin_attempt()

    write("7")
    write("7")
    reader = follower(folder)
    assert [section.title for section in reader.poll()] == ["a", "b"]
    assert reader.document().attempt == 1
    write("8")
    # others are looked for now and then
    assert [section.title for _ in range(4) for section in reader.poll()] == ["c"]
    assert reader.document().attempt == 2


def test_threads_may_add_to_one_output(folder):
    output = live(folder)
    threads = [
        threading.Thread(
            target=lambda n=number: [output.add_section(f"{n}.{i}", "x") for i in range(20)]
        )
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output.close()
    reader = follower(folder)
    assert len(reader.poll()) == 80
    assert reader.document().complete is True


def test_a_section_over_the_limit_is_split_and_joined_again(folder):
    output = live(folder)
    text = "é\n" * 400_000
    output.add_section("Large", text)
    output.add_section("Next", "small")
    assert max(path.stat().st_size for path in chunks(folder)) <= 1024 * 1024
    assert len(chunks(folder)) > 3
    large, following = follower(folder).poll()
    assert large.text == text
    assert following.text == "small"


def test_50_megabytes_in_one_section_arrive(folder):
    output = live(folder)
    output.add_section("Huge", "0123456789abcde\n" * (50 * 65536))
    output.close()
    reader = follower(folder)
    (section,) = reader.poll()
    assert len(section.text) == 50 * 1024**2
    assert reader.document().complete is True


def test_10_000_sections_arrive_in_order(folder):
    output = live(folder)
    for number in range(10_000):
        output.add_section(str(number), "x")
    output.close()
    reader = follower(folder)
    assert [int(section.title) for section in reader.poll()] == list(range(10_000))
    assert reader.document().complete is True


class SlowSink:
    """A folder that takes its time, or nothing."""

    takes_bytes = True
    largest = None

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.writes = 0
        self.failing = False

    def put(self, name: str, data: bytes) -> None:
        self.writes += 1
        if self.failing:
            raise OSError("no such volume")
        self.files[name] = data


@pytest.fixture
def slow(monkeypatch):
    sink = SlowSink()
    monkeypatch.setattr(stream, "open_sink", lambda folder, dbutils: sink)
    return sink


def test_a_slow_folder_gets_many_sections_in_few_chunks(slow, monkeypatch):
    monkeypatch.setattr(stream, "_ALWAYS", 3)
    # the next write would be due in an hour
    written = DocumentStream._write

    def hour_long(self):
        written(self)
        self._last_seconds = 3600.0

    monkeypatch.setattr(DocumentStream, "_write", hour_long)
    document = DocumentStream("/x", None)
    for number in range(500):
        document.emit({"kind": "text", "title": str(number)})
    assert len(slow.files) == 3
    document.close("finished")
    events = [
        json.loads(line)
        for name in sorted(slow.files)
        if name.startswith("c-")
        for line in slow.files[name].splitlines()
    ]
    assert [event["title"] for event in events if event["kind"] == "text"] == [
        str(number) for number in range(500)
    ]
    assert json.loads(slow.files["_DONE.json"])["chunks"] == 4


def test_what_a_failing_folder_did_not_take_comes_later_in_order(slow, capsys):
    document = DocumentStream("/x", None)
    slow.failing = True
    for number in range(50):
        document.emit({"kind": "text", "title": str(number)})
    # left alone for a while after it failed
    assert slow.writes == 1
    assert document.keep(b"data", "png") is None
    slow.failing = False
    document.close("finished")
    assert sorted(slow.files) == ["_DONE.json", "c-000001.ndjson", "c-000002.ndjson"]
    assert b'"title": "49"' in slow.files["c-000002.ndjson"]
    assert capsys.readouterr().err.count("no such volume") == 1


def test_a_waiting_section_is_written_without_another_one_being_added(slow, monkeypatch):
    monkeypatch.setattr(stream, "_LONGEST_PAUSE", 0.05)
    document = DocumentStream("/x", None)
    slow.failing = True
    document.emit({"kind": "text", "title": "a"})
    slow.failing = False
    arrived = threading.Event()
    put = slow.put

    def heard(name, data):
        put(name, data)
        if b'"b"' in data:
            arrived.set()

    slow.put = heard
    document.emit({"kind": "text", "title": "b"})
    assert arrived.wait(30)


def test_a_forked_process_does_not_write(folder):
    output = live(folder)
    output.add_section("Parent", "x")
    before = len(chunks(folder))
    child = os.fork()
    if child == 0:
        output.add_section("Child", "x")
        output.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert len(chunks(folder)) == before
    assert not list(folder.glob("*/_DONE.json"))


SCRIPT = """
import os, signal, sys
from brickloop.runtime.notebook_output import NotebookOutput
output = NotebookOutput(live=sys.argv[1])
for number in range(int(sys.argv[2])):
    output.add_section(str(number), "x" * 1000)
if sys.argv[3] == "raise":
    raise ValueError("end")
if sys.argv[3] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("ending", "code", "sections", "complete"),
    [
        ("return", 0, 4, True),
        ("raise", 1, 5, True),
        ("kill", -signal.SIGKILL, 4, False),
    ],
)
def test_a_process_may_end_in_any_way(folder, ending, code, sections, complete):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), "4", ending],
        capture_output=True,
        check=False,
    )
    assert done.returncode == code
    reader = follower(folder)
    found = reader.finish(succeeded=code == 0)
    assert len(found) == sections
    document = reader.document()
    assert document.complete is complete
    assert document.status == ("finished" if code == 0 else "failed")
    if ending == "kill":
        assert document.reason.startswith("output incomplete")
    if ending == "raise":
        assert found[-1].text == "ValueError: end"


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("torn", [False, True], ids=["whole files", "half a file"])
def test_killed_at_any_write_it_leaves_a_document_that_can_be_read(tmp_path, monkeypatch, torn):
    titles = ["a", "figure", "large", "b", "Uncaught error"]

    def write(folder: Path, deadly: int) -> int:
        """Writes until the write of that number; how many there were."""
        count = 0

        def put(self, name, data):
            nonlocal count
            if count == deadly:
                if torn:
                    target = Path(self._folder) / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data[: len(data) // 2])
                raise Killed
            count += 1
            taken(self, name, data)

        monkeypatch.setattr(sinks.FolderSink, "put", put)
        begin_attempt()
        with live(folder) as output:
            output.add_section("a", "1")
            output.add_figure("figure", png())
            output.metadata["k"] = "v"
            output.add_section("large", "x" * 900_000)
            output.add_section("b", "2")
            raise ValueError("end")
        return count

    taken = sinks.FolderSink.put
    with pytest.raises(ValueError, match="end"):
        write(tmp_path / "all", -1)
    writes = len(list((tmp_path / "all").glob("*/*.*"))) + 1
    for deadly in range(writes):
        with pytest.raises((Killed, ValueError)):
            write(tmp_path / str(deadly), deadly)
        reader = follower(tmp_path / str(deadly))
        found = [section.title for section in reader.finish(succeeded=False)]
        assert found == titles[: len(found)]
        document = reader.document()
        if document is None or reader.error is not None:
            assert deadly == 0
            continue
        assert [section.title for section in document.sections] == found
        # what is missing then is the list of the chunks, which have all come
        assert document.complete is (deadly == writes - 1)
        assert document.complete is (not document.reason)
    assert found == titles


def test_a_text_over_a_store_s_limit_is_split_between_characters():
    data = ("é" * 40).encode() * 10_000
    files = dict(split_text("out.txt", data, 200_000))
    assert list(files)[-1] == "out.txt"
    assert all(len(part) <= 200_000 for part in files.values())
    joined, name = b"", "out.txt"
    while name:
        part = files[name]
        part.decode("utf-8")
        text, mark, following = part.rpartition(b"\n[brickloop: continued in ")
        joined += text if mark else part
        name = following.decode().removesuffix("]\n") if mark else ""
    assert joined == data
    assert split_text("out.txt", b"short", 200_000) == [("out.txt", b"short")]
    assert split_text("out.txt", data, None) == [("out.txt", data)]


def test_paths_lead_to_their_stores(tmp_path, dbutils):
    def kind(path, with_dbutils=True):
        sink = sinks.open_sink(path, dbutils if with_dbutils else None)
        return type(sink).__name__, str(getattr(sink, "_folder", ""))

    assert kind("/tmp/x") == ("DbfsSink", "dbfs:/tmp/x")
    assert kind("dbfs:/tmp/x") == ("DbfsSink", "dbfs:/tmp/x")
    assert kind("/dbfs/tmp/x") == ("DbfsSink", "dbfs:/tmp/x")
    assert kind("dbfs:/Volumes/a/b/c") == ("FolderSink", "/Volumes/a/b/c")
    assert kind("/Volumes/a/b/c") == ("FolderSink", "/Volumes/a/b/c")
    assert kind("file:/Workspace/Users/me") == ("FolderSink", "/Workspace/Users/me")
    assert kind("/tmp/x", with_dbutils=False) == ("FolderSink", "/tmp/x")
    assert kind("dbfs:/tmp/x", with_dbutils=False) == ("FolderSink", "/tmp/x")
    assert sinks.open_sink("/Workspace/Users/me", None).largest == 8 * 1024**2


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    sink = sinks.FolderSink(str(tmp_path))
    sink.put("a/b.txt", b"first")

    def torn(self, data):
        with self.open("wb") as file:
            file.write(data[:2])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", torn)
    with pytest.raises(OSError, match="disk full"):
        sink.put("a/b.txt", b"second")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"first"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_where_nothing_can_be_renamed_a_file_is_written_as_it_is(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(Path, "replace", refuse)
    sinks.FolderSink(str(tmp_path)).put("a/b.txt", b"data")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"data"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]
