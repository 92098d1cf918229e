"""Cells and their outputs as JSON types: the same in saved outputs and in a run's events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brickloop.model.run import (
    CellOutput,
    CellResult,
    ErrorOutput,
    ImageOutput,
    TableOutput,
    TextOutput,
)

Figure = Callable[[str, bytes], dict[str, Any]]
"""What stands for a figure of a MIME type: its bytes, or where they are kept."""


def cell_json(cell: CellResult, figure: Figure) -> dict[str, Any]:
    """A cell with all its outputs."""
    return {
        "index": cell.index,
        "command": cell.command,
        "title": cell.title,
        "state": cell.state,
        "started_ms": cell.started_ms,
        "ended_ms": cell.ended_ms,
        **({"kept": True} if cell.kept else {}),
        "outputs": [output_json(output, figure) for output in cell.outputs],
    }


def output_json(output: CellOutput, figure: Figure) -> dict[str, Any]:
    """One output of a cell."""
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
        return {"kind": "figure", "mime": output.mime, **figure(output.mime, output.data)}
    if isinstance(output, ErrorOutput):
        return {"kind": "error", **error_json(output)}
    return {"kind": "html", "html": output.html}


def error_json(error: ErrorOutput) -> dict[str, Any]:
    """The error that ended a cell."""
    return {"name": error.name, "message": error.message, "trace": error.trace}
