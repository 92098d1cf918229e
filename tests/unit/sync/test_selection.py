"""What takes part: gitignore's language in patterns, excludes and .gitignore files."""

from __future__ import annotations

from pathlib import Path

import pytest

from brickloop.errors import SettingsError
from brickloop.sync.selection import Selection, sidecar_name


def chosen(selection: Selection, *paths: str) -> list[str]:
    return [path for path in paths if selection.chooses(path)]


def test_patterns_choose_as_a_gitignore_would_leave_out() -> None:
    selection = Selection(None, ["**/*.py", "/data/", "!secret.py"])
    assert chosen(selection, "a.py", "d/e/b.py", "c.txt", "data/x.csv", "d/data/x.csv",
                  "d/secret.py") == ["a.py", "d/e/b.py", "data/x.csv"]  # fmt: skip
    assert selection.is_narrow
    assert not Selection().is_narrow


def test_excludes_leave_out_and_take_back() -> None:
    selection = Selection(None, (), ["*.csv", "!keep.csv", "build/", "/top"])
    assert chosen(selection, "a.csv", "d/keep.csv", "build/keep.csv", "top/x", "d/top") == [
        "d/keep.csv",
        "d/top",
    ]


def test_gitignore_files_count_each_for_its_folder(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / ".gitignore").write_text("*.log\n/out\n")
    (tmp_path / "d" / ".gitignore").write_text("!keep.log\nhere\n")
    selection = Selection(tmp_path)
    paths = ("a.log", "d/a.log", "d/keep.log", "out/x", "d/out/x", "d/here", "here", ".gitignore")
    assert chosen(selection, *paths) == ["d/keep.log", "d/out/x", "here", ".gitignore"]
    (tmp_path / ".gitignore").unlink()
    assert not selection.chooses("a.log")
    selection.forget_ignores()
    assert selection.chooses("a.log")


@pytest.mark.parametrize(
    "path",
    [".git/config", "d/.git/x", ".brickloop/ledger.db", ".databricks/x", ".venv/x",
     "d/node_modules/x.js", "d/__pycache__/x.pyc", "n.py~", ".n.py.swp", "n.py___jb_tmp___",
     ".#n.py", "#n.py#", ".DS_Store", sidecar_name("n.py", "20260101T000000Z", "a" * 64)],
)  # fmt: skip
def test_what_never_takes_part_whatever_the_patterns(path: str) -> None:
    selection = Selection(None, ["**", "!nothing"], ["!**"])
    assert not selection.chooses(path)
    assert "always is" in selection.why(path)


def test_why_names_the_reason(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log\n")
    selection = Selection(tmp_path, ["*.py", "*.log"], ["build/"])
    assert selection.why("a.py") == "takes part"
    assert selection.why("a.txt") == "left out: no pattern chooses it"
    assert selection.why("build/d/a.py") == "left out: exclude_patterns match 'build'"
    assert selection.why("a.log") == "left out: a .gitignore matches 'a.log'"
    assert selection.why("build", is_folder=True) == "left out: exclude_patterns match 'build'"
    assert selection.why("d", is_folder=True) == selection.why("", is_folder=True) == "takes part"


def test_a_pattern_that_cannot_be_understood_is_named() -> None:
    with pytest.raises(SettingsError, match="patterns"):
        Selection(None, ["!"])
