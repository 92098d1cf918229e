"""Outputs on disk: a run as text, as JSON and as a page, each written whole or not at all.

The JSON is the whole of a run: ``output.schema.json`` beside this module describes it, and
``read_saved`` makes the run of it again.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from brickloop.errors import OutputUnavailable
from brickloop.model import whole_file
from brickloop.model.document import Document, Section
from brickloop.model.failure import describe_failure
from brickloop.model.plain import failure_lines, output_lines, section_lines
from brickloop.model.run import (
    CellOutput,
    CellResult,
    ErrorOutput,
    HtmlOutput,
    ImageOutput,
    LifeCycle,
    ResultState,
    RunResult,
    RunStatus,
    TableOutput,
    TextOutput,
)
from brickloop.model.run_json import cell_json
from brickloop.model.text import harmless, one_line
from brickloop.report.figures import FigureFolder
from brickloop.report.html import render_page

VERSION = 2
_RULE = 100
_NOT_SAVED = {"image", "pieces"}
_DOCUMENT_FACTS = ("status", "complete", "reason", "params", "seconds", "attempt")


def save_outputs(result: RunResult, folder: Path, name: str) -> tuple[Path, ...]:
    """The paths of ``<name>.txt``, ``.json`` and ``.html`` below ``folder``.

    Figures are beside them in ``<name>.figures``; those of earlier runs are removed.
    """
    figures = FigureFolder(folder, name)
    written = []
    for suffix, text in (
        (".txt", as_text(result, name, figures)),
        (".json", _json_text(as_json(result, name))),
        (".html", render_saved_page(result, folder, name)),
    ):
        written.append(write_whole(folder / f"{name}{suffix}", text))
    figures.remove_others()
    return tuple(written)


def write_whole(path: Path, text: str) -> Path:
    """Write a file whole or not at all; halves of characters become ``?``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole_file.write_whole(path, text)
    return path


def render_saved_page(result: RunResult, folder: Path, name: str) -> str:
    """The page of a run as it lies in the folder of outputs, with links to what lies beside it."""
    figures = FigureFolder(folder, name)

    def link(title: str, mime: str, data: bytes) -> str:
        path = figures.keep(title, mime, data)
        return quote(f"{figures.path.name}/{path.name}") if path else ""

    return render_page(result, name, saved=link)


def as_json(result: RunResult, name: str) -> dict[str, Any]:
    """The run as JSON types: facts, the output document, and the cells."""
    status = result.status
    document: Document | None = result.document
    return {
        "version": VERSION,
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
        "document": (
            {fact: getattr(document, fact) for fact in _DOCUMENT_FACTS} if document else None
        ),
        "sections": [_section(section) for section in document.sections] if document else [],
        "progress": [_section(section) for section in document.progress] if document else [],
        "cells": [cell_json(cell, _figure) for cell in result.cells],
        "cells_missing": result.cells_missing,
    }


def read_saved(path: Path) -> tuple[str, RunResult]:
    """The name of the notebook and the run in a saved JSON file.

    Raises OutputUnavailable for a file that is missing, no JSON, not ours, or of a newer version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OutputUnavailable(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (ValueError, RecursionError):
        raise OutputUnavailable("is no JSON", where=str(path)) from None
    if not isinstance(data, dict) or not isinstance(data.get("version"), int):
        raise OutputUnavailable("is no output that brickloop saved", where=str(path))
    if data["version"] > VERSION:
        raise OutputUnavailable(
            f"has version {data['version']}, this brickloop reads up to {VERSION}",
            where=str(path),
            hint="pip install --upgrade brickloop",
        )
    try:
        return str(data["notebook"]), _result_of(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputUnavailable(
            f"is no output that brickloop saved: {type(error).__name__}: {error}", where=str(path)
        ) from None


def as_text(result: RunResult, name: str, figures: FigureFolder | None = None) -> str:
    """The run as plain text: titled sections between rules, then cells, then the error."""
    document: Document | None = result.document
    state = result.status.result or result.status.life_cycle
    lines = ["=" * _RULE, f"NOTEBOOK OUTPUT: {one_line(name)}", "=" * _RULE]
    lines.append(f"Run {result.status.run_id}: {state.value}")
    facts = {**document.params, **document.metadata} if document else {}
    lines += [f"{one_line(key)}: {one_line(value)}" for key, value in facts.items()]
    lines.append("")
    for section in document.sections if document else ():
        saved = _saved(figures, section.title, section.mime, section.image)
        lines += [*_heading(one_line(section.title)), *section_lines(section, saved=saved), ""]
    if document is not None and not document.complete:
        lines += [f"The output is incomplete. {one_line(document.reason)}".rstrip(), ""]
    for cell in result.cells:
        shown: list[str] = []
        for output in cell.outputs:
            if output is cell.error:
                # it is told last, with the cell's source
                continue
            image = output if isinstance(output, ImageOutput) else ImageOutput("", b"")
            saved = _saved(figures, cell.first_line, image.mime, image.data)
            shown += output_lines(output, saved=saved)
        if shown:
            lines += [*_heading(f"[{cell.index + 1}] {one_line(cell.first_line)}"), *shown, ""]
    if result.cells_missing:
        lines += [f"There are no cells: {one_line(result.cells_missing)}", ""]
    if result.exit_value:
        lines += [f"Exit value: {harmless(result.exit_value)}", ""]
    if result.status.life_cycle.is_final and not result.status.succeeded:
        failure = describe_failure(result)
        trace = cell_error.trace if (cell_error := _error_of(result)) else result.error_trace
        lines += _heading(failure.state)
        lines += [*failure_lines(failure, full_trace=trace or ""), ""]
    lines.append("=" * _RULE)
    return "\n".join(lines) + "\n"


def _error_of(result: RunResult) -> ErrorOutput | None:
    return next((cell.error for cell in result.cells if cell.error), None)


def _json_text(data: dict[str, Any]) -> str:
    """JSON that every reader takes: numbers that are none (NaN, Infinity) become texts."""
    try:
        return json.dumps(data, indent=1, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(data), indent=1, ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _heading(title: str) -> list[str]:
    return ["-" * _RULE, title, "-" * _RULE]


def _saved(figures: FigureFolder | None, title: str, mime: str | None, data: bytes | None) -> str:
    path = figures.keep(title, mime, data) if figures and mime and data else None
    return f"{path.parent.name}/{path.name}" if path else ""


def _section(section: Section) -> dict[str, Any]:
    """A section's fields, without those that are empty and those that tell of its transport."""
    data: dict[str, Any] = {"kind": section.kind, "title": section.title}
    for field in fields(section):
        value = getattr(section, field.name)
        if field.name not in _NOT_SAVED and field.name not in data and value != field.default:
            data[field.name] = value
    if section.columns:
        data |= {"rows": section.rows, "total": section.total, "truncated": section.truncated}
    if section.image is not None:
        data["data"] = base64.b64encode(section.image).decode()
    return data


