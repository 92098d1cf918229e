"""Sending one file: what is overwritten and what is held."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.workspace import ROOT, FakeWorkspace

from brickloop.errors import HeldBack, NotebookError
from brickloop.model.notebook import Language, NotebookFormat, header_line
from brickloop.sync.ledger import Ledger
from brickloop.sync.remote import Ambiguous, Content, Kind, Throttled
from brickloop.sync.transfer import Pushed, find_collisions, push_content, workspace_name

PATH = f"{ROOT}/d/f"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db")


def push(fake: FakeWorkspace, ledger: Ledger, data: bytes) -> Pushed:
    return push_content(fake, ledger, "t", Content(Kind.FILE, data), PATH)


def test_a_new_file_makes_its_parents_and_is_sent_once(ledger: Ledger) -> None:
    fake = FakeWorkspace()
    assert push(fake, ledger, b"1").created
    assert not push(fake, ledger, b"1").sent
    assert push(fake, ledger, b"2").sent
    assert fake.items[PATH].data == b"2"


def test_an_unseen_version_is_held(ledger: Ledger) -> None:
    fake = FakeWorkspace()
    fake.file(PATH, b"theirs")
    with pytest.raises(HeldBack, match="changed in the workspace"):
        push(fake, ledger, b"mine")
    assert fake.items[PATH].data == b"theirs"


def test_an_edit_since_the_last_push_is_held_and_a_deletion_is_healed(ledger: Ledger) -> None:
    fake = FakeWorkspace()
    push(fake, ledger, b"1")
    fake.file(PATH, b"theirs")
    with pytest.raises(HeldBack):
        push(fake, ledger, b"2")
    fake.remove(PATH)
    assert push(fake, ledger, b"2").created


def test_a_lost_answer_is_understood_at_the_next_push(ledger: Ledger) -> None:
    fake = FakeWorkspace()
    push(fake, ledger, b"1")

    def lose(call: str, path: str) -> None:
        if call == "put":
            raise Ambiguous("lost", where=path)

    fake.after = lose
    with pytest.raises(Ambiguous):
        push(fake, ledger, b"2")
    fake.after = lambda _call, _path: None
    assert not push(fake, ledger, b"2").sent


def notebook(text: str, language: Language = Language.PYTHON) -> Content:
    data = f"{header_line(language)}\n{text}\n".encode()
    return Content(Kind.NOTEBOOK, data, language, NotebookFormat.SOURCE)


def test_a_notebook_of_another_language_overwrites_what_was_sent(ledger: Ledger) -> None:
    fake = FakeWorkspace()
    assert push_content(fake, ledger, "t", notebook("1"), PATH).created
    assert push_content(fake, ledger, "t", notebook("select 1", Language.SQL), PATH).sent
    assert fake.items[PATH].language is Language.SQL


def test_a_file_that_became_a_notebook_takes_its_place(ledger: Ledger) -> None:
    fake = FakeWorkspace()
    push(fake, ledger, b"1")
    assert push_content(fake, ledger, "t", notebook("1"), PATH).sent
    assert fake.items[PATH].kind is Kind.NOTEBOOK


@pytest.mark.parametrize("known", [False, True])
def test_a_folder_in_the_place_stays(ledger: Ledger, known: bool) -> None:
    fake = FakeWorkspace()
    if known:
        push(fake, ledger, b"1")
        fake.remove(PATH)
    fake.mkdirs(PATH)
    fake.file(f"{PATH}/theirs", b"theirs")
    with pytest.raises(HeldBack):
        push(fake, ledger, b"2")
    assert fake.items[f"{PATH}/theirs"].data == b"theirs"


def test_the_same_content_put_there_by_somebody_is_taken_as_sent(ledger: Ledger) -> None:
    fake = FakeWorkspace()
    fake.notebook(PATH, "1")
    assert not push_content(fake, ledger, "t", notebook("1"), PATH).sent
    fake.calls.clear()
    assert not push_content(fake, ledger, "t", notebook("1"), PATH).sent
    assert [call for call, _ in fake.calls] == ["status"]


def test_a_throttled_push_looks_again_before_it_writes(ledger: Ledger) -> None:
    fake = FakeWorkspace()
    push(fake, ledger, b"1")

    def throttle(call: str, path: str) -> None:
        if call == "put":
            fake.before = lambda _call, _path: None
            fake.file(PATH, b"theirs")
            raise Throttled("wait", where=path, seconds=0)

    fake.before = throttle
    with pytest.raises(HeldBack):
        push(fake, ledger, b"2")
    assert fake.items[PATH].data == b"theirs"


def test_names_and_collisions() -> None:
    assert workspace_name(Path("a.py"), b"# Databricks notebook source\n") == "a"
    assert workspace_name(Path("a.py"), b"import os\n") == "a.py"
    assert workspace_name(Path("a.ipynb"), b"{}") == "a"
    find_collisions([(Path("a.py"), "/W/a"), (Path("b.py"), "/W/b")])
    with pytest.raises(NotebookError, match=r"'a\.py' and 'a\.sql'"):
        find_collisions([(Path("a.py"), "/W/a"), (Path("a.sql"), "/W/a")])
