"""When each cell began and how long it took, as bars."""

from __future__ import annotations

from collections.abc import Sequence

from brickloop.model.run import CellResult
from brickloop.model.text import write_duration
from brickloop.report import markup

_MOST_BARS = 60


def timing_chart(cells: Sequence[CellResult]) -> str:
    """A bar for each cell: when it began and how long it took."""
    timed = [
        cell
        for cell in cells
        if cell.started_ms and cell.ended_ms >= cell.started_ms and not cell.kept
    ]
    numbers = {cell.index: at for at, cell in enumerate(cells, 1)}
    begun = min((cell.started_ms for cell in timed), default=0)
    whole = max((cell.ended_ms for cell in timed), default=0) - begun
    if whole <= 0:
        return ""
    slowest = sorted(timed, key=lambda cell: cell.started_ms - cell.ended_ms)[:_MOST_BARS]
    lines = []
    for cell in sorted(slowest, key=lambda each: each.index):
        took = cell.ended_ms - cell.started_ms
        place = f"--from:{(cell.started_ms - begun) / whole:.2%};--long:{took / whole:.2%}"
        named = f"{cell.index + 1} {markup.short(cell_name(cell))}"
        lines.append(
            f"<li{' class=bad' if cell.error else ''}>"
            f'<a href="#cell-{numbers[cell.index]}">{named}</a>'
            f'<span class="track" style="{place}"><span></span></span>'
            f'<span class="ms">{write_duration(took)}</span></li>'
        )
    left_out = len(timed) - len(slowest)
    note = markup.note_markup(f"{left_out:,} quicker cells are left out") if left_out else ""
    return (
        '<h2 class="group">Time</h2><section class="card" id="time" aria-label="Time of each cell">'
        f'<ul class="timing">{"".join(lines)}</ul>{note}</section>'
    )


def cell_name(cell: CellResult) -> str:
    """A cell's title or first line; of a Markdown cell its first words."""
    if cell.title or not cell.command.lstrip().lower().startswith("%md"):
        return cell.first_line
    words = (line.strip("# *_`\t") for line in cell.command.lstrip()[3:].split("\n"))
    return next((line for line in words if line), "%md")
