"""The exported page of a notebook run: readable by a person, and with the whole model in it.

The model stands in ``__DATABRICKS_NOTEBOOK_MODEL``: JSON, URL-encoded, in base64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from brickloop.localws.pages.cells_html import STYLE, cells_html, plain


def render_notebook_page(name: str, language: str, commands: Sequence[Mapping[str, Any]]) -> str:
    """The HTML page of a notebook called ``name`` with these commands."""
    model = {
        "version": "NotebookV1",
        "origId": 0,
        "name": name,
        "language": language,
        "commands": [_command(index, one) for index, one in enumerate(commands, start=1)],
        "dashboards": [],
        "globalVars": {},
        "inputWidgets": {},
    }
    encoded = base64.b64encode(quote(json.dumps(model), safe="").encode()).decode()
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{plain(name)} - Databricks</title><style>{STYLE}</style></head><body>",
            f"<h1>{plain(name)}</h1>",
            cells_html(commands),
            f"<script>var __DATABRICKS_NOTEBOOK_MODEL = '{encoded}';</script>",
            "</body></html>",
        ]
    )


def _command(index: int, command: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": "CommandV1",
        "origId": index,
        "subtype": "command",
        "commandType": "auto",
        "position": float(index),
        "commandTitle": "",
        "results": None,
        "errorSummary": None,
        "error": None,
        **command,
        "showCommandTitle": bool(command.get("commandTitle")),
    }
