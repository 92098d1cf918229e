from __future__ import annotations

import os
import sqlite3
import stat
import sys
import time
from dataclasses import replace

import pytest
from tests.unit.sql.test_entry import TABLE, head

from brickloop.sql.cache import ResultCache
from brickloop.sql.result import write_stream

A, B = "a" * 64, "b" * 64
DATA = write_stream(TABLE)


@pytest.fixture
def told():
    return []


@pytest.fixture
def cache(tmp_path, told):
    opened = ResultCache(tmp_path / "cache", warn=told.append)
    yield opened
    opened.close()


def test_what_was_kept_is_found_by_another_process(cache, tmp_path, told):
    assert cache.put(A, head(), DATA)
    other = ResultCache(tmp_path / "cache")
    entry = other.get(A)
    assert entry is not None
    assert entry.head == head()
    assert bytes(entry.table()) == DATA
    assert other.get(B) is None
    other.close()
    assert told == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_nobody_else_may_look_into_the_directory(cache, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o755)
    cache.put(A, head(), DATA)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_a_damaged_entry_is_taken_away_with_a_word(cache, told):
    big = b"x" * 100_000
    cache.put(A, head(rows=(), row_count=3), big)
    path = next(cache.directory.rglob("*.val"))
    path.write_bytes(path.read_bytes()[:40])
    assert cache.get(A) is None
    assert len(told) == 1
    assert "a cached result is not used" in told[0]
    assert cache.get(A) is None
    assert len(told) == 1


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000])
def test_a_damaged_database_is_said_once_and_can_be_cleared(tmp_path, told, content):
    folder = tmp_path / "cache"
    first = ResultCache(folder)
    first.put(A, head(), DATA)
    first.close()
    for path in folder.glob("cache.db*"):
        path.unlink()
    (folder / "cache.db").write_bytes(content)
    cache = ResultCache(folder, warn=told.append)
    assert cache.get(A) is None
    if content:
        assert cache.put(A, head(), DATA) is False
        assert len(told) == 1
        assert "invoke cache.clear" in told[0]
    cache.clear()
    again = ResultCache(folder, warn=told.append)
    assert again.put(A, head(), DATA)
    assert again.get(A) is not None
    again.close()


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write all")
def test_a_directory_that_cannot_be_written_is_said_once(cache, told):
    cache.directory.mkdir(mode=0o500)
    assert cache.get(A) is None
    assert cache.put(A, head(), DATA) is False
    assert len(told) == 1
    assert "cannot be used" in told[0]


def test_a_path_that_is_a_file_is_said_once(tmp_path, told):
    (tmp_path / "file").write_text("")
    cache = ResultCache(tmp_path / "file", warn=told.append)
    assert cache.get(A) is None
    assert cache.put(A, head(), DATA) is False
    assert len(told) == 1


def test_a_foreign_directory_is_not_used(cache, told, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("Windows has no such owners")
    cache.directory.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert cache.put(A, head(), DATA) is False
    assert "belongs to another user" in told[0]


def test_a_full_disk_is_said_once(cache, told, monkeypatch):
    assert cache.get(A) is None

    def full(*_args, **_options):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("diskcache.Cache.set", full)
    assert cache.put(A, head(), DATA) is False
    assert cache.put(B, head(), DATA) is False
    assert told == [
        f"the cache in {cache.directory} cannot be used (database or disk is full);"
        " the result is not kept"
    ]


def test_old_entries_give_way_at_the_limit(tmp_path, told):
    cache = ResultCache(tmp_path / "cache", size_limit=2_000_000, warn=told.append)
    keys = [f"{number:064x}" for number in range(40)]
    for key in keys:
        assert cache.put(key, head(), b"x" * 200_000)
    there = [key for key in keys if (entry := cache.get(key)) and not entry.close()]
    assert keys[-1] in there
    assert keys[0] not in there
    size = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert size < 4_000_000
    cache.close()


def test_a_result_that_would_push_out_all_others_is_not_kept(tmp_path, told):
    cache = ResultCache(tmp_path / "cache", size_limit=1_000_000, warn=told.append)
    assert cache.put(A, head(), b"x" * 300_000) is False
    assert "is not kept" in told[0]
    cache.close()


def test_results_are_listed_counted_and_cleared_by_age(cache):
    now = time.time()
    cache.put(A, head(created=now - 7200), DATA)
    cache.put(B, head(created=now), DATA)
    cache.note_change("https://one.example")
    assert [entry.key for entry in cache.entries()] == [B, A]
    stats = cache.stats()
    assert stats.entries == 2
    assert stats.bytes > 0
    assert (stats.oldest, stats.newest) == (now - 7200, now)
    assert cache.clear(older_than=3600) == 1
    assert [entry.key for entry in cache.entries()] == [B]
    assert cache.last_change("https://one.example") >= now
    assert cache.last_change("https://two.example") == 0
    assert cache.clear() == 1
    assert cache.stats().entries == 0


def test_no_secret_is_in_the_files(cache):
    cache.put(A, replace(head(), statement="SELECT :token"), DATA)
    cache.close()
    for path in cache.directory.rglob("*"):
        if path.is_file():
            assert b"dapi" not in path.read_bytes()
