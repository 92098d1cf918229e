"""Source in colours: cells, SQL, JSON."""

from __future__ import annotations

import json

from brickloop.display import console
from brickloop.model.language import known_language, language_of
from brickloop.model.plain import source_span
from brickloop.model.text import harmless

_LONGEST_COLOURED = 100_000


def show_code(source: str, language: str | None = None) -> None:
    """Show source; in colours on a terminal."""
    text = harmless(source).strip("\n")
    if not console.is_terminal() or len(text) > _LONGEST_COLOURED:
        console.write(text)
        return
    from rich.syntax import Syntax

    console.show(
        Syntax(
            text,
            known_language(language) if language else language_of(source),
            theme="ansi_dark",
            background_color="default",
            word_wrap=True,
        )
    )


def show_source(source: str, marked: int | None, context: int) -> None:
    """Show a cell on a terminal with line numbers, the failing line marked."""
    from rich.syntax import Syntax
    from rich.text import Text

    text = harmless(source)
    lines = text.split("\n")
    first, last = source_span(len(lines), marked, context)
    if first > 1:
        console.show(Text(f"      … {first - 1} lines above", style="dim"))
    console.show(
        Syntax(
            # a line of blanks at either end would be stripped, and the numbers would be wrong
            "\n".join(line or " " for line in lines[first - 1 : last]),
            language_of(source),
            theme="ansi_dark",
            background_color="default",
            line_numbers=True,
            start_line=first,
            highlight_lines={marked} if marked else None,
            word_wrap=True,
        )
    )
    if last < len(lines):
        console.show(Text(f"      … {len(lines) - last} lines below", style="dim"))


def show_json(text: str) -> None:
    """Show JSON indented and in colours on a terminal; as it came where it is none, or piped."""
    if not console.is_terminal():
        console.write(harmless(text).rstrip("\n"))
        return
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        console.write(harmless(text).rstrip("\n"))
        return
    show_code(text, "json")
