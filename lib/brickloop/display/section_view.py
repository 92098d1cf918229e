"""One section of an output document, or one output of a cell, as a terminal or a pipe takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from brickloop.display import console
from brickloop.display.code import show_code, show_json
from brickloop.display.figure import show_figure, shown_path
from brickloop.display.table import show_table
from brickloop.model.document import Section
from brickloop.model.failure import without_message
from brickloop.model.plain import (
    dedent_query,
    output_lines,
    pair_lines,
    progress_line,
    section_lines,
    value_pairs,
)
from brickloop.model.run import CellOutput, HtmlOutput, ImageOutput, TableOutput, TextOutput
from brickloop.model.text import display_width, harmless, one_line, write_duration

KeepFigure = Callable[[str, str, bytes], "Path | None"]
"""Saves a figure by its title, kind and bytes; the path of the file, None for what is no figure."""

_LONGEST_ON_TERMINAL = 200_000
_MOST_LINES_ON_TERMINAL = 1_000
_LEVEL_STYLES = {"debug": "dim", "info": "cyan", "warning": "yellow", "error": "bold red"}


def show_section(section: Section, keep: KeepFigure | None = None) -> None:
    """Show a section without its title."""
    saved = _saved(keep, section.title, section.mime, section.image)
    if not console.is_terminal():
        for line in section_lines(section, saved=shown_path(saved) if saved else ""):
            console.write(line)
        return
    if section.query:
        show_code(dedent_query(section.query), "sql")
    if section.columns:
        show_table(
            section.columns,
            section.rows,
            total=section.total,
            truncated=section.truncated,
            ms=section.ms,
            plot=True,
        )
    elif section.kind == "figure":
        show_figure(section.mime, section.image, saved)
    else:
        _show_text_of(section)
    if section.query and section.ms is not None and not section.columns:
        _show_dim(f"({write_duration(section.ms)})")
    for note in section.notes:
        _show_dim(f"({one_line(note)})")


def show_output(output: CellOutput, title: str, keep: KeepFigure | None = None) -> None:
    """Show one output of a cell."""
    if isinstance(output, TextOutput):
        _write_text(output.text)
    elif isinstance(output, TableOutput):
        show_table(output.columns, output.rows, truncated=output.truncated, plot=True)
    elif isinstance(output, ImageOutput):
        show_figure(output.mime, output.data, _saved(keep, title, output.mime, output.data))
    elif isinstance(output, HtmlOutput):
        _show_dim(output_lines(output)[0])
    else:
        for line in output_lines(output):
            console.write(line)


def _show_text_of(section: Section) -> None:
    from rich.text import Text

    kind = section.kind
    if kind == "markdown":
        _show_markdown(section.text)
    elif kind == "code":
        show_code(section.text, section.language)
    elif kind == "json":
        show_json(section.text)
    elif kind in {"values", "metric"}:
        _show_pairs(section)
    elif kind == "progress":
        console.write(progress_line(section))
    elif kind == "warning":
        console.show(Text(f"warning: {harmless(section.text)}", style="yellow"))
    elif kind == "log":
        style = _LEVEL_STYLES.get(section.level, "cyan")
        line = Text(one_line(section.level).upper() or "INFO", style=style)
        console.show(line.append(f" {harmless(section.text)}", style="default"))
    elif kind == "error":
        console.show(Text(harmless(section.text), style="bold red"))
        if section.trace:
            console.show(Text(harmless(without_message(section.trace, section.text)), style="dim"))
    elif kind == "html":
        _show_dim(section_lines(section)[0])
    elif section.text:
        _write_text(section.text)


def _show_markdown(text: str) -> None:
    from rich.markdown import Markdown

    shown = harmless(text)
    if len(shown) > _LONGEST_ON_TERMINAL:
        _write_text(shown)
        return
    # links are spelled out: what a link says is not what it leads to
    console.show(Markdown(shown, code_theme="ansi_dark", hyperlinks=False))


def _show_pairs(section: Section) -> None:
    from rich.text import Text

    pairs = value_pairs(section)
    widest = max((display_width(name) for name, _ in pairs), default=0)
    if widest > console.width() // 2:
        for line in pair_lines(pairs):
            console.write(line)
        return
    for name, value in pairs:
        pair = Text(name, style="dim")
        pair.pad_right(widest - display_width(name) + 2)
        console.show(pair.append(value, style="not dim bold"))


def _write_text(text: str) -> None:
    """Write a text; on a terminal the end of a very long one, where the last word is."""
    text = harmless(text).rstrip("\n")
    if not console.is_terminal():
        console.write(text)
        return
    lines = text[-_LONGEST_ON_TERMINAL:].split("\n")[-_MOST_LINES_ON_TERMINAL:]
    shown = "\n".join(lines)
    if len(shown) < len(text):
        _show_dim(f"… {len(text) - len(shown):,} characters before this are in the saved output")
    console.write(shown)


def _show_dim(text: str) -> None:
    from rich.text import Text

    if console.is_terminal():
        console.show(Text(text, style="dim"))
    else:
        console.write(text)


def _saved(
    keep: KeepFigure | None, title: str, mime: str | None, data: bytes | None
) -> Path | None:
    return keep(title, mime, data) if keep and mime and data else None
