"""One self-contained page of a run: no network, no script but our own, everything else escaped."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

from brickloop.model.document import Document, Section
from brickloop.model.run import (
    CellOutput,
    CellResult,
    HtmlOutput,
    ImageOutput,
    RunResult,
    TableOutput,
    TextOutput,
)

_STYLE = """
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#1d2329;--dim:#66707a;--line:#e3e5e8;
--code:#f4f5f6;--accent:#c2410c;--bad:#b42318;--good:#1a7f4b}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2024;--ink:#e6e8ea;--dim:#98a2ac;
--line:#31373d;--code:#24292e;--accent:#fb923c;--bad:#f97066;--good:#4cc38a}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:980px;margin:0 auto;padding:28px 18px 60px}
h1{font-size:1.5rem;margin:0 0 4px}h2{font-size:1.05rem;margin:0 0 10px}
.facts{color:var(--dim);font-size:.9rem;margin-bottom:22px}
.state{font-weight:600}.SUCCESS{color:var(--good)}.bad{color:var(--bad)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:16px 18px;margin:0 0 16px;overflow:hidden}
section.error{border-color:var(--bad)}
.group{font-size:.8rem;letter-spacing:.08em;text-transform:uppercase;
color:var(--dim);margin:26px 0 10px}
pre{background:var(--code);border-radius:7px;padding:10px 12px;margin:0 0 10px;overflow-x:auto;
font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;
overflow-wrap:anywhere}
details pre{margin-top:8px}summary{cursor:pointer;color:var(--dim);font-size:.9rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem;min-width:40%}
th,td{padding:5px 12px 5px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th button{all:unset;cursor:pointer;font-weight:600}
th button:focus-visible{outline:2px solid var(--accent)}
th small{display:block;color:var(--dim);font-weight:400}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.null{color:var(--dim)}
.note{color:var(--dim);font-size:.85rem;margin:8px 0 0}
img{max-width:100%;height:auto;background:#fff;border-radius:7px}
iframe{width:100%;height:320px;border:1px solid var(--line);border-radius:7px;background:#fff}
"""
_SCRIPT = """
for(const button of document.querySelectorAll("th button"))button.addEventListener("click",()=>{
const head=button.parentElement,table=head.closest("table"),body=table.tBodies[0];
const column=[...head.parentElement.children].indexOf(head);
const up=head.getAttribute("aria-sort")!=="ascending";
for(const other of head.parentElement.children)other.removeAttribute("aria-sort");
head.setAttribute("aria-sort",up?"ascending":"descending");
const value=row=>row.children[column].textContent;
const rows=[...body.rows].sort((a,b)=>{const x=value(a),y=value(b),m=Number(x),n=Number(y);
const order=x!==""&&y!==""&&!isNaN(m)&&!isNaN(n)?m-n:x.localeCompare(y);return up?order:-order});
body.append(...rows)});
"""


def render_page(result: RunResult, name: str) -> str:
    """The page of one run as HTML text."""
    script_hash = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self';"
        f" script-src 'sha256-{script_hash}'; base-uri 'none'; form-action 'none'"
    )
    status = result.status
    state = (status.result or status.life_cycle).value
    seconds = max(status.ended_ms - status.started_ms, 0) / 1000
    css = "SUCCESS" if status.succeeded else "bad"
    facts = [
        f'<span class="state {css}">{escape(state)}</span>',
        f"run {status.run_id}",
        f"{seconds:.1f} s",
    ]
    document: Document | None = result.document
    metadata = document.metadata if document else {}
    facts += [f"{escape(key)}: {escape(value)}" for key, value in metadata.items()]
    parts = [_error(result)] if not status.succeeded else []
    if document is not None and document.sections:
        parts += [_section(section) for section in document.sections]
        if not document.complete:
            parts.append('<p class="note">The output is incomplete: the notebook ended early.</p>')
    if result.cells:
        parts.append('<p class="group">Cells</p>')
        parts += [_cell(cell) for cell in result.cells if cell.state != "skipped"]
    if result.exit_value:
        parts.append(f"<section><h2>Exit value</h2>{_pre(result.exit_value)}</section>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(name)}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{escape(name)}</h1><p class="facts">{" · ".join(facts)}</p>'
        f"{''.join(parts)}</main><script>{_SCRIPT}</script></body></html>\n"
    )


def _error(result: RunResult) -> str:
    failed = next((cell for cell in result.cells if cell.error is not None), None)
    if failed is not None and failed.error is not None:
        heading = f"Cell {failed.index + 1}: {failed.error.name}: {failed.error.message}"
        body = _pre(failed.command) + _pre(failed.error.trace)
    else:
        heading = result.error or result.status.message or "The run did not succeed"
        body = _pre(result.error_trace or "")
    return f'<section class="error"><h2 class="bad">{escape(heading)}</h2>{body}</section>'


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    if section.query:
        parts.append(_pre(section.query))
    if section.columns:
        parts.append(_table(section.columns, section.rows, section.total, section.truncated))
    elif section.image is not None:
        parts.append(_image(section.mime or "", section.image, section.title))
    elif section.kind == "html":
        parts.append(_frame(section.text))
    else:
        parts.append(_pre(section.trace or section.text))
    css = ' class="error"' if section.kind == "error" else ""
    return f"<section{css}>{''.join(parts)}</section>"


def _cell(cell: CellResult) -> str:
    seconds = max(cell.ended_ms - cell.started_ms, 0) / 1000
    outputs = "".join(_output(output) for output in cell.outputs)
    return (
        f"<section><h2>[{cell.index + 1}] {escape(cell.first_line)}</h2>"
        f"<details><summary>code · {seconds:.2f} s</summary>{_pre(cell.command)}</details>"
        f"{outputs}</section>"
    )


def _output(output: CellOutput) -> str:
    if isinstance(output, TextOutput):
        return _pre(output.text)
    if isinstance(output, TableOutput):
        return _table(output.columns, output.rows, None, output.truncated)
    if isinstance(output, ImageOutput):
        return _image(output.mime, output.data, "figure")
    if isinstance(output, HtmlOutput):
        return _frame(output.html)
    return f'<p class="bad">{escape(output.name)}: {escape(output.message)}</p>{_pre(output.trace)}'


def _table(
    columns: tuple[tuple[str, str], ...],
    rows: tuple[tuple[Any, ...], ...],
    total: int | None,
    truncated: bool,
) -> str:
    numeric = [
        any(isinstance(row[index], int | float) for row in rows) for index in range(len(columns))
    ]
    head = "".join(
        f'<th{_number(is_number)}><button type="button">{escape(name)}</button>'
        f"<small>{escape(kind)}</small></th>"
        for (name, kind), is_number in zip(columns, numeric, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            '<td class="null">NULL</td>'
            if value is None
            else f"<td{_number(is_number)}>{escape(str(value))}</td>"
            for value, is_number in zip(row, numeric, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    note = f"{len(rows):,} rows"
    if truncated:
        note = f"{len(rows):,} of {'more' if total is None else f'{total:,}'} rows"
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f'</div><p class="note">{note}</p>'
    )


def _number(is_number: bool) -> str:
    return ' class="n"' if is_number else ""


def _image(mime: str, data: bytes, title: str) -> str:
    if mime not in {"image/png", "image/jpeg", "image/svg+xml"}:
        return '<p class="note">a figure of an unknown kind</p>'
    encoded = base64.b64encode(data).decode()
    # as an image an SVG cannot run what it may hold
    return f'<img alt="{escape(title)}" src="data:{mime};base64,{encoded}">'


def _frame(html: str) -> str:
    """Foreign HTML in a frame that may run nothing and reach nothing."""
    return f'<iframe sandbox srcdoc="{escape(html, quote=True)}" title="HTML output"></iframe>'


def _pre(text: str) -> str:
    return f"<pre>{escape(text)}</pre>" if text else ""
