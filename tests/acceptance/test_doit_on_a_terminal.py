"""`doit -n 4` on a terminal: one line that moves, whole blocks above it, and Ctrl-C as a key."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.acceptance.conftest import write_notebook
from tests.conftest import VOLUME
from tests.fakes.terminal import Screen, Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_NAMES = [f"n{number}" for number in range(6)]
_SECTIONS = 4
_LINES = 12


def test_the_screen_of_the_tests_is_one():
    screen = Screen(10)
    screen.feed("first\r\n⠋ n: running")
    assert screen.rows == ["first", "⠋ n: runni", "ng"], "it wraps, as a terminal does"
    screen.feed("\r\x1b[2K\x1b[1mbold\x1b")
    screen.feed("[0m\rB")
    assert screen.rows[-1] == "Bold"
    assert screen.wrapped == 1
    with pytest.raises(AssertionError):
        screen.feed("\x1b[3A")


@pytest.mark.parametrize("columns", [100, 24])
def test_one_line_moves_and_blocks_stay_whole(project, columns):
    _notebooks(project)
    with Terminal(project, "doit", "-n", "4", columns=columns) as terminal:
        terminal.read_until(lambda: any("4 running, 2 waiting" in row for row in _moving(terminal)))
        _open_gate(project)
        assert terminal.finish() == 0, "\n".join(terminal.screen.rows)
    moving = _moving(terminal)
    assert len({row[0] for row in moving}) > 1, "it turns"
    assert all(len(row) < columns for row in moving), "it is cut, never wrapped"
    rows = [row.rstrip() for row in terminal.screen.rows]
    left = [row for row in rows if row[:1] and row[0] in _FRAMES]
    assert left == [], "it is wiped before anything else is written, and at the end"
    for name in _NAMES:
        for number in range(_SECTIONS):
            at = next(index for index, row in enumerate(rows) if f"{name} part {number}" in row)
            block = rows[at + 1 : at + 1 + _LINES]
            assert block == [f"{name}.{number}.{line}" for line in range(_LINES)]
        order = [row for row in rows if row.startswith(f"{name}.")]
        assert order == [f"{name}.{n}.{line}" for n in range(_SECTIONS) for line in range(_LINES)]


def test_ctrl_c_on_the_keyboard_cancels_all_and_leaves_a_clean_screen(project):
    _notebooks(project)
    with Terminal(project, "doit", "-n", "4", columns=100) as terminal:
        terminal.read_until(lambda: any("4 running, 2 waiting" in row for row in _moving(terminal)))
        terminal.press(b"\x03")
        assert terminal.finish() == 130, "\n".join(terminal.screen.rows)
    text = "\n".join(terminal.screen.rows)
    assert text.count("is being cancelled") == 4
    assert "Traceback" not in text
    assert not any(frame in terminal.screen.rows[-1] for frame in _FRAMES)


def _moving(terminal: Terminal) -> list[str]:
    return [row for row in terminal.last_rows if row[0] in _FRAMES]


def _notebooks(project: Path) -> None:
    """Six notebooks that wait for a gate in their midst, so that four run at once for sure."""
    for path in (project / "notebooks").iterdir():
        path.unlink()
    for name in _NAMES:
        write_notebook(
            project / "notebooks" / f"{name}.py",
            "import os, time\nfrom brickloop import NotebookOutput\nout = NotebookOutput()\n"
            "def tell(number):\n"
            f"    lines = [f'{name}.{{number}}.{{line}}' for line in range({_LINES})]\n"
            f"    out.add_section(f'{name} part {{number}}', chr(10).join(lines))",
            f"until = time.monotonic() + 80\nwhile not os.path.exists('{VOLUME}/go'):\n"
            "    assert time.monotonic() < until\n    time.sleep(0.05)",
            f"for number in range({_SECTIONS}):\n    tell(number)\n    time.sleep(0.05)",
        )


def _open_gate(project: Path) -> None:
    store = project / ".brickloop" / "local" / "store" / "volumes"
    (store / VOLUME.removeprefix("/Volumes/") / "go").touch()
