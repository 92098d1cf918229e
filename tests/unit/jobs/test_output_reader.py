"""Following and reading outputs: what is wrong is named, and nothing waits for what never comes."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import pytest
from tests.fakes.notebook import (
    LocalFiles,
    chunks,
    follower,
    live,
    png,
    seal,
    writer_folders,
)

from brickloop.clients.files import FileStatus
from brickloop.errors import (
    ConnectionFailed,
    OutputDamaged,
    OutputEmpty,
    OutputForbidden,
    OutputMissing,
    OutputNotOurs,
    OutputNotText,
    OutputTooNew,
)
from brickloop.jobs.document_follower import DocumentFollower
from brickloop.jobs.output_reader import OutputReader, document_text

ATTEMPT = "20260101T000000000000-0123abcd"


class ReadFiles(LocalFiles):
    """Local files with all that an OutputReader asks for; small blocks, so that joints matter."""

    block = 7

    def status(self, path: str) -> FileStatus | None:
        file = Path(path)
        if not file.exists():
            return None
        return FileStatus(file.is_dir(), file.stat().st_size)

    def blocks(self, path: str):
        data = Path(path).read_bytes()
        for begin in range(0, len(data), self.block):
            yield data[begin : begin + self.block]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def reader() -> OutputReader:
    return OutputReader(ReadFiles())


def place(folder: Path, *chunk_bytes: bytes, name: str = f"{ATTEMPT}.1") -> Path:
    """A writer's folder that holds these chunks."""
    writer = folder / name
    writer.mkdir(parents=True)
    for number, data in enumerate(chunk_bytes, start=1):
        (writer / f"c-{number:06d}.ndjson").write_bytes(data)
    return writer


def start(number: int = 1) -> dict:
    return {"v": 1, "seq": number, "t": float(number), "kind": "start"}


@pytest.mark.parametrize(
    ("chunk", "error", "said"),
    [
        (b"something else\n", OutputNotOurs, "not one that NotebookOutput wrote"),
        (b"\xff\xfe\n", OutputNotOurs, "not one that NotebookOutput wrote"),
        (seal({"v": 99, "kind": "start"}), OutputTooNew, "has version 99"),
        (b'{"v": 99}\n{"other": "seal"}\n', OutputTooNew, "has version 99"),
        (seal(start())[:-9], OutputDamaged, "is not whole"),
        (seal({"v": 1, "kind": "text", "title": "x"}), OutputDamaged, "damaged"),
    ],
)
def test_an_output_that_is_not_ours_newer_or_damaged_stops_no_one_and_is_named(
    folder, reader, chunk, error, said
):
    place(folder, chunk)
    followed = follower(folder)
    assert followed.poll() == []
    assert followed.finish(succeeded=True) == []
    assert isinstance(followed.error, error)
    document = followed.document()
    assert document.complete is False
    assert said in document.reason
    with pytest.raises(error, match=said) as raised:
        reader.read_document(str(folder))
    assert raised.value.where


def test_what_came_before_the_damage_stays(folder):
    good = seal({**start(), "kind": "text", "title": "a", "text": "1"})
    place(folder, good, b"garbage\n")
    followed = follower(folder)
    assert [section.title for section in followed.poll()] == ["a"]
    followed.finish(succeeded=True)
    document = followed.document()
    assert [section.title for section in document.sections] == ["a"]
    assert (document.complete, bool(document.reason)) == (False, True)


