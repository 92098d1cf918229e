"""What a run put out as plain lines: what a pipe gets, and what the saved text holds.

Everything that comes in is untrusted; every line that goes out is harmless.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from brickloop.model.document import Section
from brickloop.model.failure import Failure
from brickloop.model.run import CellOutput, HtmlOutput, ImageOutput, TableOutput, TextOutput
from brickloop.model.text import display_width, harmless, one_line, write_duration

_BAR = 20
_NUMBER_TYPE = re.compile(
    r"(?:u?int(?:8|16|32|64)?|integer|bigint|smallint|tinyint|long|short|byte|double"
    r"|(?:half)?float(?:16|32|64)?|decimal(?:128|256)?(?:\(.*\))?)$",
    re.I,
)
_WIDEST_COLUMN = 2000


def section_lines(section: Section, *, saved: str = "") -> list[str]:
    """A section of the output document without its title; ``saved`` names a figure's file."""
    lines = [*dedent_query(section.query).split("\n"), ""] if section.query else []
    if section.columns:
        lines += table_lines(
            section.columns, section.rows, section.total, section.truncated, ms=section.ms
        )
    elif section.kind == "figure":
        lines.append(figure_line(section.mime, section.image, saved))
    elif section.kind in {"values", "metric"}:
        lines += pair_lines(value_pairs(section))
    elif section.kind == "progress":
        lines.append(progress_line(section))
    elif section.kind == "log":
        lines += _text_lines(f"{section.level.upper() or 'INFO'} {section.text}")
    elif section.kind == "warning":
        lines += _text_lines(f"warning: {section.text}")
    elif section.kind == "error":
        lines += _text_lines(section.trace or section.text)
    elif section.kind == "html":
        lines.append(html_line(section.text))
    elif section.text:
        lines += _text_lines(section.text)
    if section.query and section.ms is not None and not section.columns:
        lines.append(f"({write_duration(section.ms)})")
    return lines + [f"({one_line(note)})" for note in section.notes]


def dedent_query(query: str) -> str:
    """A query, harmless, without the indent that it has in the notebook's source."""
    lines = harmless(query).rstrip().split("\n")
    while lines and not lines[0].strip():
        del lines[0]
    return textwrap.dedent("\n".join(lines))


def output_lines(output: CellOutput, *, saved: str = "") -> list[str]:
    """One output of a cell; ``saved`` names a figure's file."""
    if isinstance(output, TextOutput):
        return _text_lines(output.text)
    if isinstance(output, TableOutput):
        return table_lines(output.columns, output.rows, None, output.truncated)
    if isinstance(output, ImageOutput):
        return [figure_line(output.mime, output.data, saved)]
    if isinstance(output, HtmlOutput):
        return [html_line(output.html)]
    return [one_line(f"{output.name}: {output.message}"), *_text_lines(output.trace)]


def failure_lines(failure: Failure, *, context: int = 7, full_trace: str = "") -> list[str]:
    """A failure: the cell with its source, the error, the trace, and a hint.

    ``full_trace`` is written in place of the shortened one.
    """
    lines = []
    cell = failure.cell
    if cell is not None:
        title = f" ({one_line(cell.title)})" if cell.title else ""
        place = f", line {failure.line}" if failure.line else ""
        lines.append(f"cell {cell.index + 1}{title}{place}:")
        lines += source_lines(cell.command, failure.line, context)
    message = f"{failure.name}: {failure.message}" if failure.name else failure.message
    lines += _text_lines(message)
    if full_trace or failure.trace:
        lines += _text_lines(full_trace or failure.trace)
    if failure.shortened and not full_trace:
        lines.append("(the whole trace is in the saved output)")
    if failure.hint:
        lines.append(f"hint: {one_line(failure.hint)}")
    return lines


def source_lines(source: str, marked: int | None, context: int) -> list[str]:
    """Source with line numbers, the failing line marked, and ``context`` lines around it."""
    lines = harmless(source).split("\n")
    first, last = source_span(len(lines), marked, context)
    shown = [
        f"{'>' if number == marked else ' '} {number:>3} │ {lines[number - 1]}".rstrip()
        for number in range(first, last + 1)
    ]
    if first > 1:
        shown.insert(0, f"      … {first - 1} lines above")
    if last < len(lines):
        shown.append(f"      … {len(lines) - last} lines below")
    return shown


