"""Lines, progress and summary of a sync."""

from __future__ import annotations

import pytest

from brickloop.display import plan_view
from brickloop.display.plan_view import PlanView, write_size


class Screen:
    """Stands where the moving line is."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, _name: str, doing: str, _seconds: float) -> None:
        self.told.append(doing)

    def forget(self, _name: str) -> None:
        self.told.append("")


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(plan_view, "SCREEN", screen)
    return screen


def test_each_change_is_a_line_and_moves_the_bar(moving, capsys) -> None:
    view = PlanView("etl")
    view.begin("etl", "/Workspace/etl", "push")
    view.planned(4)
    view.change("→", "d", "make folder", "created", 0)
    view.change("→", "d/n", "create", "created", 1234)
    view.change("←", "x", "update", "pulled", 5)
    view.change("→", "old", "delete", "deleted", 0)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "→ d/  created", "→ d/n  created  1.2 kB", "← x  pulled  5 B", "→ old  deleted",
    ]  # fmt: skip
    assert err.splitlines() == ["etl → /Workspace/etl"]
    assert moving.told[0] == "looking at both sides"
    assert [one.split(" ")[-1] for one in moving.told[1:]] == ["0/4", "1/4", "2/4", "3/4", ""]
    assert moving.told[3].count("█") == moving.told[3].count("░") == 10


def test_a_quiet_view_leaves_stdout_to_json(moving, capsys) -> None:
    view = PlanView("etl", quiet=True)
    view.planned(1)
    view.change("→", "n", "create", "created", 1)
    view.conflict("n.py", "was changed on both sides", "")
    view.held("n", "is new", counts=False)
    view.failure("n", "500")
    view.summary("1 sent")
    assert capsys.readouterr().out == ""


def test_names_from_the_workspace_do_not_reach_the_terminal_raw(moving, capsys) -> None:
    view = PlanView("etl")
    view.change("←", "a\x1b[2Jb\x07", "create", "created", 0)
    view.conflict("c\x1b]0;x\x07", "r\x1b[1m", "s\x1b[1m")
    view.held("d\x9b", "r", counts=True)
    view.failure("e", "f\x1b[1m")
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b"} & set(out)
    assert out.splitlines()[0] == "← ab\\x07  created"


def test_sizes_are_said_as_people_do() -> None:
    assert [write_size(count) for count in (0, 999, 1000, 10_000_000, 5_000_000_000)] == [
        "0 B", "999 B", "1.0 kB", "10.0 MB", "5.0 GB",
    ]  # fmt: skip
