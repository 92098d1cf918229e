"""What a benchmark found, and how it is shown: each figure beside what it is to be judged by."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_HEADINGS = ("what", "median", "min", "beside", "median", "ratio", "budget", "peak memory")


@dataclass(frozen=True)
class Figure:
    """Times of one thing and of what it is compared with, in seconds."""

    what: str
    seconds: Sequence[float]
    beside: str = ""
    """Name of the floor or the peer."""
    beside_seconds: Sequence[float] = ()
    peak_bytes: int | None = None
    """Most memory that was held at once, or what it grew by; None where it is not measured."""
    budget: str = ""
    """What the design allows, in words."""

    @property
    def ratio(self) -> float | None:
        """Median by median, None where nothing is compared."""
        if not self.beside_seconds:
            return None
        return statistics.median(self.seconds) / statistics.median(self.beside_seconds)

    def cells(self) -> tuple[str, ...]:
        """The figure as a row of texts."""
        return (
            self.what,
            write_seconds(statistics.median(self.seconds)),
            write_seconds(min(self.seconds)),
            self.beside or "-",
            write_seconds(statistics.median(self.beside_seconds)) if self.beside_seconds else "-",
            "-" if self.ratio is None else f"{self.ratio:.2f}",
            self.budget or "-",
            "-" if self.peak_bytes is None else f"{self.peak_bytes / 1024**2:.0f} MB",
        )


def write_seconds(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def write_table(title: str, figures: Sequence[Figure]) -> str:
    """The figures as an aligned table below a title."""
    rows = [_HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in {0, 3, 6} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([title, lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
