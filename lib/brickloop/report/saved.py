"""Outputs on disk: a run as text, as JSON and as a page, each written whole or not at all."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from brickloop.model.document import Document, Section
from brickloop.model.run import (
    CellOutput,
    CellResult,
    ErrorOutput,
    HtmlOutput,
    ImageOutput,
    RunResult,
    TableOutput,
    TextOutput,
)
from brickloop.model.text import harmless
from brickloop.report.html import render_page

_RULE = 100


def save_outputs(result: RunResult, folder: Path, name: str) -> tuple[Path, ...]:
    """The paths of ``<name>.txt``, ``.json`` and ``.html`` below ``folder``."""
    written = []
    for suffix, text in (
        (".txt", as_text(result, name)),
        (".json", json.dumps(as_json(result, name), indent=2, ensure_ascii=False)),
        (".html", render_page(result, name)),
    ):
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
        written.append(path)
    return tuple(written)


def as_json(result: RunResult, name: str) -> dict[str, Any]:
    """The run as JSON types: facts, the output document, and the cells."""
    status = result.status
    document: Document | None = result.document
    return {
        "version": 1,
        "notebook": name,
        "run": {
            "run_id": status.run_id,
            "task_run_id": status.task_run_id,
            "state": status.life_cycle.value,
            "result": status.result.value if status.result else None,
            "message": status.message,
            "url": status.page_url,
            "started_ms": status.started_ms,
            "ended_ms": status.ended_ms,
        },
        "exit_value": result.exit_value,
        "error": result.error,
        "error_trace": result.error_trace,
        "metadata": document.metadata if document else {},
        "complete": document.complete if document else None,
        "sections": [_section(section) for section in document.sections] if document else [],
        "cells": [_cell(cell) for cell in result.cells],
        "cells_missing": result.cells_missing,
    }


def as_text(result: RunResult, name: str) -> str:
    """The run as plain text: titled sections between rules, then cells, then the error."""
    document: Document | None = result.document
    lines = ["=" * _RULE, f"NOTEBOOK OUTPUT: {name}", "=" * _RULE]
    state = result.status.result or result.status.life_cycle
    lines.append(f"Run {result.status.run_id}: {state.value}")
    for key, value in (document.metadata if document else {}).items():
        lines.append(f"{key}: {value}")
    lines.append("")
    for section in document.sections if document else ():
        lines += ["-" * _RULE, section.title, "-" * _RULE, *_section_lines(section), ""]
    for cell in result.cells:
        shown = [line for output in cell.outputs for line in _output_lines(output)]
        if shown:
            head = f"[{cell.index + 1}] {cell.first_line}"
            lines += ["-" * _RULE, head, "-" * _RULE, *shown, ""]
    if result.exit_value:
        lines += [f"Exit value: {result.exit_value}", ""]
    if result.error and not any(cell.error for cell in result.cells):
        lines += [result.error, result.error_trace or "", ""]
    lines.append("=" * _RULE)
    return harmless("\n".join(lines)) + "\n"


def table_lines(
    columns: tuple[tuple[str, str], ...],
    rows: tuple[tuple[Any, ...], ...],
    total: int | None,
    truncated: bool,
) -> list[str]:
    """A table as aligned lines, with one that says what was left out."""
    names = [name for name, _ in columns]
    texts = [["NULL" if value is None else str(value) for value in row] for row in rows]
    widths = [
        max([len(name), *(len(row[index]) for row in texts)]) for index, name in enumerate(names)
    ]

    def line(row: list[str]) -> str:
        padded = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        return "  ".join(padded).rstrip()

    lines = [line(names), "  ".join("-" * width for width in widths), *map(line, texts)]
    if truncated:
        lines.append(f"({len(rows):,} of {'more' if total is None else f'{total:,}'} rows)")
    return lines


def _section_lines(section: Section) -> list[str]:
    lines = [f"Query: {section.query}", "", "Results:"] if section.query else []
    if section.columns:
        return lines + table_lines(section.columns, section.rows, section.total, section.truncated)
    if section.kind == "figure":
        return [f"[figure, {section.mime}, {len(section.image or b''):,} bytes]"]
    return [*lines, section.trace or section.text]


def _output_lines(output: CellOutput) -> list[str]:
    if isinstance(output, TextOutput):
        return [output.text.rstrip("\n")]
    if isinstance(output, TableOutput):
        return table_lines(output.columns, output.rows, None, output.truncated)
    if isinstance(output, ImageOutput):
        return [f"[figure, {output.mime}, {len(output.data):,} bytes]"]
    if isinstance(output, HtmlOutput):
        return [f"[HTML, {len(output.html):,} characters]"]
    return [f"{output.name}: {output.message}", output.trace]


def _section(section: Section) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": section.kind, "title": section.title}
    if section.query:
        data["query"] = section.query
    if section.columns:
        data |= {
            "columns": section.columns,
            "rows": section.rows,
            "total": section.total,
            "truncated": section.truncated,
        }
    if section.image is not None:
        data |= {"mime": section.mime, "data": base64.b64encode(section.image).decode()}
    if section.text:
        data["text"] = section.text
    if section.trace:
        data["trace"] = section.trace
    return data


def _cell(cell: CellResult) -> dict[str, Any]:
    return {
        "index": cell.index,
        "command": cell.command,
        "title": cell.title,
        "state": cell.state,
        "started_ms": cell.started_ms,
        "ended_ms": cell.ended_ms,
        "outputs": [_output(output) for output in cell.outputs],
    }


def _output(output: CellOutput) -> dict[str, Any]:
    if isinstance(output, TextOutput):
        return {"kind": "text", "text": output.text, "stream": output.stream}
    if isinstance(output, TableOutput):
        return {
            "kind": "table",
            "columns": output.columns,
            "rows": output.rows,
            "truncated": output.truncated,
        }
    if isinstance(output, ImageOutput):
        data = base64.b64encode(output.data).decode()
        return {"kind": "figure", "mime": output.mime, "data": data}
    if isinstance(output, ErrorOutput):
        return {
            "kind": "error",
            "name": output.name,
            "message": output.message,
            "trace": output.trace,
        }
    return {"kind": "html", "html": output.html}
