"""Whole blocks from threads and processes, and the moving line."""

from __future__ import annotations

import re
import subprocess
import sys
import threading

import pytest
from tests.unit.display.samples import on_terminal

from brickloop.display import console, diagnostics
from brickloop.display.run_view import RunView
from brickloop.display.screen import SCREEN, clock
from brickloop.model.document import Section
from brickloop.model.run import LifeCycle, RunStatus

BLOCK = re.compile(r"^── (\w+): (.*?) ─*\n((?:.*\n)*?)\n", re.M)


def status(life=LifeCycle.RUNNING, url="https://h/#run/7"):
    return RunStatus(7, 8, life, None, "", url, 0, 0)


def test_blocks_of_several_threads_stay_whole(capfd):
    def show(name):
        view = RunView(name)
        for number in range(20):
            view.section(Section("text", f"s{number}", text=f"{name}\n" * 200))

    threads = [threading.Thread(target=show, args=(name,)) for name in ("aaa", "bbb", "ccc")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = BLOCK.findall(capfd.readouterr().out)
    assert len(found) == 60
    assert all(set(body.split()) == {name} for name, _, body in found)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="locks between openings: Linux")
def test_blocks_of_forked_processes_stay_whole():
    script = (
        "import os\n"
        "from brickloop.display.run_view import RunView\n"
        "from brickloop.model.document import Section\n"
        "children = []\n"
        "for name in ('aaa', 'bbb', 'ccc'):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        view = RunView(name)\n"
        "        for number in range(10):\n"
        "            view.section(Section('text', f's{number}', text=f'{name}\\n' * 20_000))\n"
        "        os._exit(0)\n"
        "    children.append(child)\n"
        "for child in children:\n"
        "    os.waitpid(child, 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    found = BLOCK.findall(done.stdout)
    assert len(found) == 30
    assert all(set(body.split()) == {name} for name, _, body in found)


def test_the_link_comes_once_and_nothing_moves_in_a_pipe(capsys):
    view = RunView("n")
    view.started("n", 7, "https://h/#run/7")
    view.status(status())
    view.tick(status(), 3.0)
    view.close()
    view.close()
    assert capsys.readouterr() == ("", "n: run 7  https://h/#run/7\n")


def test_the_moving_line_is_wiped_before_anything_is_printed(monkeypatch):
    def work():
        view = RunView("n")
        view.tick(status(), 65.0)
        console.write("data")
        view.tick(status(LifeCycle.WAITING_FOR_RETRY), 66.0)
        diagnostics.note("note")
        view.close()
        console.write("end")

    seen = on_terminal(monkeypatch, work)
    wipe = "\r\x1b[2K"
    assert re.search(r"\r\x1b\[2K. n: running 1:05\r\x1b\[2Kdata\n", seen)
    assert "n: waiting for retry 1:06" in seen
    assert f"{wipe}note\n" in seen
    assert seen.endswith("end\n")
    # a terminal would show these lines, and nothing of the moving one
    left = [line.rpartition(wipe)[2] for line in seen.split("\n")[:-1]]
    assert left == ["data", "note", "end"]


def test_the_moving_line_moves_by_itself_and_is_cut_to_the_width(monkeypatch):
    def work():
        view = RunView("n" * 300)
        view.tick(status(), 0.0)
        frame = SCREEN._frame
        for _ in range(200):
            if SCREEN._frame > frame + 1:
                break
            threading.Event().wait(0.05)
        view.close()

    drawn = on_terminal(monkeypatch, work).split("\r\x1b[2K")
    assert len({line[:1] for line in drawn if line}) >= 2
    assert max(map(len, drawn)) <= 79


@pytest.mark.parametrize("env", [{"CI": "true"}, {"TERM": "dumb"}])
def test_no_moving_line_in_ci_and_on_a_dumb_terminal(monkeypatch, env):
    def work():
        RunView("n").tick(status(), 1.0)

    assert on_terminal(monkeypatch, work, 80, **env) == ""


def test_characters_that_the_stream_cannot_write_do_not_end_the_program(tmp_path, monkeypatch):
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        console.write("── \ud800 é")
        monkeypatch.undo()
    assert (tmp_path / "out").read_text() == "?? ? ?\n"


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0 s"), (8.9, "8 s"), (65, "1:05"), (7209, "2:00:09")]
)
def test_clock(seconds, said):
    assert clock(seconds) == said


def test_the_moving_line_says_how_many_run_and_wait(monkeypatch):
    def work():
        for name in ("a", "b"):
            RunView(name).tick(status(), 3.0)
        SCREEN.tell_waiting(3)
        SCREEN.forget("a")
        SCREEN.tell_waiting(0)
        SCREEN.wipe()

    text = on_terminal(monkeypatch, work)
    assert "2 running, 3 waiting  a: running 3 s  b: running 3 s" in text
    assert "1 running, 3 waiting  b: running 3 s" in text
    lines = text.split("\x1b[2K")
    assert any("b: running 3 s" in line and "waiting" not in line for line in lines), "alone"