def test_a_chunk_that_is_being_written_is_waited_for(folder):
    whole = seal({**start(), "kind": "text", "title": "a", "text": "1"})
    writer = place(folder, whole[: len(whole) // 2])
    followed = follower(folder)
    assert followed.poll() == []
    (writer / "c-000001.ndjson").write_bytes(whole)
    assert [section.title for section in followed.poll()] == ["a"]
    assert followed.error is None


def test_a_lost_connection_loses_no_section(folder):
    class Unsteady(LocalFiles):
        """Fails at every request once before it answers."""

        def __init__(self) -> None:
            self.failed: set[str] = set()

        def read_if_there(self, path):
            if path not in self.failed:
                self.failed.add(path)
                raise ConnectionFailed("gone for a moment")
            return super().read_if_there(path)

    output = live(folder)
    for number in range(5):
        output.add_section(str(number), "x")
        output.add_figure(f"figure {number}", png(number + 1))
    output.close()
    followed = DocumentFollower(Unsteady(), str(folder))
    found = []
    for _ in range(100):
        with contextlib.suppress(ConnectionFailed):
            found += followed.poll()
            if followed.ended:
                break
    titles = [title for number in range(5) for title in (str(number), f"figure {number}")]
    assert [section.title for section in found] == titles
    assert [section.image for section in followed.document().sections] == [
        image for number in range(5) for image in (None, png(number + 1))
    ]


def test_chunks_that_were_exchanged_are_found_out(folder, reader):
    output = live(folder)
    output.add_section("a", "1")
    output.close()
    last = chunks(folder)[1]
    event = json.loads(last.read_bytes().splitlines()[0])
    last.write_bytes(seal({**event, "text": "2"}, number=2))
    with pytest.raises(OutputDamaged, match=r"do not match _DONE\.json"):
        reader.read_document(str(folder))
    for other in ("[]", "{}", '{"sha256": []}'):
        (writer_folders(folder)[0] / "_DONE.json").write_text(other)
        with pytest.raises(OutputDamaged, match=r"do not match _DONE\.json"):
            reader.read_document(str(folder))
    # as it is while it is written
    (writer_folders(folder)[0] / "_DONE.json").write_text('{"sha2')
    assert reader.read_document(str(folder)).complete


def test_any_prefix_of_a_run_can_be_read(folder, tmp_path, reader):
    output = live(folder)
    for number in range(6):
        output.add_section(str(number), "x")
    output.add_figure("figure", png())
    output.close()
    for count in range(1, len(chunks(folder)) + 1):
        prefix = tmp_path / f"prefix{count}"
        place(prefix, *(path.read_bytes() for path in chunks(folder)[:count]))
        document = reader.read_document(str(prefix))
        assert document.complete is (count == len(chunks(folder)))
        assert document.reason.startswith("output incomplete") is not document.complete
        titles = [section.title for section in document.sections]
        assert titles == [*map(str, range(6)), "figure"][: count - 1]


@pytest.mark.parametrize(
    ("succeeded", "complete", "status"),
    [(True, True, "finished"), (False, False, "failed"), (None, False, "running")],
)
def test_a_notebook_that_did_not_close_its_output(folder, succeeded, complete, status):
    output = live(folder)
    output.add_section("a", "1")
    followed = follower(folder)
    begun = time.monotonic()
    followed.finish(succeeded=succeeded)
    assert time.monotonic() - begun < 30
    document = followed.document()
    assert (document.complete, document.status) == (complete, status)
    assert bool(document.reason) is not complete
    output.close()


def test_what_is_written_while_a_run_ends_is_still_read(folder, monkeypatch):
    output = live(folder)
    followed = follower(folder)
    followed.poll()

    def close_meanwhile(seconds):
        output.add_section("last", "1")
        output.close()

    monkeypatch.setattr(time, "sleep", close_meanwhile)
    assert [section.title for section in followed.finish(succeeded=False, grace=5.0)] == ["last"]
    assert followed.document().complete is True


def test_a_run_that_wrote_nothing_has_no_document(folder, reader):
    followed = follower(folder)
    assert followed.poll() == []
    assert followed.finish(succeeded=False) == []
    assert followed.document() is None
    folder.mkdir()
    with pytest.raises(OutputNotOurs, match="holds no output"):
        reader.read_document(str(folder))


def test_an_output_that_may_not_be_read_stops_no_one(folder):
    class Closed(LocalFiles):
        def names(self, path):
            raise OutputForbidden("no", where=path)

    followed = DocumentFollower(Closed(), str(folder))
    assert followed.poll() == []
    assert "no" in followed.document().reason


def test_a_writer_s_own_folder_can_be_named_too(folder, reader):
    output = live(folder)
    output.add_section("a", "1")
    output.close()
    assert reader.read_document(str(writer_folders(folder)[0])).complete


def test_looking_again_costs_one_request_and_a_listing_now_and_then(folder):
    class Counting(LocalFiles):
        asked: list[str]

        def names(self, path):
            self.asked.append("list")
            return super().names(path)

        def read_if_there(self, path):
            self.asked.append("read")
            return super().read_if_there(path)

    files = Counting()
    files.asked = []
    followed = DocumentFollower(files, str(folder))
    followed.poll()
    assert files.asked == ["list"]
    output = live(folder)
    followed.poll()
    files.asked.clear()
    for _ in range(8):
        followed.poll()
    assert files.asked.count("read") == 8
    assert files.asked.count("list") == 2
    output.close()


def test_follow_gives_each_section_and_ends_with_the_document(folder, reader):
    output = live(folder)
    output.add_section("a", "1")
    sections = reader.follow(str(folder))
    assert next(sections).title == "a"
    output.add_section("b", "2")
    assert next(sections).title == "b"
    output.close()
    assert list(sections) == []


def test_follow_of_a_file_is_its_text(tmp_path, reader):
    (tmp_path / "a.txt").write_text("said")
    (section,) = reader.follow(str(tmp_path / "a.txt"))
    assert (section.kind, section.text) == ("text", "said")


def test_outputs_of_two_writers_are_copied_by_time(folder, reader):
    one, two = live(folder), live(folder)
    for number in range(3):
        one.add_section(f"one {number}", "x")
        two.add_section(f"two {number}", "x")
    one.close()
    two.close()
    text = reader.read_output(str(folder))
    titles = [line[2:] for line in text.split("\n") if line.startswith("📊")]
    assert titles == ["one 0", "two 0", "one 1", "two 1", "one 2", "two 2"]
    assert document_text(reader.read_document(str(folder))) == text


def test_follow_never_hangs(folder, reader):
    output = live(folder)
    output.add_section("a", "1")
    found = list(reader.follow(str(folder), run_ended=lambda: True))
    assert [section.kind for section in found] == ["text", "warning"]
    assert found[-1].text.startswith("output incomplete")
    found = list(reader.follow(str(folder), silence=0.0))
    assert found[-1].text == "nothing has come for 0 s"
    place(folder, b"garbage", name=f"9{ATTEMPT[1:]}.1")
    found = list(reader.follow(str(folder), run_ended=lambda: True))
    assert "not one that NotebookOutput wrote" in found[-1].text
    output.close()


def test_each_way_in_which_a_file_is_no_text_is_an_error_of_its_own(tmp_path, reader):
    (tmp_path / "a.txt").write_text("héllo wörld", encoding="utf-8")
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "b.bin").write_bytes(b"0123456789\xff\xfe")
    (tmp_path / "cut.txt").write_bytes("0123456789é".encode()[:-1])
    assert reader.read_output(str(tmp_path / "a.txt")) == "héllo wörld"
    for name, error, said in (
        ("none.txt", OutputMissing, "there is no output"),
        ("empty.txt", OutputEmpty, "the file is empty"),
        ("b.bin", OutputNotText, "byte 10 is none"),
        ("cut.txt", OutputNotText, "byte 10 is none"),
    ):
        with pytest.raises(error, match=said) as raised:
            reader.read_output(str(tmp_path / name))
        assert raised.value.hint


def test_a_copy_is_whole_or_not_there(tmp_path, reader, monkeypatch):
    source, target = tmp_path / "a.bin", tmp_path / "copies" / "a.bin"
    source.write_bytes(bytes(range(256)) * 3)
    heard = []
    size = reader.copy_output(str(source), target, lambda done, total: heard.append((done, total)))
    assert size == 768
    assert target.read_bytes() == source.read_bytes()
    assert heard[-1] == (768, 768)
    monkeypatch.setattr(ReadFiles, "blocks", lambda self, path: iter([b"x", 7]))
    with pytest.raises(TypeError):
        reader.copy_output(str(source), target)
    assert target.read_bytes() == source.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["a.bin"]
    (tmp_path / "empty").write_bytes(b"")
    monkeypatch.undo()
    with pytest.raises(OutputEmpty):
        reader.copy_output(str(tmp_path / "empty"), tmp_path / "never")
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("block", [7, 1000, 10_000_000])
def test_a_text_that_was_split_is_read_as_one(tmp_path, reader, monkeypatch, block):
    from brickloop.runtime.stream import split_text

    monkeypatch.setattr(ReadFiles, "block", block)
    text = "zeile mit ü\n" * 20_000
    for name, data in split_text("out.txt", text.encode(), 100_000):
        (tmp_path / name).write_bytes(data)
    assert len(list(tmp_path.iterdir())) > 2
    assert reader.read_output(str(tmp_path / "out.txt")) == text
    assert reader.copy_output(str(tmp_path / "out.txt"), tmp_path / "copy") == len(text.encode())
    assert (tmp_path / "copy").read_text(encoding="utf-8") == text
    (tmp_path / "loop").write_bytes(b"x\n[brickloop: continued in loop]\n")
    with pytest.raises(OutputDamaged, match="continued in itself"):
        reader.read_output(str(tmp_path / "loop"))


def test_a_live_document_is_read_and_copied_as_text(folder, tmp_path, reader):
    output = live(folder)
    output.metadata["who"] = "me"
    output.add_query_result("Rows", "SELECT 1", [{"a": 1}])
    output.add_figure("Figure", png())
    text = reader.read_output(str(folder))
    assert "NOTEBOOK OUTPUT\n" in text
    assert "who: me\n" in text
    assert "📊 Rows\n" + "-" * 100 + "\nQuery: SELECT 1\n\nResults:\na\n-\n1\n" in text
    assert f"[figure, image/png, {len(png())} bytes]" in text
    assert "📊 Output incomplete" in text
    output.close()
    reader.copy_output(str(folder), tmp_path / "copy.txt")
    copied = (tmp_path / "copy.txt").read_text(encoding="utf-8")
    assert "incomplete" not in copied
    assert copied == reader.read_output(str(folder))


def test_hostile_text_arrives_as_it_is_for_views_to_make_harmless(folder):
    evil = "\x1b]0;title\x07\x1b[2J<script>alert(1)</script>\u202e"
    output = live(folder)
    output.add_section(evil, evil)
    output.add_dataframe(evil, [{evil: evil}])
    output.close()
    first, second = follower(folder).poll()
    assert (first.title, first.text) == (evil, evil)
    assert second.rows == ((evil,),)
