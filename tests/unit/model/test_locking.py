"""The one lock between processes: here as it is, and as it is asked for on Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from brickloop.model.locking import FileLock, is_held, try_lock, unlock

HOLD = (
    "import sys, pathlib; from brickloop.model.locking import FileLock\n"
    "with FileLock(pathlib.Path(sys.argv[1]), wait_seconds=0): print('held', flush=True); input()"
)


def _open(path):
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def test_one_holds_it_until_it_is_given_back_or_closed(tmp_path):
    first, second = _open(tmp_path / "lock"), _open(tmp_path / "lock")
    assert try_lock(first)
    assert not try_lock(second)
    unlock(first)
    assert try_lock(second)
    assert not try_lock(first)
    os.close(second)
    assert try_lock(first)
    os.close(first)


@pytest.fixture
def windows(monkeypatch):
    """msvcrt as far as it locks: a byte range of a file belongs to one handle at a time."""
    held: dict[tuple[int, int], int] = {}

    def locking(handle, mode, count):
        place = (os.fstat(handle).st_ino, os.lseek(handle, 0, os.SEEK_CUR))
        assert count == 1
        if mode == fake.LK_UNLCK:
            del held[place]
        elif held.setdefault(place, handle) != handle:
            raise PermissionError(13, "Permission denied")

    fake = ModuleType("msvcrt")
    fake.LK_NBLCK, fake.LK_UNLCK, fake.locking = 2, 0, locking
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(sys, "platform", "win32")
    return held


def test_on_windows_a_byte_behind_the_content_is_locked(tmp_path, windows):
    path = tmp_path / "lock"
    path.write_text("process 1")
    first, second = _open(path), _open(path)
    assert try_lock(first)
    assert not try_lock(second)
    # locked bytes cannot be read there: the holder's name must not be among them
    assert all(place > len("process 1") for _, place in windows)
    os.lseek(first, 3, os.SEEK_SET)
    unlock(first)
    assert try_lock(second)
    os.close(first)
    os.close(second)


def test_the_locks_of_sync_queries_and_server_work_on_windows(tmp_path, windows):
    from brickloop.errors import HeldBack
    from brickloop.sql.flight import one_at_a_time
    from brickloop.sync.lock import held_lock

    with held_lock(tmp_path / "sync", seconds=0):
        with pytest.raises(HeldBack), held_lock(tmp_path / "sync", seconds=0):
            pass
        assert (tmp_path / "sync").read_text() == f"process {os.getpid()}"
    with held_lock(tmp_path / "sync", seconds=0):
        pass
    with one_at_a_time(tmp_path, "key") as waited:
        assert waited is False
    first = FileLock(tmp_path / "server", wait_seconds=0)
    second = FileLock(tmp_path / "server", wait_seconds=0)
    with first, pytest.raises(TimeoutError), second:
        pass
    with second:
        pass


def test_a_lock_keeps_others_out_until_its_holder_dies(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path) and not path.exists()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    assert is_held(path)
    with pytest.raises(TimeoutError, match="held by another"), FileLock(path, wait_seconds=0.05):
        pass
    holder.kill()
    holder.communicate()
    with FileLock(path, wait_seconds=10):
        assert is_held(path)
    assert not is_held(path)