def _figure(_mime: str, data: bytes) -> dict[str, Any]:
    return {"data": base64.b64encode(data).decode()}


def _result_of(data: dict[str, Any]) -> RunResult:
    run = data["run"]
    status = RunStatus(
        run_id=int(run["run_id"]),
        task_run_id=int(run["task_run_id"]),
        life_cycle=LifeCycle(run["state"]),
        result=ResultState(run["result"]) if run["result"] else None,
        message=str(run["message"]),
        page_url=str(run["url"]),
        started_ms=int(run["started_ms"]),
        ended_ms=int(run["ended_ms"]),
    )
    return RunResult(
        status=status,
        exit_value=data["exit_value"],
        error=data["error"],
        error_trace=data["error_trace"],
        cells=tuple(_cell_of(cell) for cell in data["cells"]),
        cells_missing=data["cells_missing"],
        document=_document_of(data),
    )


def _document_of(data: dict[str, Any]) -> Document | None:
    # version 1 knew no more of a document than whether it is complete
    facts = data.get("document") or {}
    if data["complete"] is None:
        return None
    return Document(
        sections=tuple(_section_of(section) for section in data["sections"]),
        metadata={str(key): str(value) for key, value in data["metadata"].items()},
        status=str(facts.get("status", "finished" if data["complete"] else "running")),
        complete=bool(data["complete"]),
        reason=str(facts.get("reason", "")),
        params={str(key): str(value) for key, value in facts.get("params", {}).items()},
        seconds=facts.get("seconds"),
        attempt=int(facts.get("attempt", 1)),
        progress=tuple(_section_of(section) for section in data.get("progress", [])),
    )


def _section_of(data: dict[str, Any]) -> Section:
    known = {field.name for field in fields(Section)} - _NOT_SAVED
    values = {name: value for name, value in data.items() if name in known}
    for name in ("columns", "rows", "values"):
        if name in values:
            values[name] = tuple(tuple(each) for each in values[name])
    if "notes" in values:
        values["notes"] = tuple(values["notes"])
    image = base64.b64decode(data["data"], validate=True) if "data" in data else None
    return Section(**values, image=image)


def _cell_of(data: dict[str, Any]) -> CellResult:
    return CellResult(
        index=int(data["index"]),
        command=str(data["command"]),
        title=data["title"],
        state=str(data["state"]),
        outputs=tuple(_output_of(output) for output in data["outputs"]),
        started_ms=int(data["started_ms"]),
        ended_ms=int(data["ended_ms"]),
        kept=data.get("kept") is True,
    )


def _output_of(data: dict[str, Any]) -> CellOutput:
    kind = data["kind"]
    if kind == "text":
        return TextOutput(str(data["text"]), str(data["stream"]))
    if kind == "table":
        columns = tuple((str(name), str(type_)) for name, type_ in data["columns"])
        rows = tuple(tuple(row) for row in data["rows"])
        return TableOutput(columns, rows, bool(data["truncated"]))
    if kind == "figure":
        return ImageOutput(str(data["mime"]), base64.b64decode(data["data"], validate=True))
    if kind == "error":
        return ErrorOutput(str(data["name"]), str(data["message"]), str(data["trace"]))
    if kind == "html":
        return HtmlOutput(str(data["html"]))
    raise ValueError(f"an output of kind {kind!r}")
