"""Tables: boxed and fitted to a terminal, plain and uncut where the output is piped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brickloop.display import console
from brickloop.display.plot import bars, curve_points, show_curve
from brickloop.model.plain import (
    fitted,
    grid_lines,
    is_numeric,
    row_note,
    table_lines,
    value_text,
)
from brickloop.model.text import cut_to_width, display_width, one_line

_ROWS_SHOWN = 40
_RECORDS_SHOWN = 12
_VERTICAL_ROWS = 3
_NARROW = 60
_BORDER = 3
"""Columns that a table's lines and blanks take for each of its columns; one more at the end."""
_FOLDED = 12
"""A column of text may be folded to this width."""
_WIDEST = 60
_LONGEST_VALUE = 2000

Columns = Sequence[tuple[str, str]]
cell_text = value_text
plain_lines = grid_lines

__all__ = ["cell_text", "plain_lines", "row_note", "show_table"]


def show_table(
    columns: Columns,
    rows: Sequence[Sequence[Any]],
    *,
    total: int | None = None,
    truncated: bool = False,
    ms: float | None = None,
    plot: bool = False,
) -> None:
    """Show a table with its types, its number of rows, and what was left out.

    With ``plot`` a table of names and numbers gets bars, and one of two rows of numbers a curve,
    where there is room.
    """
    if not console.is_terminal():
        for line in table_lines(columns, rows, total, truncated, ms=ms):
            console.write(line)
        return
    if not columns:
        console.write(row_note(len(rows), len(rows), total, truncated, ms=ms))
        return
    shown = [fitted(row, len(columns)) for row in rows[:_ROWS_SHOWN]]
    grid = _Grid.of(columns, shown)
    there = console.width()
    fitting = grid.columns_fitting(there)
    notes = []
    if fitting < len(columns) and (there < _NARROW or len(shown) <= _VERTICAL_ROWS):
        shown = shown[:_RECORDS_SHOWN]
        _show_records(grid, len(shown), there)
    else:
        points = curve_points(columns, rows) if plot and fitting == len(columns) else None
        beside = _bars_of(grid, shown, there) if plot and points is None else None
        _show_grid(grid, fitting, there, beside)
        left_out = [one_line(name) for name, _ in columns[fitting:]]
        if left_out:
            notes.append(f"{len(left_out)} of {len(columns)} columns do not fit: ")
            notes[-1] += cut_to_width(", ".join(left_out), max(there - len(notes[-1]) - 2, 20))
        if points is not None:
            show_curve(rows[0][0], rows[-1][0], points)
    _show_notes([row_note(len(shown), len(rows), total, truncated, ms=ms).strip("()"), *notes])


@dataclass(frozen=True)
class _Grid:
    """A table's texts with the widths that they ask for."""

    columns: Columns
    names: list[str]
    kinds: list[str]
    texts: list[list[str]]
    numeric: list[bool]
    natural: list[int]
    least: list[int]

    @classmethod
    def of(cls, columns: Columns, rows: Sequence[Sequence[Any]]) -> _Grid:
        names = [one_line(name) for name, _ in columns]
        kinds = [one_line(kind) for _, kind in columns]
        texts = [[cut_to_width(value_text(value), _LONGEST_VALUE) for value in row] for row in rows]
        numeric = [is_numeric(columns[at], [row[at] for row in rows]) for at in range(len(columns))]
        natural = [
            min(
                max(
                    [display_width(names[at]), display_width(kinds[at])]
                    + [display_width(row[at]) for row in texts]
                ),
                _WIDEST,
            )
            for at in range(len(columns))
        ]
        # a number is never broken; a text may be
        least = [
            width if is_number else min(width, _FOLDED)
            for width, is_number in zip(natural, numeric, strict=True)
        ]
        return cls(columns, names, kinds, texts, numeric, natural, least)

    def columns_fitting(self, width: int) -> int:
        """How many columns, from the left, a width has room for."""
        left = width - 1
        for at, least in enumerate(self.least):
            left -= least + _BORDER
            if left < 0:
                return max(at, 1)
        return len(self.least)


def _show_grid(grid: _Grid, fitting: int, width: int, extra: list[str] | None) -> None:
    from rich.box import ROUNDED
    from rich.table import Table
    from rich.text import Text

    table = Table(box=ROUNDED, header_style="bold", border_style="dim")
    for at in range(fitting):
        header = Text(grid.names[at])
        if grid.kinds[at]:
            header.append(f"\n{grid.kinds[at]}", style="dim not bold")
        number = grid.numeric[at]
        table.add_column(
            header,
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=number and grid.natural[at] + _BORDER + 1 <= width,
            min_width=min(grid.least[at], width - _BORDER - 1),
            max_width=_WIDEST,
        )
    if extra is not None:
        table.add_column("", no_wrap=True)
    for number_of_row, row in enumerate(grid.texts):
        cells = [Text(text, style="dim italic" if text == "NULL" else "") for text in row[:fitting]]
        if extra is not None:
            cells.append(Text(extra[number_of_row], style="cyan"))
        table.add_row(*cells)
    console.show(table)


def _show_records(grid: _Grid, count: int, width: int) -> None:
    """Each row as a record: one value a line, as psql's expanded form."""
    from rich.text import Text

    names = max(map(display_width, grid.names))
    names = min(names, max(width // 3, 8))
    for number, row in enumerate(grid.texts[:count], 1):
        console.show(Text(f"─ row {number} ".ljust(min(width, 40), "─"), style="dim"))
        for name, text in zip(grid.names, row, strict=True):
            line = Text(cut_to_width(name, names), style="bold")
            line.pad_right(names - display_width(line.plain) + 2)
            room = max(width - names - 2, 8)
            value = Text(text, style="dim italic" if text == "NULL" else "")
            for at, part in enumerate(value.wrap(console.rich_console(), room, overflow="fold")):
                console.show((line if at == 0 else Text(" " * (names + 2))) + part)


def _show_notes(notes: Sequence[str]) -> None:
    from rich.text import Text

    for note in notes:
        console.show(Text(f"({note})", style="dim"))


def _bars_of(grid: _Grid, rows: Sequence[Sequence[Any]], width: int) -> list[str] | None:
    """Bars beside a table of one column of names and one of numbers, where there is room."""
    if len(grid.names) != 2 or grid.numeric != [False, True] or len(rows) < 3:
        return None
    room = width - sum(grid.natural) - 2 * _BORDER - 1 - _BORDER
    return bars([row[1] for row in rows], min(room, 30)) if room >= 10 else None
