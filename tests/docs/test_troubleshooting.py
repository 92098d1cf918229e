"""The messages that the page on troubleshooting explains are those that are said."""

from __future__ import annotations

import ast
import re

from docs.make.pages import ROOT, read


def said() -> str:
    """All texts in the library, those of one f-string without its values."""
    texts = []
    for path in (ROOT / "lib" / "brickloop").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_every_message_that_is_explained_is_said_somewhere():
    everything = said()
    rows = re.findall(r"(?m)^\| (`[^|]+`) \| ", read("docs/troubleshooting.md"))
    messages = [code for row in rows for code in re.findall(r"`([^`]+)`", row)]
    assert len(messages) > 25
    unknown = [
        part
        for message in messages
        for part in re.split(r"\.\.\.", message)
        if part.strip(" '") and part.strip() not in everything
    ]
    assert unknown == []
