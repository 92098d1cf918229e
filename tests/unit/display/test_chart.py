from __future__ import annotations

import pytest

from brickloop.display.chart import chart_lines
from brickloop.errors import UsageError
from brickloop.model.query import Number

COLUMNS = (("day", "date"), ("n", "bigint"), ("price", "decimal(4,2)"), ("name", "string"))
ROWS = [
    ("2024-01-01", 1, Number("1.50"), "a"),
    ("2024-01-03", 4, Number("0.75"), "b"),
    ("2024-01-02", 2, None, "c"),
]


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")


def test_bars_are_as_long_as_their_numbers():
    lines = chart_lines("bar", COLUMNS, ROWS, "name", "n")
    assert lines[0] == "n by name"
    bars = {line.split()[0]: line.count("█") for line in lines[1:]}
    # to the next whole block
    assert bars["b"] // 2 == bars["c"]
    assert bars["b"] // 4 == bars["a"] > 0
    assert max(map(len, lines)) <= 40


def test_exact_numbers_are_shown_as_they_are_and_nulls_are_counted():
    lines = chart_lines("bar", COLUMNS, ROWS, "NAME", "price")
    assert any("1.50 │" in line for line in lines)
    assert lines[-1] == "(1 rows without a number are not drawn)"


def test_numbers_below_zero_go_to_the_other_side():
    rows = [("a", -2), ("b", 2)]
    lines = chart_lines("bar", (("k", "string"), ("v", "int")), rows, "k", "v")
    assert lines[1].split("│")[1].startswith("█")
    assert lines[2].split("│")[1].startswith(" ")


def test_a_line_goes_by_the_order_of_its_axis():
    lines = chart_lines("line", COLUMNS, ROWS, "day", "n")
    assert lines[1].startswith("4 ┤")
    assert lines[-2].startswith("1 ┤")
    assert lines[-1].split() == ["2024-01-01", "2024-01-03"]
    # it rises: the last line of braille begins at the left, the first one ends at the right
    assert lines[1].rstrip()[-1] not in {" ", "┤"}
    assert max(map(len, lines)) <= 40


def test_a_level_line_and_one_over_names_are_drawn():
    flat = chart_lines("line", (("x", "int"), ("y", "int")), [(1, 5), (2, 5)], "x", "y")
    assert flat[1].startswith("5 ┤")
    named = chart_lines("line", COLUMNS, ROWS, "name", "n")
    assert named[-1].split() == ["a", "c"]


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [("day", "size", "no column 'size'"), ("day", "name", "holds no number")],
)
def test_what_cannot_be_drawn_is_said(x, y, said):
    with pytest.raises(UsageError, match=said):
        chart_lines("bar", COLUMNS, ROWS, x, y)


def test_hostile_text_does_not_reach_the_terminal():
    lines = chart_lines(
        "bar", (("k\x1b[2J", "string"), ("v", "int")), [("\x1b]0;x\x07", 1)], "k\x1b[2J", "v"
    )
    assert "\x1b" not in "".join(lines)
