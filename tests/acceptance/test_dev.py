"""``invoke dev.*`` as a person types it: on a terminal, ended by Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.acceptance.conftest import type_command, write_notebook

LIMIT = 120.0
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """A command on a pseudo-terminal of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        program = shutil.which(words[0], path=str(Path(sys.executable).parent))
        assert program
        self._handle, theirs = pty.openpty()
        # through a shell of its own session, the terminal becomes the one that Ctrl-C comes from
        script = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        script += "os.execv(sys.argv[1], sys.argv[1:])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, program, *words[1:]],
            cwd=folder,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._data = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """What has been written so far, without colours and moves."""
        return _CODES.sub("", self._data.decode("utf-8", "replace"))

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until a text has been written so often."""
        deadline = time.monotonic() + LIMIT
        while self.text.count(text) < times:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.text}"
            assert self.process.poll() is None, self.text
            time.sleep(0.02)

    def press_control_c(self) -> int:
        """Press Ctrl-C; the exit code."""
        os.write(self._handle, b"\x03")
        code = self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        return code

    def close(self) -> None:
        """End what is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(LIMIT)
        os.close(self._handle)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._handle, 65536)
            except OSError:
                return
            if not data:
                return
            self._data += data


@pytest.fixture
def terminal(project):
    opened: list[Terminal] = []

    def open_terminal(*words: str) -> Terminal:
        opened.append(Terminal(project, *words))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def processes_of(root: Path) -> list[str]:
    """The command lines of processes that name a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(root) in line:
                found.append(line)
    return found


def test_watch_runs_locally_what_is_saved_until_ctrl_c(terminal, project):
    notebook = project / "notebooks" / "c_alone.py"
    shown = terminal("invoke", "dev.watch", "notebooks/c_alone.py", "--local")
    shown.wait_for("watching 1 notebook")
    write_notebook(notebook, "print('six times', 6 * 7)")
    shown.wait_for("six times 42")
    write_notebook(notebook, "print('six times'")
    shown.wait_for("SyntaxError")
    notebook.write_text("")
    notebook.unlink()
    write_notebook(notebook, "print('slow', 1 + 1, flush=True)", "import time\ntime.sleep(600)")
    shown.wait_for("slow 2")
    # the module counts, too, from now on
    write_notebook(notebook, "from shared import FACTOR\nprint('factor', FACTOR)")
    shown.wait_for("starts anew")
    shown.wait_for("factor 10")
    (project / "notebooks" / "shared.py").write_text("FACTOR = 11\n")
    shown.wait_for("factor 11")
    write_notebook(notebook, "print('slow', 2 + 2, flush=True)", "import time\ntime.sleep(600)")
    shown.wait_for("slow 4")
    assert shown.press_control_c() == 130
    assert "Traceback" not in shown.text.split("SyntaxError")[-1]
    if Path("/proc").is_dir():
        assert processes_of(project / ".brickloop" / "local") == []


def test_a_watch_keeps_the_cells_before_the_first_change(terminal, project):
    notebook = project / "notebooks" / "c_alone.py"
    first = "import os, time\ntime.sleep(0.1)\nmark = os.urandom(4).hex()\nprint('made', mark)"
    shown = terminal("invoke", "dev.watch", "notebooks/c_alone.py", "--local", "--from-changed")
    shown.wait_for("watching 1 notebook")
    write_notebook(notebook, first, "print('then', mark)")
    shown.wait_for("then")
    # what a cancelled run has done is kept, too
    write_notebook(notebook, first, "print('waits', mark)", "time.sleep(600)")
    shown.wait_for("waits")
    write_notebook(notebook, first, "print('ended', mark)")
    shown.wait_for("ended")
    assert shown.text.count("1 cell kept from the last run (cell 2 is another)") == 2
    marks = re.findall(r"(?:made|then|waits|ended) ([0-9a-f]{8})", shown.text)
    assert len(marks) == 6
    assert len(set(marks)) == 1
    assert shown.press_control_c() == 130
    if Path("/proc").is_dir():
        assert processes_of(project / ".brickloop" / "local") == []


def test_from_changed_is_for_local_runs(project):
    done = type_command(project, "invoke", "dev.watch", "--from-changed")
    assert done.returncode == 2
    assert "add --local" in done.stderr


def test_watch_deploys_what_is_saved_and_what_comes_after(terminal, project):
    shown = terminal("invoke", "dev.watch", "--profile", "local")
    shown.wait_for("watching 4 notebooks")
    source = (project / "notebooks" / "a_load.py").read_text()
    (project / "notebooks" / "a_load.py").write_text(source.replace("range(4)", "range(5)"))
    shown.wait_for("notebooks/a_load")
    shown.wait_for("loaded")
    shown.wait_for("b_sum: Total")
    shown.wait_for("d_count.html")
    write_notebook(project / "notebooks" / "c_alone.py", "import time", "time.sleep(600)")
    shown.wait_for("c_alone: run")
    assert shown.press_control_c() == 130
    runs = type_command(project, "invoke", "runs", "--limit", "1", "--profile", "local")
    assert "CANCELED" in runs.stdout, runs.stdout


def test_ctrl_c_ends_a_local_run(terminal, project):
    write_notebook(
        project / "notebooks" / "c_alone.py", "print('in')", "import time\ntime.sleep(600)"
    )
    shown = terminal("invoke", "dev.run", "notebooks/c_alone.py", "--local")
    shown.wait_for("c_alone [1]")
    assert shown.press_control_c() == 130
    assert "being cancelled" in shown.text and "Traceback" not in shown.text


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
def test_the_kernel_ends_with_a_watch_that_is_killed(terminal, project):
    shown = terminal("invoke", "dev.watch", "notebooks/c_alone.py", "--local", "--now")
    shown.wait_for("11")
    place = project / ".brickloop" / "local"
    assert processes_of(place)
    shown.process.kill()
    deadline = time.monotonic() + LIMIT
    while processes_of(place):
        assert time.monotonic() < deadline, processes_of(place)
        time.sleep(0.05)


def test_run_and_deploy(project):
    done = type_command(project, "invoke", "dev.run", "notebooks/c_alone.py", "--local")
    assert done.returncode == 0, done.stderr
    assert "\n11\n" in done.stdout
    write_notebook(project / "notebooks" / "c_alone.py", "1 / 0")
    done = type_command(project, "invoke", "dev.run", "notebooks/c_alone.py", "--local")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    done = type_command(project, "invoke", "dev.deploy", "notebooks/c_alone.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("/.brickloop/notebooks/c_alone\n")
    done = type_command(project, "invoke", "dev.run", "notebooks/c_alone.py")
    assert done.returncode == 1 and "ZeroDivisionError" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dev.watch", "missing.py", "--local"], "there is no such file or folder"),
        (["dev.run", "missing.py", "--local"], "there is no such file"),
        (["dev.run", "notebooks/shared.py", "--local"], "is no notebook"),
        (["dev.watch", "notebooks", "--local", "-p", "x"], "'x' is no parameter"),
        (["dev.deploy", "missing.py"], "there is no such file"),
    ],
)
def test_bad_words_end_with_2(project, words, said):
    done = type_command(project, "invoke", *words)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert said in done.stderr and "Traceback" not in done.stderr