def source_span(count: int, marked: int | None, context: int) -> tuple[int, int]:
    """The first and the last line of a source that are shown around the marked one."""
    if count <= 2 * context + 1:
        return 1, count
    middle = marked or 1
    first = max(1, min(middle - context, count - 2 * context))
    return first, min(count, first + 2 * context)


def table_lines(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Any]],
    total: int | None = None,
    truncated: bool = False,
    *,
    ms: float | None = None,
) -> list[str]:
    """A table as aligned lines without a box, and the line that says how many rows there are."""
    width = len(columns)
    texts = [[value_text(value) for value in fitted(row, width)] for row in rows]
    return [*grid_lines(columns, texts), row_note(len(rows), len(rows), total, truncated, ms=ms)]


def grid_lines(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned lines of texts that are harmless already; no line ends in blanks."""
    names = [one_line(name) for name, _ in columns]
    widths = [
        min(max([display_width(name), *(display_width(row[at]) for row in rows)]), _WIDEST_COLUMN)
        for at, name in enumerate(names)
    ]
    return [
        _aligned(names, widths),
        "  ".join("-" * width for width in widths),
        *(_aligned(row, widths) for row in rows),
    ]


def row_note(
    shown: int, there: int, total: int | None, truncated: bool, *, ms: float | None = None
) -> str:
    """The line under a table: how many rows it shows, of how many, and how long they took."""
    took = f", {write_duration(ms)}" if ms is not None else ""
    if truncated and total is None:
        return f"(the first {shown:,} rows{took}; there are more)"
    if truncated or shown < there:
        return f"({shown:,} of {there if total is None else total:,} rows{took})"
    return f"({there:,} row{'' if there == 1 else 's'}{took})"


def value_text(value: Any) -> str:
    """A value as a table shows it, on one line and harmless."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return one_line(str(value))


def is_numeric(column: tuple[str, str], values: Sequence[Any]) -> bool:
    """Whether a column holds numbers: by its type, or by its values where it has none."""
    if column[1]:
        return _NUMBER_TYPE.match(column[1]) is not None
    there = [value for value in values if value is not None]
    return bool(there) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in there
    )


def fitted(row: Sequence[Any], width: int) -> Sequence[Any]:
    """A row with as many values as the table has columns, whatever came."""
    return row if len(row) == width else [*row, *([None] * width)][:width]


def value_pairs(section: Section) -> list[tuple[str, str]]:
    """The names and values of a ``values`` or ``metric`` section, harmless."""
    unit = f" {one_line(section.unit)}" if section.unit else ""
    return [(one_line(name), value_text(value) + unit) for name, value in section.values]


def pair_lines(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Names and values, one pair a line, the values below each other."""
    widest = max((display_width(name) for name, _ in pairs), default=0)
    return [f"{_padded(name, widest)}  {value}".rstrip() for name, value in pairs]


def progress_line(section: Section) -> str:
    """How far something is, as a bar and in numbers."""
    done, of = section.done or 0.0, section.of
    text = f"  {one_line(section.text)}" if section.text else ""
    if not of or of <= 0:
        return f"{done:,.10g}{text}"
    share = min(max(done / of, 0.0), 1.0)
    full = round(share * _BAR)
    return f"[{'#' * full}{'.' * (_BAR - full)}] {share:.0%} ({done:,.10g} of {of:,.10g}){text}"


def figure_line(mime: str | None, data: bytes | None, saved: str) -> str:
    """The line that stands for a figure."""
    if data is None:
        return "[figure, its bytes are missing]"
    where = f" {saved}" if saved else ""
    return f"[figure, {one_line(mime or 'unknown kind')}, {len(data):,} bytes]{where}"


def html_line(html: str) -> str:
    """The line that stands for HTML."""
    return f"[HTML, {len(html):,} characters, in the report]"


def _text_lines(text: str) -> list[str]:
    return harmless(text).rstrip("\n").split("\n")


def _aligned(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = [_padded(text, width) for text, width in zip(texts, widths, strict=True)]
    return "  ".join(padded).rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))
