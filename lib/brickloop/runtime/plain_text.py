"""The text form of a document: titled sections between rules, aligned tables."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_RULE = 100
LAST_LINE = "=" * _RULE


def document_lines(
    sections: Iterable[Mapping[str, Any]], metadata: Mapping[str, Any], generated: str
) -> Iterator[str]:
    """The document's lines; each section has ``title`` and ``content``."""
    yield from head_lines(metadata, generated)
    for section in sections:
        yield from titled_lines(str(section["title"]), section["content"])
    yield LAST_LINE


def head_lines(metadata: Mapping[str, Any], generated: str) -> Iterator[str]:
    """What is above the first section."""
    yield from ("=" * _RULE, "NOTEBOOK OUTPUT", "=" * _RULE, f"Generated: {generated}")
    for key, value in metadata.items():
        yield f"{key}: {value}"
    yield ""


def titled_lines(title: str, content: str) -> Iterator[str]:
    """One section below its title between rules."""
    yield from ("-" * _RULE, f"📊 {' '.join(title.split())}", "-" * _RULE, content, "")


def section_text(section: Mapping[str, Any]) -> str:
    """What a section of the wire format says, as text."""
    kind = section["kind"]
    parts = []
    if kind == "query":
        parts.append(f"Query: {section.get('query', '')}\n\nResults:")
    if section.get("columns"):
        parts += table_lines(
            section["columns"],
            section["rows"],
            section.get("total"),
            bool(section.get("truncated")),
        )
    elif kind == "figure":
        parts.append(f"[figure, {section['mime']}, {section['size']:,} bytes]")
    elif kind == "error":
        parts.append(str(section.get("trace") or section.get("text", "")).rstrip("\n"))
    elif kind in {"values", "metric"}:
        unit = f" {section['unit']}" if section.get("unit") else ""
        parts += [f"{name}: {cell_text(value)}{unit}" for name, value in section["values"]]
    else:
        parts.append(str(section.get("text", "")))
    parts += [f"({note})" for note in section.get("notes", ())]
    return "\n".join(parts)


def table_lines(
    columns: Sequence[Sequence[str]],
    rows: Sequence[Sequence[Any]],
    total: int | None,
    truncated: bool,
) -> list[str]:
    """A table as aligned lines, numbers to the right, with one that says what was left out."""
    names = [_one_line(column[0]) for column in columns]
    body = [[cell_text(value) for value in row] for row in rows]
    widths = [
        max([_width(name), *(_width(row[index]) for row in body)])
        for index, name in enumerate(names)
    ]
    numeric = [
        any(_is_number(row[index]) for row in rows)
        and all(row[index] is None or _is_number(row[index]) for row in rows)
        for index in range(len(names))
    ]

    def line(texts: Sequence[str]) -> str:
        padded = []
        for text, width, to_the_right in zip(texts, widths, numeric, strict=True):
            blank = " " * (width - _width(text))
            padded.append(blank + text if to_the_right else text + blank)
        return "  ".join(padded).rstrip()

    lines = [line(names), "  ".join("-" * width for width in widths), *map(line, body)]
    if truncated:
        lines.append(f"({len(rows):,} of {'more' if total is None else f'{total:,}'} rows)")
    return lines


def cell_text(value: Any) -> str:
    """A table's value on one line."""
    return "NULL" if value is None else _one_line(str(value))


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )
