"""Draws the diagrams of the ideas: boxes on a grid, and arrows between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from docs.make.pages import ROOT

FOLDER = ROOT / "docs" / "pictures"
_COLUMN, _ROW = 210, 104
_WIDTH, _HEIGHT = 150, 56
_MARGIN, _LINE = 24, 17
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2933; text-anchor: middle; }
.label { font-size: 12px; fill: #52606d; paint-order: stroke; stroke: #fbfaf7; stroke-width: 5px; }
.small { font-size: 11px; fill: #52606d; }
.box { fill: #ffffff; stroke: #9aa5b1; stroke-width: 1.2; }
.main { fill: #fdebd3; stroke: #d9822b; stroke-width: 1.5; }
.kept { fill: #e3eefb; stroke: #4a7fb5; stroke-width: 1.2; }
.arrow { stroke: #52606d; stroke-width: 1.4; fill: none; marker-end: url(#head); }
"""


@dataclass(frozen=True)
class Box:
    """A box at a place of the grid; lines after the first are small."""

    column: float
    row: float
    text: str
    look: str = "box"
    """``box``, ``main`` for what the picture is about, ``kept`` for what lies on a disk."""


@dataclass(frozen=True)
class Arrow:
    """An arrow from one box to another, by their names."""

    start: str
    end: str
    label: str = ""


@dataclass(frozen=True)
class Diagram:
    """What is drawn, and in one sentence what it says, for who cannot see it."""

    says: str
    boxes: dict[str, Box]
    arrows: list[Arrow] = field(default_factory=list)


DIAGRAMS = {
    "loop": Diagram(
        "A notebook is saved; what changed is uploaded and run; its output is fetched and shown.",
        {
            "edit": Box(0, 0, "you save\nnotebooks/02_clean.py"),
            "plan": Box(1, 0, "what changed?\nby content", "main"),
            "upload": Box(2, 0, "upload\nthat and what it reaches"),
            "run": Box(3, 0, "run\nas a job"),
            "fetch": Box(3, 1, "fetch\nsections, cells, figures"),
            "show": Box(2, 1, "show\nin the terminal"),
            "save": Box(1, 1, "outputs/\ntext, JSON, page", "kept"),
        },
        [
            Arrow("edit", "plan"),
            Arrow("plan", "upload"),
            Arrow("upload", "run"),
            Arrow("run", "fetch"),
            Arrow("fetch", "show"),
            Arrow("show", "save"),
        ],
    ),
    "ledger": Diagram(
        "doit, sync and runs write into one ledger what they have done, and read from it what"
        " they need not do.",
        {
            "doit": Box(0, 0, "doit\nupload, run, fetch"),
            "sync": Box(1, 0, "sync\npush, pull, watch"),
            "run": Box(2, 0, "invoke run\nJobRunner"),
            "ledger": Box(1, 1, "the ledger\n.brickloop/ledger.db", "main"),
            "objects": Box(0, 2, "remote objects\nwhat was sent, as what", "kept"),
            "runs": Box(1, 2, "runs\nbefore they are asked for", "kept"),
            "facts": Box(2, 2, "facts of contents\nhashes, imports, tables", "kept"),
        },
        [
            Arrow("doit", "ledger"),
            Arrow("sync", "ledger"),
            Arrow("run", "ledger"),
            Arrow("ledger", "objects"),
            Arrow("ledger", "runs"),
            Arrow("ledger", "facts"),
        ],
    ),
    "fingerprint": Diagram(
        "All that a run depends on becomes one hash; the same hash as at the last success means"
        " that nothing runs.",
        {
            "code": Box(0, 0, "code of the cells"),
            "reach": Box(0, 1, "what it reaches\n%run, imports, files"),
            "parameters": Box(0, 2, "parameters\ncompute, runtime wheel"),
            "before": Box(0, 3, "runs before it\nwhose tables it reads"),
            "hash": Box(1, 1.5, "fingerprint\none hash", "main"),
            "same": Box(2, 0.75, "as at the last success\nand the outputs are there"),
            "other": Box(2, 2.25, "another one"),
            "nothing": Box(3, 0.75, "nothing to do"),
            "run": Box(3, 2.25, "run"),
        },
        [
            Arrow("code", "hash"),
            Arrow("reach", "hash"),
            Arrow("parameters", "hash"),
            Arrow("before", "hash"),
            Arrow("hash", "same"),
            Arrow("hash", "other"),
            Arrow("same", "nothing"),
            Arrow("other", "run"),
        ],
    ),
    "three-way": Diagram(
        "Local file and workspace object are each compared with what both were last equal to;"
        " where only one differs it is carried over, where both do it is a conflict.",
        {
            "local": Box(0, 0, "local file"),
            "ancestor": Box(1, 0, "ancestor\nboth were equal to it", "kept"),
            "remote": Box(2, 0, "workspace object"),
            "push": Box(0, 1, "only it changed\ncarry it up"),
            "conflict": Box(1, 1, "both changed\nconflict: both stay", "main"),
            "pull": Box(2, 1, "only it changed\ncarry it down"),
        },
        [
            Arrow("local", "ancestor", "compare"),
            Arrow("remote", "ancestor", "compare"),
            Arrow("local", "push"),
            Arrow("ancestor", "conflict"),
            Arrow("remote", "pull"),
        ],
    ),
    "output": Diagram(
        "A notebook writes sealed chunks; a follower reads each as it comes; cells, exit value and"
        " error join them when the run has ended.",
        {
            "notebook": Box(0, 0, "the notebook\nNotebookOutput", "main"),
            "chunks": Box(1, 0, "sealed chunks\nbelow the run's folder", "kept"),
            "follower": Box(2, 0, "the follower\neach chunk as it comes"),
            "cells": Box(0, 1, "the run\ncells, exit value, error"),
            "export": Box(1, 1, "exported page\nonce it has ended", "kept"),
            "terminal": Box(3, 0, "terminal\nwhile it runs"),
            "saved": Box(3, 1, "outputs/\ntext, JSON, page", "kept"),
            "result": Box(2, 1, "the result"),
        },
        [
            Arrow("notebook", "chunks"),
            Arrow("chunks", "follower"),
            Arrow("follower", "terminal"),
            Arrow("follower", "result"),
            Arrow("cells", "export"),
            Arrow("export", "result"),
            Arrow("result", "saved"),
        ],
    ),
    "workspaces": Diagram(
        "The same commands and the same clients speak to a Databricks workspace or to the local"
        " one; only the address differs.",
        {
            "doit": Box(0, 0, "doit, invoke"),
            "python": Box(0, 1, "your Python\nand other tools"),
            "clients": Box(1, 0.5, "databricks-sdk\ndatabricks-sql-connector", "main"),
            "cloud": Box(2, 0, "Databricks\na profile, or a host"),
            "local": Box(2, 1, "local workspace\non 127.0.0.1"),
            "engine": Box(3, 1, "Sail\nPython and SQL"),
        },
        [
            Arrow("doit", "clients"),
            Arrow("python", "clients"),
            Arrow("clients", "cloud"),
            Arrow("clients", "local"),
            Arrow("local", "engine"),
        ],
    ),
}


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in made().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def made() -> dict[str, str]:
    """The pictures' texts by their file names."""
    return {f"{name}.svg": draw(diagram) for name, diagram in DIAGRAMS.items()}


