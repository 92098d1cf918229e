"""Cells and their results as HTML. Everything a notebook printed is untrusted text here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --edge: #8884; --dim: #888; --bad: #c62828; --good: #2e7d32; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } .dim { color: var(--dim); } .bad { color: var(--bad); }
.good { color: var(--good); }
section { border: 1px solid var(--edge); border-radius: 6px; margin: 1rem 0; overflow: hidden; }
section > header { padding: .3rem .8rem; color: var(--dim); border-bottom: 1px solid var(--edge); }
pre { margin: 0; padding: .6rem .8rem; overflow-x: auto; font: 13px/1.45 ui-monospace, monospace; }
pre.code { background: #8881; } pre.error { color: var(--bad); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { border: 1px solid var(--edge); padding: .2rem .5rem; text-align: left; }
img { max-width: 100%; } iframe { width: 100%; min-height: 12rem; border: 0; }
"""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f]")
_IMAGE = re.compile(r"image/(png|jpeg|gif|webp)")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")


def cells_html(commands: Iterable[Mapping[str, Any]]) -> str:
    """All cells, each with its source, its results and its error."""
    return "\n".join(_cell(number, one) for number, one in enumerate(commands, start=1))


def plain(text: str) -> str:
    """Text fit for a page: no terminal codes, nothing that HTML would understand."""
    return escape(_ANSI.sub("", text.replace("\r\n", "\n")))


def _cell(number: int, command: Mapping[str, Any]) -> str:
    title = command.get("commandTitle") or f"Cell {number}"
    state = str(command.get("state") or "")
    spent = (command.get("finishTime") or 0) - (command.get("startTime") or 0)
    timing = f" · {spent / 1000:.2f} s" if spent > 0 and command.get("startTime") else ""
    parts = [
        f"<section><header>{plain(str(title))} · {plain(state)}{timing}</header>",
        f'<pre class="code">{plain(str(command.get("command") or ""))}</pre>',
        *(_result(one) for one in _results(command)),
    ]
    if command.get("errorSummary"):
        parts.append(f'<pre class="error">{plain(str(command["errorSummary"]))}</pre>')
    if command.get("error"):
        parts.append(f'<pre class="error">{plain(str(command["error"]))}</pre>')
    return "\n".join([*parts, "</section>"])


def _results(command: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    results = command.get("results") or {}
    data = results.get("data") if isinstance(results, dict) else None
    if isinstance(data, list) and results.get("type") == "listResults":
        return [one for one in data if isinstance(one, dict)]
    return [results] if isinstance(results, dict) and results else []


def _result(result: Mapping[str, Any]) -> str:
    kind, data = result.get("type"), result.get("data")
    if kind == "table" and isinstance(data, list):
        return _table(data, result)
    if kind in {"htmlSandbox", "html"}:
        return f'<iframe sandbox="" srcdoc="{escape(str(data), quote=True)}"></iframe>'
    if kind == "mimeBundle" and isinstance(data, dict):
        return "\n".join(_mime(str(mime), value) for mime, value in data.items())
    return f"<pre>{plain(str(data))}</pre>"


def _table(rows: list[Any], result: Mapping[str, Any]) -> str:
    heads = "".join(f"<th>{plain(str(col.get('name')))}</th>" for col in result.get("schema") or [])
    lines = []
    for row in rows:
        cells = row if isinstance(row, list) else [row]
        texts = ("null" if one is None else str(one) for one in cells)
        lines.append("<tr>" + "".join(f"<td>{plain(text)}</td>" for text in texts) + "</tr>")
    note = '<p class="dim">More rows were left out.</p>' if result.get("overflow") else ""
    return f'<div class="scroll"><table><tr>{heads}</tr>{"".join(lines)}</table></div>{note}'


def _mime(mime: str, value: Any) -> str:
    if _IMAGE.fullmatch(mime) and isinstance(value, str) and _BASE64.fullmatch(value):
        return f'<img alt="figure" src="data:{mime};base64,{"".join(value.split())}">'
    if mime in {"text/html", "image/svg+xml"}:
        return f'<iframe sandbox="" srcdoc="{escape(str(value), quote=True)}"></iframe>'
    return f"<pre>{plain(str(value))}</pre>"
