"""Charts of a query's result in the terminal: bars beside names, a line over an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brickloop.display import console
from brickloop.display.plot import draw_curve, number, position
from brickloop.errors import UsageError
from brickloop.model.plain import value_text
from brickloop.model.query import Number
from brickloop.model.text import cut_to_width, display_width, one_line

KINDS = ("bar", "line")
MOST_POINTS = 100_000
_MOST_BARS = 50
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WIDEST_LABEL = 30
_HEIGHT = 16
_WIDEST = 100


def column_place(columns: Sequence[tuple[str, str]], name: str) -> int:
    """Where a column stands; raises UsageError for one that is not there."""
    names = [each for each, _ in columns]
    lower = [each.lower() for each in names]
    if name in names:
        return names.index(name)
    if name.lower() in lower:
        return lower.index(name.lower())
    raise UsageError(
        f"the result has no column '{name}' to draw", hint=f"its columns are: {', '.join(names)}"
    )


def chart_lines(
    kind: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], x: str, y: str
) -> list[str]:
    """The chart of one column over another as lines of text.

    Raises UsageError for an unknown column, or one to measure that holds no number.
    """
    at_x, at_y = column_place(columns, x), column_place(columns, y)
    there = [
        (row[at_x], value, row[at_y]) for row in rows if (value := number(row[at_y])) is not None
    ]
    if not there:
        raise UsageError(
            f"column '{columns[at_y][0]}' holds no number to draw",
            hint="name a column of numbers as the second one",
        )
    title = f"{one_line(columns[at_y][0])} by {one_line(columns[at_x][0])}"
    drawn = _bars(there) if kind == "bar" else _line(there)
    left_out = len(rows) - len(there)
    note = [f"({left_out:,} rows without a number are not drawn)"] if left_out else []
    return [title, *drawn, *note]


def _bars(points: Sequence[tuple[Any, float, Any]]) -> list[str]:
    shown = points[:_MOST_BARS]
    labels = [cut_to_width(value_text(x), _WIDEST_LABEL) for x, _, _ in shown]
    values = [value_text(given) for _, _, given in shown]
    label_width = max(map(display_width, labels))
    value_width = max(map(len, values))
    room = max(min(console.width() - 1, _WIDEST) - label_width - value_width - 4, 8)
    low = min(0.0, *(value for _, value, _ in shown), 0.0)
    high = max(0.0, *(value for _, value, _ in shown), 0.0)
    span = (high - low) or 1.0
    zero = round(-low / span * room)
    lines = []
    for (_, value, _), label, text in zip(shown, labels, values, strict=True):
        padded = label + " " * (label_width - display_width(label))
        bar = _bar(value / span * room, zero)
        lines.append(f"{padded} {text:>{value_width}} │{bar}".rstrip())
    if len(points) > len(shown):
        lines.append(f"({len(shown)} of {len(points):,} bars)")
    return lines


def _bar(length: float, zero: int) -> str:
    """A bar from the zero line, to the left for a number below it."""
    if length < 0:
        whole = min(round(-length), zero)
        return " " * (zero - whole) + "█" * whole
    whole, part = divmod(round(length * 8), 8)
    return " " * zero + "█" * whole + _EIGHTHS[part].strip()


def _line(points: Sequence[tuple[Any, float, Any]]) -> list[str]:
    places = [position(_axis_value(x)) for x, _, _ in points]
    if all(place is not None for place in places):
        ordered = sorted(zip(places, points, strict=True), key=lambda pair: pair[0] or 0.0)
        xs = [place or 0.0 for place, _ in ordered]
        points = [point for _, point in ordered]
    else:
        # names have no place of their own: one beside the other, as they come
        xs = [float(at) for at in range(len(points))]
    ys = [value for _, value, _ in points]
    if len(points) < 2 or xs[0] == xs[-1]:
        return _bars(points)
    if min(ys) == max(ys):
        return _flat(points, f"{ys[0]:.6g}")
    high, low = f"{max(ys):.6g}", f"{min(ys):.6g}"
    margin = max(len(high), len(low))
    width = max(min(console.width() - 1, _WIDEST) - margin - 3, 10)
    lines = []
    for at, drawn in enumerate(draw_curve(xs, ys, width, _HEIGHT)):
        label = high if at == 0 else low if at == _HEIGHT - 1 else ""
        lines.append(f"{label:>{margin}} ┤{drawn.replace(chr(0x2800), ' ')}".rstrip())
    return [*lines, _axis(points, margin, width)]


def _flat(points: Sequence[tuple[Any, float, Any]], level: str) -> list[str]:
    width = max(min(console.width() - 1, _WIDEST) - len(level) - 3, 10)
    return [f"{level} ┤{'⠒' * width}", _axis(points, len(level), width)]


def _axis(points: Sequence[tuple[Any, float, Any]], margin: int, width: int) -> str:
    first, last = (cut_to_width(value_text(p[0]), width // 2) for p in (points[0], points[-1]))
    gap = max(width - display_width(first) - display_width(last), 1)
    return f"{'':>{margin}}  {first}{' ' * gap}{last}"


def _axis_value(value: Any) -> Any:
    return float(value) if isinstance(value, Number) else value
