"""Pieces of markup made of untrusted values; nothing of theirs becomes markup but Markdown."""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from brickloop.model.language import known_language, language_of
from brickloop.model.plain import fitted, is_numeric, row_note, value_text
from brickloop.model.text import harmless, one_line

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

LONGEST_TITLE = 300
LONGEST_TEXT = 256 * 1024
_LONGEST_COLOURED = 60_000
_LONGEST_HTML = 4 * 1024 * 1024
_LONGEST_IMAGE = 12 * 1024 * 1024
_LONGEST_VALUE = 1_000
_LONG_VALUE = 60
_MOST_CELLS = 60_000
"""Of one table: what a browser lays out without a pause."""
_FILTERED_ROWS = 12
_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/svg+xml", "image/webp"}
_FETCHING = re.compile(
    r"<(/?)(?=(?:link|meta|base|i?frame|frameset|fencedframe|object|embed|portal)\b)", re.I
)


def text_markup(text: str) -> str:
    """A title or another short text on one line."""
    return escape(one_line(text))


def short(text: str) -> str:
    """A title on one line, cut where it is very long."""
    line = one_line(text[: 2 * LONGEST_TITLE])
    return escape(line if len(line) <= LONGEST_TITLE else f"{line[:LONGEST_TITLE]}…")


def block(text: str, css: str = "") -> str:
    """Preformatted text; the middle of a very long one is left out, and that is said."""
    if not text:
        return ""
    shown, note = cut(text)
    kind = f' class="{css}"' if css else ""
    return f"<pre{kind}>{escape(harmless(shown))}</pre>{note}"


def cut(text: str, limit: int = LONGEST_TEXT) -> tuple[str, str]:
    """The text with its middle left out where it is longer than ``limit``, and the note on it."""
    if len(text) <= limit:
        return text, ""
    start, end = limit // 4, limit - limit // 4
    left_out = len(text) - limit
    shown = f"{text[:start]}\n\n[… {left_out:,} characters left out …]\n\n{text[-end:]}"
    return shown, note_markup(
        f"{limit:,} of {len(text):,} characters are shown; the files named below hold them all"
    )


def note_markup(text: str) -> str:
    """A remark under something."""
    return f'<p class="note">{escape(one_line(text))}</p>'


def code(source: str, language: str = "", *, marked: int | None = None) -> str:
    """Source in colours; with ``marked``, numbered, and that line marked."""
    shown, note = cut(harmless(source))
    lines = _coloured(shown, known_language(language) if language else language_of(source)).split(
        "\n"
    )
    if marked is None:
        return f"<pre><code>{chr(10).join(lines)}</code></pre>{note}"
    numbered = "".join(
        f'<span class="line{" marked" if number == marked else ""}" data-n="{number}">'
        f"{line or ' '}</span>"
        for number, line in enumerate(lines, 1)
    )
    return f"<pre><code>{numbered}</code></pre>{note}"


def json_block(text: str) -> str:
    """JSON indented and in colours; as it came where it is none."""
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return block(text)
    return code(text, "json")


def markdown(text: str) -> str:
    """Markdown as markup: HTML in it stays text, images stay links, headings go below ours."""
    shown, note = cut(harmless(text))
    return f'<div class="markdown">{_markdown().render(shown)}</div>{note}'


def image(mime: str | None, data: bytes | None, title: str, saved: str = "") -> str:
    """A figure; one of no kind that a page shows becomes a note with a link to its file."""
    link = f' <a href="{escape(saved)}">{escape(saved)}</a>' if saved else ""
    if data is None:
        return note_markup("The figure's bytes are missing.")
    if mime == "text/html":
        said = "An interactive figure: its script does not run in here."
        return f'<p class="note">{said}{link and f" Open{link}."}</p>'
    if mime not in _IMAGES:
        return f'<p class="note">A figure of a kind that is not shown{link and f":{link}"}</p>'
    if len(data) > _LONGEST_IMAGE:
        return f'<p class="note">A figure of {len(data):,} bytes is not shown{link}</p>'
    encoded = base64.b64encode(data).decode("ascii")
    # as an image an SVG runs and loads nothing
    return (
        f'<figure><img alt="{text_markup(title) or "figure"}" loading="lazy" '
        f'src="data:{mime};base64,{encoded}"></figure>'
    )


