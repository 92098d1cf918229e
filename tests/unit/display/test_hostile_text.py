"""No control character of a notebook, a cell, an error or a server reaches the terminal."""

from __future__ import annotations

import io
import os
import re
import sys
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.display.samples import SECTIONS

from brickloop.display.run_view import RunView
from brickloop.model.document import Section
from brickloop.model.run import (
    CellResult,
    ErrorOutput,
    HtmlOutput,
    ImageOutput,
    LifeCycle,
    ResultState,
    RunResult,
    RunStatus,
    TableOutput,
    TextOutput,
)

CONTROL = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
OURS = re.compile(r"\x1b\[[0-9;]*m")
SEQUENCES = (
    "\x1b[2J", "\x1b]0;title\x07", "\x1b]8;;http://evil\x1b\\x", "\x1bP1;1|\x1b\\", "\x1b_Gx\x1b\\",
    "\x9b31m", "\x1b", "\x1b]", "\r", "\x08", "\x07", "\u202e", "\u2066", "\ud800", "\n", "\x85",
    "[bold]", "[link=http://x]", "\x1b[?1049h", "\x1b]52;c;eA==\x07",
)  # fmt: skip
hostile = st.lists(
    st.one_of(st.sampled_from(SEQUENCES), st.text(st.characters(), max_size=6)), max_size=6
).map("".join)
values = st.one_of(hostile, st.none(), st.integers(), st.floats(), st.booleans(), st.lists(hostile))
kinds = st.one_of(st.sampled_from([section.kind for section in SECTIONS]), hostile)


@st.composite
def sections(draw):
    columns = draw(st.lists(st.tuples(hostile, hostile), max_size=4).map(tuple))
    return Section(
        kind=draw(kinds),
        title=draw(hostile),
        text=draw(hostile),
        query=draw(st.one_of(st.none(), hostile)),
        columns=columns,
        # rows need not be as wide as the table
        rows=draw(st.lists(st.lists(values, max_size=5).map(tuple), max_size=4).map(tuple)),
        mime=draw(st.one_of(st.sampled_from(["image/png", None]), hostile)),
        image=draw(st.one_of(st.none(), st.binary(max_size=40))),
        trace=draw(hostile),
        language=draw(st.one_of(st.none(), hostile)),
        values=draw(st.lists(st.tuples(hostile, values), max_size=3).map(tuple)),
        unit=draw(hostile),
        done=draw(st.one_of(st.none(), st.floats(0, 100))),
        of=draw(st.one_of(st.none(), st.just(100.0))),
        level=draw(hostile),
        notes=draw(st.lists(hostile, max_size=2).map(tuple)),
    )


@st.composite
def results(draw):
    error = ErrorOutput(draw(hostile), draw(hostile), draw(hostile))
    outputs = (
        TextOutput(draw(hostile)),
        TableOutput(((draw(hostile), draw(hostile)),), ((draw(values),),)),
        HtmlOutput(draw(hostile)),
        ImageOutput(draw(hostile), b"\x89PNG"),
    )
    cells = (
        CellResult(0, draw(hostile), draw(st.one_of(st.none(), hostile)), "finished", outputs),
        CellResult(1, draw(hostile), draw(hostile), "error", (error,)),
    )
    status = RunStatus(
        1, 2, LifeCycle.TERMINATED, ResultState.FAILED, draw(hostile), draw(hostile), 0, 1
    )
    return RunResult(
        status,
        exit_value=draw(hostile),
        error=draw(hostile),
        error_trace=draw(hostile),
        cells=draw(st.sampled_from([cells, ()])),
        cells_missing=draw(hostile),
    )


class Stream(io.StringIO):
    encoding = "utf-8"

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def seen_of(section, result, name, terminal, env):
    out, err = Stream(terminal), Stream(False)
    kept = {"COLUMNS": "70", "TERM": "xterm-256color", **env}
    with (
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
        mock.patch.dict(os.environ, kept),
    ):
        view = RunView(name)
        view.started(name, 1, result.status.page_url)
        view.section(section)
        view.cells(result.cells)
        view.failure(result)
        view.finished(result, ())
    return out.getvalue(), err.getvalue()


@settings(max_examples=80, deadline=None)
@given(sections(), results(), hostile)
def test_nothing_foreign_moves_the_cursor(section, result, name):
    for terminal, env in ((False, {}), (True, {"NO_COLOR": "1"})):
        out, err = seen_of(section, result, name, terminal, env)
        allowed = out.replace("\t", "")
        assert not CONTROL.search(allowed), repr(out)
        assert not CONTROL.search(err.replace("\t", "")), repr(err)
    out, _ = seen_of(section, result, name, True, {})
    # in colours there are our own sequences, and they are colours only
    assert not CONTROL.search(OURS.sub("", out).replace("\t", "")), repr(out)
