"""What a person sees of a run: on a terminal of 80 and of 120 columns, narrow, and piped.

The golden files are what is seen without colours; ``BRICKLOOP_WRITE_GOLDEN=1`` writes them anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.unit.display.samples import CELLS, SECTIONS, failed, on_terminal, status, succeeded

from brickloop.display.run_view import RunView
from brickloop.model.document import Section
from brickloop.model.run import CellResult, LifeCycle, ResultState, RunResult, TextOutput

GOLDEN = Path(__file__).parent / "golden"
SGR = re.compile(r"\x1b\[[0-9;]*m")
WRITE = bool(os.environ.get("BRICKLOOP_WRITE_GOLDEN"))


def show_everything() -> None:
    view = RunView("02_clean", keep_figure=lambda title, mime, data: Path("outputs/x.png"))
    view.started("02_clean", 7, "https://h.example/#job/1/run/7")
    view.status(status())
    for section in SECTIONS:
        view.section(section)
    view.cells(CELLS)
    view.failure(failed())
    view.finished(succeeded(), ("outputs/02_clean.txt", "outputs/02_clean.html"))


def compare(name: str, seen: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if WRITE:
        path.write_text(seen, encoding="utf-8")
    assert seen == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [80, 120, 40])
def test_on_a_terminal(monkeypatch, columns):
    seen = on_terminal(monkeypatch, show_everything, columns)
    assert "\x1b[1m" in seen
    compare(f"terminal_{columns}", SGR.sub("", seen))


def test_piped(capsys):
    show_everything()
    out, err = capsys.readouterr()
    compare("piped", out)
    assert "\x1b" not in out + err
    assert err.splitlines() == [
        "02_clean: run 7  https://h.example/#job/1/run/7",
        "02_clean: 12.5 s, saved outputs/02_clean.txt, outputs/02_clean.html",
    ]
    assert not [line for line in out.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("columns", [20, 34, 61, 80, 120])
def test_nothing_is_wider_than_the_terminal(monkeypatch, columns):
    def show():
        view = RunView("02_clean")
        for section in SECTIONS:
            view.section(section)
        view.cells(CELLS)

    from brickloop.model.text import display_width

    lines = SGR.sub("", on_terminal(monkeypatch, show, columns)).split("\n")
    # what is one line in the notebook may be one line here; the terminal wraps it
    own = [line for line in lines if re.match(r"[╭│├╰─━]", line)]
    assert own
    assert max(map(display_width, own)) <= columns


def test_no_color_keeps_the_boxes_and_has_no_escape(monkeypatch):
    seen = on_terminal(monkeypatch, show_everything, 80, NO_COLOR="1")
    assert "╭" in seen
    assert "\x1b" not in seen


def test_a_dumb_terminal_gets_what_a_pipe_gets(monkeypatch, capsys):
    def show():
        for section in SECTIONS:
            RunView("n").section(section)

    seen = on_terminal(monkeypatch, show, 80, TERM="dumb")
    show()
    assert seen == capsys.readouterr().out


def test_force_color_makes_a_pipe_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    RunView("n").section(SECTIONS[1])
    out = capsys.readouterr().out
    assert "╭" in out
    assert SGR.search(out)


def test_the_failing_line_is_marked_with_its_surroundings_only(capsys):
    source = "\n".join(f"line_{number}" for number in range(1, 41))
    trace = 'File "/x cell 1", line 20, in <module>\n    line_20\nValueError: no'
    from brickloop.model.run import ErrorOutput

    cell = CellResult(0, source, None, "error", (ErrorOutput("ValueError", "no", trace),))
    RunView("n").failure(RunResult(status(ResultState.FAILED), cells=(cell,)))
    out = capsys.readouterr().out
    assert "cell 1, line 20:" in out
    assert ">  20 │ line_20" in out
    assert "line_13" in out
    assert "line_27" in out
    assert "line_12\n" not in out
    assert "… 12 lines above" in out
    assert "… 13 lines below" in out


def test_a_run_that_gives_its_own_reason(capsys):
    RunView("n").failure(RunResult(status(ResultState.TIMEDOUT, message="took too long")))
    out = capsys.readouterr().out
    assert "n: TIMEDOUT" in out
    assert "took too long" in out
    assert "hint: give it more time" in out


def test_progress_moves_on_a_terminal_and_is_four_lines_in_a_log(monkeypatch, capsys):
    def show():
        view = RunView("n")
        view.tick(status(None, LifeCycle.RUNNING), 1.0)
        for done in range(101):
            view.section(Section("progress", "Load", done=done, of=100))
        view.close()

    show()
    out, err = capsys.readouterr()
    assert out == ""
    assert re.findall(r"(\d+)%", err) == ["25", "50", "75", "100"]
    seen = on_terminal(monkeypatch, show, 80)
    assert "n: running, Load [##########..........] 50% (50 of 100)" in seen
    assert "\n" not in seen


def test_the_end_of_a_very_long_text_is_shown_on_a_terminal_and_all_of_it_piped(
    monkeypatch, capsys
):
    text = "x" * 50 + "\n"
    cell = CellResult(0, "loop()", None, "finished", (TextOutput(text * 100_000 + "last"),))

    def show():
        RunView("n").cells((cell,))

    seen = SGR.sub("", on_terminal(monkeypatch, show, 80))
    assert len(seen) < 60_000
    assert "characters before this are in the saved output" in seen
    assert seen.rstrip().endswith("last")
    show()
    assert len(capsys.readouterr().out) > 5_100_000


def test_a_printed_document_is_not_shown_twice(capsys):
    view = RunView("n")
    view.section(SECTIONS[0])
    printed = TextOutput("=" * 100 + "\nNOTEBOOK OUTPUT\n" + "=" * 100)
    view.cells((CellResult(0, "out.write()", None, "finished", (printed,)),))
    assert "NOTEBOOK OUTPUT" not in capsys.readouterr().out


def test_what_was_printed_around_a_document_stays(capsys):
    rule = "=" * 100
    document = f"{rule}\nNOTEBOOK OUTPUT\n{rule}\nGenerated: now\n\na section\n\n{rule}\n"
    view = RunView("n")
    view.section(SECTIONS[0])
    outputs = (
        TextOutput(f"Wrote 512 bytes.\n{document}"),
        TextOutput(f"before\n{document}after\n"),
    )
    capsys.readouterr()
    for output in outputs:
        view.cells((CellResult(0, "out.write()", None, "finished", (output,)),))
    shown = capsys.readouterr().out
    assert "a section" not in shown
    assert "Wrote" not in shown
    assert "before\nafter\n" in shown
