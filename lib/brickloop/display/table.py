"""Tables: boxed on a terminal, plain and uncut where the output is piped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brickloop.display import console
from brickloop.model.text import harmless

_SHOWN_ON_TERMINAL = 40


def show_table(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Any]],
    *,
    total: int | None = None,
    truncated: bool = False,
) -> None:
    """Show a table with its types, its number of rows, and what was left out."""
    texts = [[cell_text(value) for value in row] for row in rows]
    if console.is_terminal():
        _show_boxed(columns, texts[:_SHOWN_ON_TERMINAL], rows)
    else:
        for line in plain_lines(columns, texts):
            console.write(line)
    shown = min(len(rows), _SHOWN_ON_TERMINAL) if console.is_terminal() else len(rows)
    console.write(row_note(shown, len(rows), total, truncated))


def row_note(shown: int, there: int, total: int | None, truncated: bool) -> str:
    """The line under a table: how many rows it shows, of how many."""
    if truncated or shown < there:
        of = f"{total:,}" if total is not None else "more" if truncated else f"{there:,}"
        return f"({shown:,} of {of} rows)"
    return f"({there:,} row{'' if there == 1 else 's'})"


def cell_text(value: Any) -> str:
    """A value as a table shows it, on one line and harmless."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return harmless(str(value)).replace("\n", "⏎")


def plain_lines(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned lines without any box; the last column is not padded."""
    names = [harmless(name) for name, _ in columns]
    widths = [
        max([len(name), *(len(row[index]) for row in rows)]) for index, name in enumerate(names)
    ]
    lines = [_line(names, widths), "  ".join("-" * width for width in widths)]
    return [*lines, *(_line(row, widths) for row in rows)]


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()


def _show_boxed(
    columns: Sequence[tuple[str, str]],
    texts: Sequence[Sequence[str]],
    rows: Sequence[Sequence[Any]],
) -> None:
    from rich.box import ROUNDED
    from rich.table import Table
    from rich.text import Text

    table = Table(box=ROUNDED, header_style="bold")
    for index, (name, kind) in enumerate(columns):
        numeric = any(isinstance(row[index], int | float) for row in rows[:50])
        header = Text(harmless(name))
        if kind:
            header.append(f"\n{harmless(kind)}", style="dim")
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in texts:
        table.add_row(*(Text(text) for text in row))
    console.rich_console().print(table)
