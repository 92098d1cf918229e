"""Every error of a command becomes a line, a hint and an exit code; a fault keeps its trace."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys

import pytest
import requests
from databricks.sdk import errors as sdk
from invoke import Context, Exit

from brickloop.errors import SettingsError
from brickloop.tasks.command import command


@pytest.fixture
def failing(tmp_path, monkeypatch, capsys):
    """Raise an error in a command: its exit code and what it said on stderr."""
    (tmp_path / "tasks.py").write_text("")
    monkeypatch.chdir(tmp_path)

    def run(error: BaseException) -> tuple[int, str]:
        @command()
        def fail(_context):
            raise error

        with pytest.raises(Exit) as caught:
            fail(Context())
        shown = capsys.readouterr().err + (caught.value.message or "")
        return caught.value.code, shown

    return run


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SettingsError("is wrong", where="f", hint="mend it"), 2, "error: f: is wrong\n  mend it"),
        (sdk.NotFound("no such run"), 1, "no such run"),
        (sdk.Unauthenticated("token expired"), 3, "token expired"),
        (requests.ConnectionError("Connection refused"), 3, "connection refused"),
        (requests.ReadTimeout("x"), 3, "connected, but no answer"),
        (sqlite3.OperationalError("database is locked"), 1, "another command works with it"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "make room on the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "out.csv"), 1, "out.csv: permission"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_is_said_in_lines(failing, tmp_path, error, code, said):
    found, shown = failing(error)
    assert found == code
    assert said in shown
    assert "Traceback" not in shown
    assert not (tmp_path / ".brickloop").exists()


def test_a_fault_is_named_as_ours_and_its_trace_is_kept_for_the_owner_alone(failing, tmp_path):
    code, shown = failing(KeyError("secret thing"))
    assert code == 1
    assert "this is a fault of brickloop: KeyError" in shown
    assert "Traceback" not in shown
    log = tmp_path / ".brickloop" / "fault.log"
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_an_exit_is_left_alone(failing):
    assert failing(Exit(code=10)) == (10, "")


def test_a_reader_that_goes_away_ends_a_command_quietly(tmp_path):
    script = (
        "from invoke import Context\nfrom brickloop.tasks.command import command\n"
        "from brickloop.display import console\n"
        "@command()\ndef talk(_c):\n    while True: console.write('line')\n"
        "import invoke\ntry:\n    talk(Context())\nexcept invoke.Exit as left:\n"
        "    raise SystemExit(left.code)\n"
    )
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, cwd=tmp_path
    )
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")


def test_a_fault_in_a_folder_that_is_gone_is_said_too(failing, tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    code, shown = failing(KeyError("x"))
    assert code == 1
    assert "fault of brickloop" in shown
