"""Small plots in the terminal: bars beside names, a curve of points."""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Sequence
from typing import Any

from brickloop.display import console
from brickloop.model.text import one_line

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_FEWEST_POINTS = 12
_HEIGHT = 8
_WIDTH = 60
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a braille character: four rows of two dots."""


def bars(values: Sequence[Any], width: int) -> list[str] | None:
    """A bar for each value, the largest one ``width`` wide; None where bars would mislead.

    They do where a value is below 0 or no number, or where all are the same.
    """
    numbers = [number(value) for value in values]
    there = [each for each in numbers if each is not None]
    if len(there) < 3 or min(there) < 0 or max(there) == min(there):
        return None
    largest = max(there)
    return [_bar(each / largest * width) if each is not None else "" for each in numbers]


def curve_points(
    columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]
) -> tuple[list[float], list[float]] | None:
    """The points of a table of two columns of which the first one rises; None for other tables."""
    if len(columns) != 2 or len(rows) < _FEWEST_POINTS or any(len(row) != 2 for row in rows):
        return None
    xs = [each for row in rows if (each := position(row[0])) is not None]
    ys = [each for row in rows if (each := number(row[1])) is not None]
    if len(xs) < len(rows) or len(ys) < len(rows) or min(ys) == max(ys):
        return None
    return None if any(a >= b for a, b in itertools.pairwise(xs)) else (xs, ys)


def show_curve(first_x: Any, last_x: Any, points: tuple[list[float], list[float]]) -> None:
    """Draw points as a curve with its lowest and highest value, where there is room."""
    xs, ys = points
    from rich.text import Text

    low, high = _short(min(ys)), _short(max(ys))
    margin = max(len(low), len(high))
    width = min(_WIDTH, console.width() - margin - 3)
    if width < 10:
        return
    lines = draw_curve(xs, ys, width, _HEIGHT)
    for at, line in enumerate(lines):
        label = high if at == 0 else low if at == len(lines) - 1 else ""
        text = Text(f"{label:>{margin}} ┤", style="dim")
        console.show(text.append(line, style="not dim cyan"))
    first, last = (one_line(str(each))[: width // 2] for each in (first_x, last_x))
    console.show(Text(f"{'':>{margin}}  {first}{last:>{width - len(first)}}", style="dim"))


def draw_curve(xs: Sequence[float], ys: Sequence[float], width: int, height: int) -> list[str]:
    """Points joined by lines, in braille characters: ``height`` lines of ``width``."""
    columns, rows = width * 2, height * 4
    dots = [[0] * width for _ in range(height)]
    span_x, span_y = xs[-1] - xs[0], max(ys) - min(ys)
    at = [
        (
            round((x - xs[0]) / span_x * (columns - 1)),
            round((max(ys) - y) / span_y * (rows - 1)),
        )
        for x, y in zip(xs, ys, strict=True)
    ]
    for (x1, y1), (x2, y2) in itertools.pairwise(at):
        steps = max(abs(x2 - x1), abs(y2 - y1), 1)
        for step in range(steps + 1):
            x = x1 + round((x2 - x1) * step / steps)
            y = y1 + round((y2 - y1) * step / steps)
            dots[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return ["".join(chr(0x2800 + dot) for dot in line) for line in dots]


def number(value: Any) -> float | None:
    """A value as a finite number; decimals come as text. None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def position(value: Any) -> float | None:
    """Where a value stands on an axis: a number, or a date or time in ISO form."""
    found = number(value)
    if found is not None or not isinstance(value, str):
        return found
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or datetime.timezone.utc).timestamp()


def _bar(length: float) -> str:
    whole, part = divmod(round(length * 8), 8)
    return ("█" * whole + _EIGHTHS[part]).rstrip()


def _short(value: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / {'G': 1e9, 'M': 1e6, 'k': 1e3}[unit]:.4g}{unit}"
    return f"{value:.4g}"
