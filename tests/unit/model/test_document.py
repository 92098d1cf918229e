"""Documents: a function of their sealed chunks; what is wrong with them is named."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.notebook import seal

from brickloop.errors import OutputDamaged, OutputNotOurs, OutputTooNew
from brickloop.model.document import (
    Assembler,
    Document,
    Section,
    is_sealed,
    join_documents,
    section_of,
    unsealed_reason,
)


def event(number: int, kind: str = "text", **fields: object) -> dict:
    return {"v": 1, "seq": number, "t": 1000.0 + number, "kind": kind, **fields}


@pytest.mark.parametrize(
    ("chunk", "error", "said"),
    [
        (b"no json\n", OutputNotOurs, "not one that NotebookOutput wrote"),
        (b'{"a": 1}\n', OutputNotOurs, "not one that NotebookOutput wrote"),
        (b'{"v": true}\n', OutputNotOurs, "not one that NotebookOutput wrote"),
        (b"[" * 100_000 + b"\n", OutputNotOurs, "not one that NotebookOutput wrote"),
        (b"\xff\xfe\n", OutputNotOurs, "not one that NotebookOutput wrote"),
        (seal({"v": 99, "kind": "start"}), OutputTooNew, "has version 99"),
        (seal(event(1, "text")), None, ""),
        (seal(event(1, "start"), event(1, title="x")), OutputDamaged, "event 1 came after event 1"),
        (seal({"v": 1, "kind": "text", "title": "x"}), OutputDamaged, "'seq'"),
        (seal(event(1, "end", status="finished")), OutputDamaged, "'seconds'"),
        (seal(event(1, "metadata", values=[1])), OutputDamaged, "damaged"),
        (seal(event(1, "table", title="x", columns=[["a", ""]], rows=[[1, 2]])), OutputDamaged,
         "a row has another length"),
        (seal(event(1, "table", title="x", columns=7)), OutputDamaged, "damaged"),
        (seal(event(1, "figure", title="x", data="%%%")), OutputDamaged, "damaged"),
        (seal(event(1, "figure", title="x", blob="../../etc/passwd")), OutputDamaged,
         "names no blob"),
        (seal(event(1, "part", part=2, of=2, data="")), OutputDamaged, "part 2 of a section"),
        (seal(event(1, "part", part=1, of=1, data="%")), OutputDamaged, "damaged"),
        (seal(event(1, "part", part=1, of=1, data=base64.b64encode(b"x").decode())), OutputNotOurs,
         "not one that NotebookOutput wrote"),
    ],
)  # fmt: skip
def test_a_chunk_that_is_none_newer_or_damaged_is_named(chunk, error, said):
    if error is None:
        assert Assembler().feed(chunk) == []
        return
    with pytest.raises(error, match=said):
        Assembler().feed(chunk)


def test_a_chunk_that_has_not_come_whole_is_not_sealed():
    whole = seal(event(1, title="x", text="y"))
    assert is_sealed(whole)
    for end in range(len(whole)):
        assert not is_sealed(whole[:end])
    for end in range(len(whole)):
        assert isinstance(unsealed_reason(whole[:end]), OutputDamaged)
    assert isinstance(unsealed_reason(b"something else"), OutputNotOurs)
    with pytest.raises(OutputTooNew):
        is_sealed(b'{"v": 2, "kind": "start"}\n{"v": 2, "other": "seal"}\n')


def test_what_a_newer_writer_adds_is_passed_over():
    found = Assembler().feed(
        seal(
            event(1, "start", params={"a": 1}, more=[1]),
            event(2, "thing", title="New kind", text="as text", colour="red"),
            event(3, "heartbeat"),
        )
    )
    assert found == [Section("thing", "New kind", text="as text", at=1002.0)]


def test_half_characters_become_question_marks():
    section = section_of(
        {"kind": "table", "title": "\ud800", "columns": [["\udc00", ""]], "rows": [["\ud83d"]]}
    )
    assert (section.title, section.columns, section.rows) == ("?", (("?", ""),), (("?",),))


def test_documents_of_several_writers_are_one_by_time():
    one = Document((Section("text", "a", at=1.0), Section("text", "late", at=0.5)), {"x": "1"},
                   "finished", True, seconds=3.0)  # fmt: skip
    two = Document((Section("text", "b", at=0.7),), {"y": "2"}, "running", False, seconds=1.0)
    joined = join_documents([one, two])
    assert [section.title for section in joined.sections] == ["b", "a", "late"]
    assert joined.metadata == {"x": "1", "y": "2"}
    assert (joined.status, joined.complete, joined.seconds) == ("running", False, 3.0)
    assert join_documents([one]) is one


TEXTS = st.text(max_size=20)
EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda title, text: {"kind": "text", "title": title, "text": text}, TEXTS, TEXTS
        ),
        st.builds(
            lambda title, done: {"kind": "progress", "title": title, "done": done},
            TEXTS,
            st.floats(0, 1),
        ),
        st.builds(lambda values: {"kind": "metadata", "values": values},
                  st.dictionaries(TEXTS, TEXTS, max_size=3)),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.lists(st.integers(1, 4), min_size=1, max_size=12), st.booleans())
def test_any_prefix_of_the_chunks_is_a_valid_document(events, sizes, closed):
    numbered = [event(number, **each) for number, each in enumerate(events, start=1)]
    if closed:
        numbered.append(event(len(numbered) + 1, "end", status="finished", seconds=1.0))
    pieces = []
    at = 0
    while at < len(numbered):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(seal(*numbered[at : at + size]))
        at += size
    assembler, titles = Assembler(), []
    for number, chunk in enumerate(pieces, start=1):
        titles += [each.title for each in assembler.feed(chunk) if each.kind != "progress"]
        document = assembler.document()
        assert [section.title for section in document.sections] == titles
        assert document.complete is (closed and number == len(pieces))
        again = Assembler()
        for earlier in pieces[:number]:
            again.feed(earlier)
        assert again.document() == document
    assert titles == [each["title"] for each in events if each["kind"] == "text"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 10_000), st.integers(1, 255))
def test_no_bytes_make_it_fail_in_another_way(noise, position, flip):
    whole = seal(event(1, title="x", text="y"), event(2, "table", title="t", columns=[["a", ""]]))
    changed = bytearray(whole)
    changed[position % len(whole)] ^= flip
    for chunk in (noise, bytes(changed), whole[: position % len(whole)] + noise):
        try:
            is_sealed(chunk)
            Assembler().feed(chunk)
        except (OutputNotOurs, OutputTooNew, OutputDamaged) as error:
            assert str(error)
