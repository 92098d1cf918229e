"""The page of all notebooks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.unit.display.samples import png, status
from tests.unit.report.samples import everything

from brickloop.errors import UsageError
from brickloop.model.document import Document, Section
from brickloop.model.run import LifeCycle, ResultState, RunResult
from brickloop.report.index import collect, render_index, write_index
from brickloop.report.saved import save_outputs

EVIL = '</td><script>alert("x")</script>'


def succeeded(ended=9000):
    figure = Section("figure", "f", mime="image/png", image=png())
    document = Document((figure, figure), complete=True, status="finished")
    return RunResult(replace(status(), started_ms=500, ended_ms=ended), document=document)


def test_entries_are_in_the_order_of_their_runs(tmp_path):
    save_outputs(everything(), tmp_path, "a_late")
    save_outputs(succeeded(), tmp_path, "folder/b_first")
    entries, unread = collect(tmp_path)
    assert unread == []
    assert [(entry.name, entry.error, entry.sections) for entry in entries] == [
        ("folder/b_first", None, 2),
        ("a_late", "KeyError: 'late'", len(everything().document.sections)),
    ]
    # the same figure twice is one
    assert len(entries[0].figures) == 1
    facts = json.loads(json.dumps([entry.as_json() for entry in entries]))
    assert facts[0] == {
        "notebook": "folder/b_first", "state": "SUCCESS", "succeeded": True, "run_id": 7,
        "url": "https://h.example/#job/1/run/7", "started_ms": 500, "ended_ms": 9000,
        "sections": 2, "cells": 0, "complete": True, "error": None,
        "page": str(tmp_path / "folder" / "b_first.html"),
    }  # fmt: skip
    page = render_index(entries, tmp_path, "project")
    assert 'href="folder/b_first.html"' in page
    assert "1 of 2 did not succeed" in page
    assert page.count("<img") == 2


def test_a_page_that_is_missing_is_made_of_the_json(tmp_path):
    page = save_outputs(everything(), tmp_path, "n")[2]
    whole = page.read_text()
    page.unlink()
    collect(tmp_path)
    assert page.read_text() == whole


def test_a_file_does_not_say_where_its_page_is_written(tmp_path):
    path = save_outputs(everything(), tmp_path / "outputs", "n")[1]
    data = json.loads(path.read_text())
    path.with_suffix(".html").unlink()
    path.write_text(json.dumps({**data, "notebook": "../../evil"}))
    entries, _ = collect(tmp_path / "outputs")
    assert [entry.name for entry in entries] == ["n"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["outputs"]


def test_what_is_no_output_is_left_out_and_said(tmp_path):
    save_outputs(succeeded(), tmp_path, "n")
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "torn.json").write_text("{")
    entries, unread = collect(tmp_path)
    assert [entry.name for entry in entries] == ["n"]
    assert [error.message for error in unread] == [
        "is no output that brickloop saved", "is no JSON",
    ]  # fmt: skip


def test_without_outputs_it_is_the_callers_fault(tmp_path):
    with pytest.raises(UsageError, match="there are no outputs in") as caught:
        collect(tmp_path / "outputs")
    assert caught.value.exit_code == 2
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UsageError, match=r"x.json: is no output"):
        collect(tmp_path)


def test_a_notebook_named_index_keeps_its_page(tmp_path):
    page = save_outputs(succeeded(), tmp_path, "index")[2]
    before = page.read_text()
    entries, _ = collect(tmp_path)
    assert write_index(entries, tmp_path, "p").name == "index.of-all.html"
    assert page.read_text() == before


def test_nothing_of_a_run_becomes_markup(tmp_path):
    state = replace(status(ResultState.FAILED, message=EVIL), page_url=f'javascript:"{EVIL}')
    svg = Section("figure", EVIL, mime="image/svg+xml", image=EVIL.encode())
    odd = Section("figure", EVIL, mime=EVIL, image=b"x")
    bad = RunResult(state, error=EVIL, document=Document((svg, odd), reason=EVIL))
    save_outputs(bad, tmp_path, "n")
    entries, _ = collect(tmp_path)
    page = render_index(entries, tmp_path, EVIL)
    assert page.count("<script") == 1
    assert "javascript:" not in page


def test_a_run_that_never_ran_is_shown(tmp_path):
    skipped = replace(
        status(None, LifeCycle.SKIPPED, "another run goes on"), started_ms=0, ended_ms=0
    )
    save_outputs(RunResult(skipped), tmp_path, "n")
    entries, _ = collect(tmp_path)
    page = render_index(entries, tmp_path, "p")
    assert "Skipped" in page
    assert "another run goes on" in page


def test_large_figures_are_made_small_and_what_is_no_image_is_left_out(tmp_path):
    import os

    noise = bytearray(png(400, 300))
    large = Section("figure", "f", mime="image/png", image=bytes(noise) + os.urandom(40_000))
    torn = Section("figure", "g", mime="image/png", image=b"\x89PNG" + os.urandom(40_000))
    vector = Section("figure", "h", mime="image/svg+xml", image=b"<svg>" + b" " * 40_000)
    result = RunResult(status(), document=Document((large, torn, vector), complete=True))
    save_outputs(result, tmp_path, "n")
    entries, _ = collect(tmp_path)
    page = render_index(entries, tmp_path, "p")
    assert page.count("<img") == 1
    assert len(page) < 60_000