def draw(diagram: Diagram) -> str:
    """A diagram as SVG that asks for nothing from elsewhere."""
    columns = max(box.column for box in diagram.boxes.values())
    rows = max(box.row for box in diagram.boxes.values())
    width = round(2 * _MARGIN + columns * _COLUMN + _WIDTH)
    height = round(2 * _MARGIN + rows * _ROW + _HEIGHT)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img">',
        f"<title>{escape(diagram.says)}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
        ' markerHeight="7" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="#52606d"/>'
        "</marker></defs>",
        f'<rect width="{width}" height="{height}" rx="10" fill="#fbfaf7"/>',
    ]
    for arrow in diagram.arrows:
        parts += _arrow(diagram.boxes[arrow.start], diagram.boxes[arrow.end], arrow.label)
    for box in diagram.boxes.values():
        parts += _box(box)
    return "\n".join([*parts, "</svg>", ""])


def _middle(box: Box) -> tuple[float, float]:
    return (
        _MARGIN + box.column * _COLUMN + _WIDTH / 2,
        _MARGIN + box.row * _ROW + _HEIGHT / 2,
    )


def _box(box: Box) -> Iterator[str]:
    x, y = _middle(box)
    lines = box.text.split("\n")
    yield (
        f'<rect class="{box.look}" x="{x - _WIDTH / 2:g}" y="{y - _HEIGHT / 2:g}" width="{_WIDTH}"'
        f' height="{_HEIGHT}" rx="8"/>'
    )
    top = y - (len(lines) - 1) * _LINE / 2 + 4.5
    for place, line in enumerate(lines):
        look = ' class="small"' if place else ""
        yield f'<text{look} x="{x:g}" y="{top + place * _LINE:g}">{escape(line)}</text>'


def _arrow(start: Box, end: Box, label: str) -> Iterator[str]:
    (x1, y1), (x2, y2) = _middle(start), _middle(end)
    sx, sy = _edge(x1, y1, x2, y2)
    ex, ey = _edge(x2, y2, x1, y1)
    yield f'<path class="arrow" d="M{sx:.1f} {sy:.1f}L{ex:.1f} {ey:.1f}"/>'
    if label:
        x, y = (sx + ex) / 2, (sy + ey) / 2 - 6
        yield f'<text class="label" x="{x:g}" y="{y:g}">{escape(label)}</text>'


def _edge(x: float, y: float, towards_x: float, towards_y: float) -> tuple[float, float]:
    """Where the line to another box leaves this one."""
    dx, dy = towards_x - x, towards_y - y
    part = min(
        (_WIDTH / 2 + 3) / abs(dx) if dx else float("inf"),
        (_HEIGHT / 2 + 3) / abs(dy) if dy else float("inf"),
    )
    return x + dx * part, y + dy * part
