"""No pickle gets into the cache, none out of it, and no row leads out of its folder."""

from __future__ import annotations

import pickle
import sqlite3

import diskcache
import pytest

from brickloop.sql.disk import BytesDisk, Refused

KEY = "a" * 64


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.fixture
def cache(tmp_path):
    with diskcache.Cache(str(tmp_path / "cache"), disk=BytesDisk) as opened:
        yield opened


def plant(cache, **columns):
    """Write into a row what we would never write."""
    with sqlite3.connect(f"{cache.directory}/cache.db") as connection:
        names = ", ".join(f"{name} = ?" for name in columns)
        connection.execute(f"UPDATE Cache SET {names} WHERE key = ?", (*columns.values(), KEY))
    connection.close()


def test_the_bomb_works_where_pickle_is_read(tmp_path):
    # what the tests below are worth: diskcache's own disk runs it
    with diskcache.Cache(str(tmp_path / "plain")) as plain:
        plain.set(KEY, b"x")
        plant(plain, mode=4, value=pickle.dumps(Bomb(tmp_path / "boom")))
        plain.get(KEY).close()
    assert (tmp_path / "boom").exists()


def test_a_planted_pickle_is_not_read(cache, tmp_path):
    cache.set(KEY, b"x")
    plant(cache, mode=4, value=pickle.dumps(Bomb(tmp_path / "boom")))
    with pytest.raises(Refused):
        cache.get(KEY)
    assert not (tmp_path / "boom").exists()


def test_a_planted_pickle_in_a_file_is_not_read(cache, tmp_path):
    cache.set(KEY, b"x" * 100_000)
    path = next((tmp_path / "cache").rglob("*.val"))
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    plant(cache, mode=4)
    with pytest.raises(Refused):
        cache.get(KEY)
    assert not (tmp_path / "boom").exists()


def test_a_planted_pickle_as_a_key_is_not_read(cache, tmp_path):
    cache.set(KEY, b"x")
    plant(cache, key=pickle.dumps(Bomb(tmp_path / "boom")), raw=0)
    with pytest.raises(Refused):
        list(cache)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("value", ["text", 1, None, True, {"a": 1}, (1, 2), bytearray(b"x")])
def test_nothing_but_bytes_is_written(cache, value):
    with pytest.raises(Refused):
        cache.set(KEY, value)
    assert len(cache) == 0


@pytest.mark.parametrize("key", ["short", 1, ("a", 1), b"a" * 64, None])
def test_no_other_key_is_written_or_asked(cache, key):
    with pytest.raises(Refused):
        cache.set(key, b"x")
    with pytest.raises(Refused):
        cache.get(key)


def test_a_planted_file_name_is_neither_read_nor_removed(cache, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    cache.set(KEY, b"x")
    plant(cache, mode=2, filename="../secret", value=None)
    with pytest.raises(Refused):
        cache.get(KEY)
    cache.delete(KEY)
    assert secret.read_text() == "mine"


def test_a_full_disk_leaves_no_rest(cache, tmp_path, monkeypatch):
    def fill(self, path, iterator, mode, encoding=None):
        from pathlib import Path

        Path(path).parent.mkdir(parents=True)
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(diskcache.Disk, "_write", fill)
    with pytest.raises(OSError, match="No space left"):
        cache.set(KEY, b"x" * 100_000)
    assert not list((tmp_path / "cache").rglob("*.val"))