def frame(html: str, title: str) -> str:
    """Foreign HTML in a frame that runs nothing and reaches nothing.

    The frame has this page's policy. Tags that a policy governs too late or not at all (a browser
    connects for a frame before it asks the policy, and for a preconnect always) are made unknown.
    """
    if len(html) > _LONGEST_HTML:
        return note_markup(f"HTML of {len(html):,} characters is not shown.")
    inert = _FETCHING.sub(r"<\1x-", html)
    whole = (
        f'<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light">{inert}'
    )
    # nothing in the frame may say how high it is; one can draw it larger
    height = "low" if len(html) < 400 else "middle" if len(html) < 3_000 else "high"
    return (
        f'<iframe sandbox loading="lazy" class="{height}" '
        f'title="HTML output: {text_markup(title)}" srcdoc="{escape(whole)}"></iframe>'
    )


def pairs(items: Sequence[tuple[str, str]]) -> str:
    """Names with values."""
    return '<dl class="pairs">{}</dl>'.format(
        "".join(
            f"<dt>{text_markup(name)}</dt><dd>{text_markup(value)}</dd>" for name, value in items
        )
    )


def table(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Any]],
    title: str,
    *,
    total: int | None = None,
    truncated: bool = False,
) -> str:
    """A table that can be sorted, and filtered where it is long."""
    width = len(columns)
    shown = [fitted(row, width) for row in rows[: max(_MOST_CELLS // max(width, 1), 1)]]
    numeric = [is_numeric(column, [row[at] for row in shown]) for at, column in enumerate(columns)]
    head = "".join(
        f'<th scope="col"{" class=number" if is_number else ""}><button type="button">'
        f'<span class="name">{text_markup(name) or "&nbsp;"}</span>'
        f"{f'<span class=kind>{text_markup(kind)}</span>' if kind else ''}</button></th>"
        for (name, kind), is_number in zip(columns, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row, numeric))}</tr>" for row in shown)
    named = text_markup(title) or "table"
    tools = ""
    filtered = len(shown) > _FILTERED_ROWS
    if filtered:
        tools = (
            f'<div class="tools" hidden><input type="search" placeholder="Filter rows" '
            f'aria-label="Filter rows of {named}"><span role="status"></span></div>'
        )
    note = row_note(len(shown), len(rows), total, truncated).strip("()")
    more = " (the files named below hold all that came)" if len(shown) < len(rows) else ""
    return (
        f'<div class="table{" filtered" if filtered else ""}">{tools}'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{named}"><table>'
        f'<caption class="hidden">{named}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{note_markup(note + more)}</div>"
    )


def _cell(value: Any, is_number: bool) -> str:
    if value is None:
        return '<td class="null">NULL</td>'
    text = value_text(value)
    cut_off = ""
    if len(text) > _LONGEST_VALUE:
        cut_off = f" … ({len(text):,} characters)"
        text = text[:_LONGEST_VALUE]
    css = ' class="number"' if is_number else ' class="long"' if len(text) > _LONG_VALUE else ""
    return f"<td{css}>{escape(text)}{cut_off}</td>"


def _coloured(text: str, language: str) -> str:
    if len(text) > _LONGEST_COLOURED:
        return escape(text)
    from pygments import highlight

    # from its own module: the package replaces itself while another thread may import from it
    from pygments.formatters.html import HtmlFormatter

    formatter = HtmlFormatter(nowrap=True)
    shown: str = highlight(text, _lexer(language), formatter)
    return shown.removesuffix("\n")


@functools.cache
def _lexer(name: str) -> Any:
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


@functools.cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")

    def heading(tokens: Any, at: int, options: Any, env: Any) -> str:
        token = tokens[at]
        token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
        rendered: str = parser.renderer.renderToken(tokens, at, options, env)  # type: ignore[attr-defined]
        return rendered

    def link(tokens: Any, at: int, options: Any, env: Any) -> str:
        tokens[at].attrSet("rel", "noopener noreferrer")
        rendered: str = parser.renderer.renderToken(tokens, at, options, env)  # type: ignore[attr-defined]
        return rendered

    def picture(tokens: Any, at: int, options: Any, env: Any) -> str:
        token = tokens[at]
        source = str(token.attrGet("src") or "")
        named = escape(token.content or source)
        if source.startswith("data:image/"):
            return f'<img alt="{named}" src="{escape(source)}">'
        return f'<a rel="noopener noreferrer" href="{escape(source)}">{named}</a>'

    parser.add_render_rule("heading_open", _unbound(heading))
    parser.add_render_rule("heading_close", _unbound(heading))
    parser.add_render_rule("link_open", _unbound(link))
    parser.add_render_rule("image", _unbound(picture))
    return parser


def _unbound(rule: Any) -> Any:
    """A rule as the parser takes it: it binds the renderer as the first argument."""

    def bound(_renderer: Any, tokens: Any, at: int, options: Any, env: Any) -> Any:
        return rule(tokens, at, options, env)

    return bound
