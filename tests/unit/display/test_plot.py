"""Small plots: only where they say something."""

from __future__ import annotations

import pytest

from brickloop.display.plot import bars, curve_points, draw_curve

TWO = (("x", "int"), ("y", "double"))


def rows(*ys, start=0):
    return [(start + at, y) for at, y in enumerate(ys)]


def test_bars_are_as_long_as_their_values():
    assert bars([0, 5, 10, None, "2.5"], 4) == ["", "██", "████", "", "█"]
    assert bars([1, 16, 2], 2) == ["▏", "██", "▎"]


@pytest.mark.parametrize(
    "values", [[1, 2], [1, -1, 2], [3, 3, 3], ["a", "b", "c"], [float("nan"), 1, 2], [True, 1, 2]]
)
def test_no_bars_where_they_would_mislead(values):
    assert bars(values, 10) is None


@pytest.mark.parametrize(
    ("columns", "table", "drawn"),
    [
        (TWO, rows(*range(12)), True),
        (TWO, rows(*range(11)), False),
        (TWO, rows(*[1] * 12), False),
        (TWO, rows(*range(11), None), False),
        (TWO, [*rows(*range(12)), (5, 5)], False),
        (TWO, [(f"2024-01-{day:02d}", str(day)) for day in range(1, 20)], True),
        (TWO, [(f"2024-01-01T{hour:02d}:00:00+00:00", hour) for hour in range(20)], True),
        (TWO, [(f"name {n}", n) for n in range(20)], False),
        (TWO, [(n, n, n) for n in range(20)], False),
        ((*TWO, ("z", "int")), rows(*range(12)), False),
    ],
)
def test_a_curve_needs_two_columns_of_which_the_first_rises(columns, table, drawn):
    assert (curve_points(columns, table) is not None) is drawn


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    lines = draw_curve([0, 1, 2, 3], [0, 1, 2, 3], 4, 2)
    assert lines == ["⠀⠀⡠⠊", "⡠⠊⠀⠀"]


def test_points_far_apart_are_drawn_where_they_are():
    lines = draw_curve([0, 9, 10], [5, 5, 0], 5, 1)
    assert len(lines) == 1
    assert len(lines[0]) == 5
    assert lines[0][0] != "⠀"
