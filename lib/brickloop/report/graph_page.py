"""The graph as one self-contained page: an SVG in columns, and the same as a table."""

from __future__ import annotations

import html
from collections.abc import Mapping

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 200, 44, 90, 18
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#8b949e;--box:#f6f8fa;
--todo:#0969da}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--line:#6e7681;--box:#161b22;
--todo:#58a6ff}}
body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;color:var(--ink);background:var(--paper)}
h1{font-size:1.3rem;margin:0 0 1rem}.scroll{overflow-x:auto}
rect{fill:var(--box);stroke:var(--line)}rect.todo{stroke:var(--todo);stroke-width:2.5}
path{fill:none;stroke:var(--line);stroke-width:1.5}text{fill:var(--ink);font:13px system-ui}
text.mark{font-size:11px;opacity:.75}
table{border-collapse:collapse;margin-top:1.5rem}caption{text-align:left;font-weight:600}
th,td{text-align:left;padding:.3rem .8rem;border-bottom:1px solid var(--line);vertical-align:top}
"""


def graph_page(
    title: str,
    upstream: Mapping[str, Mapping[str, tuple[str, ...]]],
    marks: Mapping[str, str],
) -> str:
    """The page; notebooks stand to the right of all that they depend on. No script, no network."""
    places = _places(upstream)
    edges = "".join(
        _curve(places[other], places[name], ", ".join(tables))
        for name, before in upstream.items()
        for other, tables in before.items()
    )
    boxes = "".join(_box(name, places[name], marks.get(name, "")) for name in upstream)
    width = max((x for x, _ in places.values()), default=0) + _WIDTH + 4
    height = max((y for _, y in places.values()), default=0) + _HEIGHT + 4
    rows = "".join(_row(name, before, marks.get(name, "")) for name, before in upstream.items())
    shown = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{shown}: graph</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{shown}</h1>\n"
        f'<div class="scroll"><svg width="{width}" height="{height}" role="img" '
        f'aria-label="Graph of the notebooks; the table below says the same">'
        f"{edges}{boxes}</svg></div>\n"
        "<table><caption>Notebooks</caption><thead><tr><th>notebook<th>comes after<th>to do"
        f"</thead><tbody>{rows}</tbody></table></main></body></html>"
    )


def _places(
    upstream: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> dict[str, tuple[int, int]]:
    """Left upper corner of each box: the column is the longest way to it, rows are in order."""
    depth: dict[str, int] = {}
    filled: dict[int, int] = {}
    found: dict[str, tuple[int, int]] = {}
    for name, before in upstream.items():
        column = max((depth[other] + 1 for other in before), default=0)
        depth[name] = column
        row = filled.get(column, 0)
        filled[column] = row + 1
        found[name] = (2 + column * (_WIDTH + _GAP_X), 2 + row * (_HEIGHT + _GAP_Y))
    return found


def _box(name: str, place: tuple[int, int], mark: str) -> str:
    x, y = place
    todo = "" if mark in {"", "up to date"} else ' class="todo"'
    shown = name if len(name) <= 26 else f"…{name[-25:]}"
    return (
        f"<g><title>{html.escape(name)}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"{todo}/>'
        f'<text x="{x + 10}" y="{y + 19}">{html.escape(shown)}</text>'
        f'<text class="mark" x="{x + 10}" y="{y + 35}">{html.escape(mark)}</text></g>'
    )


def _curve(start: tuple[int, int], end: tuple[int, int], tables: str) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0], end[1] + _HEIGHT // 2
    bend = (x1 + x2) // 2
    title = f"<title>{html.escape(tables)}</title>" if tables else ""
    return f'<path d="M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}">{title}</path>'


def _row(name: str, before: Mapping[str, tuple[str, ...]], mark: str) -> str:
    after = "<br>".join(
        html.escape(f"{other} ({', '.join(tables)})" if tables else other)
        for other, tables in before.items()
    )
    return f"<tr><td>{html.escape(name)}<td>{after}<td>{html.escape(mark)}</tr>"
