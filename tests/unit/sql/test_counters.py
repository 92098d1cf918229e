"""What the cache counts, over threads and processes, and when counting is not possible."""

from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from brickloop.model.locking import FileLock
from brickloop.sql.counters import Counters, Counts


def count(folder: Path, times: int) -> None:
    """Count hits, as another process does; one that finds the file locked tries again."""
    counters = Counters(folder)
    for _ in range(times):
        counters.add(hits=1, saved_seconds=0.25)


def test_counts_add_up_and_begin_anew(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    assert counters.read() == Counts()
    begin = time.time()
    counters.add(hits=2, saved_seconds=1.5)
    counters.add(misses=1)
    counters.add(evictions=3)
    found = counters.read()
    assert replace(found, since=0) == Counts(2, 1, 3, 1.5) and found.since >= begin - 1
    assert (tmp_path / "counters").stat().st_mode & 0o777 == 0o600
    counters.clear()
    assert counters.read() == Counts()


def test_processes_and_threads_count_together(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count, args=(tmp_path, 40)) for _ in range(2)]
    threads = [threading.Thread(target=count, args=(tmp_path, 40)) for _ in range(2)]
    for one in [*processes, *threads]:
        one.start()
    for one in [*processes, *threads]:
        one.join(60)
    found = Counters(tmp_path).read()
    # a count may be left out where the file was busy, but none is torn or lost afterwards
    assert 120 <= found.hits <= 160 and found.saved_seconds == found.hits / 4


def test_a_lock_that_is_held_is_not_waited_for(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    counters.add(hits=1)
    with FileLock(tmp_path / "counters", wait_seconds=5):
        counters.add(hits=1)
    assert counters.read().hits == 1
    counters.add(hits=1)
    assert counters.read().hits == 2


@pytest.mark.parametrize("content", [b"", b"x", b"nonsense" * 20])
def test_a_file_of_somebody_else_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "counters").write_bytes(content)
    counters = Counters(tmp_path)
    assert counters.read() == Counts()
    counters.add(misses=1)
    assert counters.read().misses == 1


def test_nothing_is_told_where_nothing_can_be_counted(tmp_path: Path) -> None:
    counters = Counters(tmp_path / "none")
    counters.add(hits=1)
    counters.clear()
    assert counters.read() == Counts() and [each.name for each in tmp_path.iterdir()] == []
