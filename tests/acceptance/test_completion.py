"""Completion in real shells: the script is read as a person's start-up file reads it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

BIN = str(Path(sys.executable).parent)
LIMIT = 60.0


def _needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture
def shell_home(project, tmp_path, monkeypatch):
    """A home without start-up files, with the environment's programs on the PATH."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(project)
    return home


class Terminal:
    """An interactive shell on a terminal, typed into as a person does."""

    def __init__(self, *command):
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.environ.update(TERM="xterm", PS1="ready> ", COLUMNS="200", LINES="50")
            os.execvp(command[0], command)
        self.seen = ""

    def type(self, text):
        os.write(self._terminal, text.encode())

    def wait_for(self, text):
        """Read until a text has been seen; raises AssertionError after a long time."""
        deadline = time.monotonic() + LIMIT
        while text not in self.seen:
            assert time.monotonic() < deadline, f"never seen: {text!r} in {self.seen[-500:]!r}"
            if select.select([self._terminal], [], [], 0.2)[0]:
                self.seen += os.read(self._terminal, 65536).decode("utf-8", "replace")
        self.seen = self.seen.split(text, 1)[1]

    def close(self):
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)


@pytest.fixture
def terminal(shell_home):
    """Open an interactive shell; it is ended afterwards."""
    opened = []

    def open_it(*command):
        opened.append(Terminal(*command))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


@_needs("bash")
def test_bash_completes_on_a_terminal(terminal):
    shell = terminal("bash", "--norc", "--noprofile", "-i")
    shell.wait_for("ready> ")
    shell.type('eval "$(invoke completion bash)"; echo is-$((1 + 1))\n')
    shell.wait_for("is-2")
    shell.type("invoke sync.bid\t")
    shell.wait_for("sync.bidirectional ")
    shell.type("--dry\t")
    shell.wait_for("--dry-run ")
    shell.type("\x15doit run:b_\t")
    shell.wait_for("run:b_sum ")
    shell.type("\x15invoke run notebooks/c\t")
    shell.wait_for("notebooks/c_alone.py ")
    shell.type("\x15brickloop query --file do\t")
    shell.wait_for("dodo.py ")


@_needs("bash")
def test_bash_finds_the_brickloop_beside_a_program_that_is_typed_by_its_path(terminal, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    shell = terminal("bash", "--norc", "--noprofile", "-i")
    shell.wait_for("ready> ")
    shell.type(f'eval "$({BIN}/invoke completion bash)"; echo is-$((1 + 1))\n')
    shell.wait_for("is-2")
    shell.type(f"{BIN}/invoke cache.st\t")
    shell.wait_for("cache.stats ")


@_needs("zsh")
def test_zsh_completes_on_a_terminal(terminal):
    shell = terminal("zsh", "-f", "-i")
    shell.type("autoload -Uz compinit; compinit -u\n")
    shell.type('eval "$(invoke completion zsh)"; echo is-$((1 + 1))\n')
    shell.wait_for("is-2\r\n")
    shell.type("invoke sync.bid\t")
    shell.wait_for("sync.bidirectional")
    shell.type("--dry\t")
    shell.wait_for("--dry-run")
    shell.type("\x15doit run:b_\t")
    shell.wait_for("b_sum")
    shell.type("\x15invoke run notebooks/c\t")
    shell.wait_for("c_alone.py")
    shell.type("\x15brickloop query --file do\t")
    shell.wait_for("dodo.py")


@_needs("fish")
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("invoke sync.bid", "sync.bidirectional\tCarry changes both ways"),
        ("invoke sync.push --dry", "--dry-run\tshow the plan"),
        ("doit run:b_", "run:b_sum"),
        ("invoke run notebooks/c", "notebooks/c_alone.py"),
        ("brickloop query --file do", "dodo.py"),
    ],
)
def test_fish_completes(shell_home, line, found):
    script = f"invoke completion fish | source; complete -C '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], capture_output=True, text=True, timeout=LIMIT
    )
    assert found in done.stdout, done.stderr
