from __future__ import annotations

import sys
from pathlib import Path

import pytest

from brickloop.model.whole_file import whole_file, write_whole


def test_content_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a file.txt"
    write_whole(path, "grün\n", durable=True)
    assert path.read_bytes() == "grün\n".encode()
    write_whole(path, b"\x00\r\n\xff")
    assert path.read_bytes() == b"\x00\r\n\xff"
    write_whole(path, "half \ud800")
    assert path.read_text() == "half ?"
    assert [each.name for each in tmp_path.iterdir()] == ["a file.txt"]


def test_where_it_fails_nothing_changed(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and [each.name for each in tmp_path.iterdir()] == ["kept"]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "x", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_modes(tmp_path: Path) -> None:
    private, plain, program = tmp_path / "private", tmp_path / "plain", tmp_path / "program"
    private.touch(0o644)
    write_whole(private, "s", private=True)
    assert private.stat().st_mode & 0o777 == 0o600
    plain.touch()
    umask_mode = plain.stat().st_mode
    plain.unlink()
    write_whole(plain, "p")
    assert plain.stat().st_mode == umask_mode
    program.touch()
    program.chmod(0o750)
    write_whole(program, "#!")
    assert program.stat().st_mode & 0o777 == 0o750


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 127)
    write_whole(path, "x")
    assert path.read_text() == "x"
