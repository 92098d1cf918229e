"""Notebooks from the source format to .ipynb and back, cell by cell."""

from __future__ import annotations

import json
import uuid
from typing import Any

from brickloop.model.notebook import (
    COMMENT_PREFIXES,
    Cell,
    CellKind,
    Language,
    Notebook,
    header_line,
    parse_ipynb,
    parse_source,
)

_CELL_KEY = "application/vnd.databricks.v1+cell"
_NOTEBOOK_KEY = "application/vnd.databricks.v1+notebook"


def canonical_source(text: str, language: Language) -> str:
    """The source text as the workspace keeps it.

    The header is the first line, once; lines end in LF; there is no byte order mark and no
    newline at the end (a workspace drops them on import).
    """
    body = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    header = header_line(language)
    first, _, rest = body.partition("\n")
    if first.rstrip() == header:
        body = rest
        return f"{header}\n{body}" if rest else header
    return f"{header}\n{body}" if body else header


def canonical_ipynb(text: str) -> str:
    """The .ipynb text as the workspace keeps it; raises NotebookError for one that is none."""
    parse_ipynb(text)
    return json.dumps(json.loads(text), ensure_ascii=False, indent=1)


def source_to_ipynb(text: str, language: Language, name: str) -> str:
    """The .ipynb text of a source notebook called ``name``; the same text gives the same bytes."""
    notebook = parse_source(text, language)
    document = {
        "cells": [_jupyter_cell(cell, name) for cell in notebook.cells],
        "metadata": {
            _NOTEBOOK_KEY: {
                "dashboards": [],
                "language": language.value.lower(),
                "notebookMetadata": {"pythonIndentUnit": 4},
                "notebookName": name,
                "widgets": {},
            },
            "language_info": {"name": language.value.lower()},
        },
        "nbformat": 4,
        "nbformat_minor": 0,
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def ipynb_to_source(text: str) -> str:
    """The source text of an .ipynb notebook, outputs left out."""
    return source_text(parse_ipynb(text))


def source_text(notebook: Notebook) -> str:
    """The source format of a parsed notebook, as an export writes it."""
    comment = COMMENT_PREFIXES[notebook.language]
    blocks = [_source_block(cell, comment) for cell in notebook.cells]
    separator = f"\n\n{comment} COMMAND ----------\n\n"
    header = header_line(notebook.language)
    return f"{header}\n{separator.join(blocks)}".rstrip("\n") if blocks else header


def _jupyter_cell(cell: Cell, name: str) -> dict[str, Any]:
    is_markdown = cell.kind is CellKind.MARKDOWN and not cell.command.startswith("%md-")
    source = cell.source if is_markdown else cell.command
    metadata = {
        "cellMetadata": {},
        "inputWidgets": {},
        # made from what the cell is, so that exporting twice gives the same bytes
        "nuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}\n{cell.index}\n{cell.command}")),
        "showTitle": bool(cell.title),
        "title": cell.title or "",
    }
    shaped: dict[str, Any] = {
        "cell_type": "markdown" if is_markdown else "code",
        "metadata": {_CELL_KEY: metadata},
        "source": source.splitlines(keepends=True),
    }
    if not is_markdown:
        shaped = {**shaped, "execution_count": None, "outputs": []}
    return shaped


def _source_block(cell: Cell, comment: str) -> str:
    lines = cell.command.split("\n")
    if cell.command.lstrip().startswith(("%", "!")):
        lines = [
            f"{comment} MAGIC {line}".rstrip() if not line else f"{comment} MAGIC {line}"
            for line in lines
        ]
    if cell.title:
        title = " ".join(cell.title.split())
        lines = [f"{comment} DBTITLE 1,{title}", *lines]
    return "\n".join(lines)
