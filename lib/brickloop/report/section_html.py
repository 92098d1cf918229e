"""The markup of one section of an output document, by its kind."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from brickloop.model.document import Section
from brickloop.model.failure import without_message
from brickloop.model.plain import dedent_query, progress_line, value_pairs
from brickloop.model.text import one_line
from brickloop.report import markup

DrawImage = Callable[["str | None", "bytes | None", str], str]
"""The markup of a figure, by its kind, bytes and title."""


def section_body(section: Section, image: DrawImage) -> str:
    """The markup of a section below its title; ``image`` draws a figure."""
    query = dedent_query(section.query) if section.query else ""
    parts = [markup.code(query, "sql")] if query else []
    kind = section.kind
    if section.columns:
        parts.append(
            markup.table(
                section.columns,
                section.rows,
                section.title,
                total=section.total,
                truncated=section.truncated,
            )
        )
    elif kind == "figure":
        parts.append(image(section.mime, section.image, section.title))
    elif kind == "html":
        parts.append(markup.frame(section.text, section.title))
    elif kind == "markdown":
        parts.append(markup.markdown(section.text))
    elif kind == "code":
        parts.append(markup.code(section.text, (section.language or "").lower()))
    elif kind == "json":
        parts.append(markup.json_block(section.text))
    elif kind == "metric" and len(section.values) == 1:
        parts.append(_metric(section))
    elif kind in {"values", "metric"}:
        parts.append(markup.pairs(value_pairs(section)))
    elif kind == "progress":
        parts.append(_progress(section))
    elif kind == "log":
        parts.append(_log(section))
    elif kind == "error":
        parts.append(f'<p class="bad-text"><b>{markup.text_markup(section.text)}</b></p>')
        trace = without_message(section.trace, section.text)
        parts.append(markup.block(trace, "trace"))
    elif kind == "warning":
        parts.append(markup.block(section.text, "prose"))
    else:
        parts.append(markup.block(section.text))
    return "".join(parts)


def _metric(section: Section) -> str:
    (_, value), *_ = value_pairs(section)
    unit = markup.text_markup(section.unit)
    shown = escape(value.removesuffix(f" {one_line(section.unit)}") if section.unit else value)
    return f'<p class="metric">{shown}{f" <small>{unit}</small>" if unit else ""}</p>'


def _progress(section: Section) -> str:
    bar = ""
    if section.of and section.of > 0:
        share = min(max((section.done or 0) / section.of, 0), 1)
        bar = f'<progress max="1" value="{share:.4f}"></progress> '
    words = progress_line(section).partition("] ")
    return f"<p>{bar}{markup.text_markup(words[2] or words[0])}</p>"


def _log(section: Section) -> str:
    level = section.level if section.level in {"debug", "info", "warning", "error"} else "info"
    shown, note = markup.cut(section.text)
    return (
        f'<p class="log"><span class="level {level}">{level.upper()}</span> '
        f"{markup.text_markup(shown)}</p>{note}"
    )
