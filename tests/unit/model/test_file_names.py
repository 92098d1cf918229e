"""Names that Windows does not take, and paths as they are shown."""

from __future__ import annotations

import ntpath
from pathlib import PureWindowsPath

import pytest

from brickloop.model import file_names
from brickloop.model.file_names import is_device, shown_path, windows_problem


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("con.py", "name of a device"),
        ("etl/NUL", "'NUL' is the name of a device"),
        ("aux .txt", "name of a device"),
        ("com1.tar.gz", "name of a device"),
        ("LPT³", "name of a device"),
        ("etl/a:b.csv", "has ':' in it"),
        ("what?.sql", "has '?' in it"),
        ("a\\b.py", "in it"),
        ("C:/x", "has ':' in it"),
        ("bell\x07.txt", "the character 7"),
        ("load.", "ends with a blank or a dot"),
        ("etl /load.py", "'etl ' ends with a blank"),
    ],
)
def test_what_windows_does_not_take_is_said(path, said):
    assert said in windows_problem(path)


@pytest.mark.parametrize(
    "path",
    [
        "etl/01_load.py",
        "console.py",
        "a b.txt",
        ".gitignore",
        "größe.sql",
        "com10",
        "x/../y",
        "a.b.c",
    ],
)
def test_what_windows_takes_is_no_problem(path):
    assert windows_problem(path) == ""
    assert not PureWindowsPath(path).is_absolute()


def test_python_s_own_list_of_devices_is_among_ours():
    for name in ("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "COM1", "COM²", "LPT9"):
        assert is_device(name)
        assert is_device(f"{name.lower()}.txt")
    assert not is_device("CONTENT")


def test_a_path_is_shown_with_slashes_and_whole_from_another_drive(monkeypatch):
    class Windows:
        """The module os as it is there, as far as paths go."""

        path, sep = ntpath, "\\"

    monkeypatch.setattr(file_names, "os", Windows)
    assert shown_path(r"C:\work\project\etl\load.py", r"C:\work\project") == "etl/load.py"
    assert shown_path(r"C:\work\other\x.py", r"C:\work\project") == "../other/x.py"
    assert shown_path(r"D:\out\x.html", r"C:\work\project") == r"D:\out\x.html"
