"""A graph as tree, Mermaid, DOT and page."""

from __future__ import annotations

import json
import re

from brickloop.graph.drawing import Drawing
from brickloop.report.graph_page import graph_page

DRAWING = Drawing(
    {"load": {}, "clean": {"load": ("s.raw",)}, "a\"b<c": {"load": (), "clean": ("s.t",)}},
    {"load": ("setup",), "clean": (), "a\"b<c": ()},
    {"load": "run", "clean": "perhaps run", "a\"b<c": "up to date"},
)  # fmt: skip


def test_the_tree_spreads_a_notebook_out_once():
    assert DRAWING.tree() == [
        "load  [run]",
        "│ · setup",
        "├─ clean  (s.raw)  [perhaps run]",
        '│  └─ a"b<c  (s.t)  [up to date]',
        '└─ a"b<c  [up to date]',
    ]


def test_mermaid_and_dot_quote_names():
    mermaid = "\n".join(DRAWING.mermaid())
    assert 'n2["a#quot;b&lt;c"]' in mermaid
    assert 'n0 -->|"s.raw"| n1' in mermaid
    assert "class n0,n1 todo;" in mermaid
    dot = "\n".join(DRAWING.dot())
    assert '"a\\"b<c"' in dot
    assert '"load" -> "clean" [label="s.raw"];' in dot


def test_json_holds_everything():
    found = json.loads(json.dumps(DRAWING.to_json()))
    assert found[1] == {
        "notebook": "clean", "upstream": {"load": ["s.raw"]}, "files": [], "step": "perhaps run",
    }  # fmt: skip


def test_the_page_is_self_contained_and_quotes_names():
    page = graph_page("<b>", DRAWING.upstream, DRAWING.marks)
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "http" not in re.sub(r'http-equiv="[^"]*"', "", page)
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "a&quot;b&lt;c" in page
    assert page.count("<rect") == 3
    assert page.count('<path d="') == 3
