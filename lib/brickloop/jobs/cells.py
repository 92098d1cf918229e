"""The cells of a run with what came out of them, from the page that ``runs/export`` gives.

The page holds the whole notebook model as base64 of URL-encoded JSON in
``__DATABRICKS_NOTEBOOK_MODEL``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from brickloop.errors import OutputUnavailable
from brickloop.model.run import (
    CellOutput,
    CellResult,
    ErrorOutput,
    HtmlOutput,
    ImageOutput,
    TableOutput,
    TextOutput,
)
from brickloop.model.text import harmless

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_MODEL = re.compile(r"__DATABRICKS_NOTEBOOK_MODEL\s*=\s*'([A-Za-z0-9+/=\s]+)'")
_TAG = re.compile(r"<[^>]+>")


def export_cells(client: WorkspaceClient, task_run_id: int) -> tuple[CellResult, ...]:
    """The cells of a task run; raises OutputUnavailable where the workspace does not give them."""
    from databricks.sdk.errors.base import DatabricksError

    try:
        views = client.jobs.export_run(task_run_id).views or []
    except DatabricksError as error:
        raise OutputUnavailable(f"the cells cannot be exported: {error}") from None
    for view in views:
        if view.content and "__DATABRICKS_NOTEBOOK_MODEL" in view.content:
            return cells_of_page(view.content)
    raise OutputUnavailable("the exported page holds no notebook")


def cells_of_page(page: str) -> tuple[CellResult, ...]:
    """The cells in an exported page, in their order; raises OutputUnavailable for another page."""
    found = _MODEL.search(page)
    try:
        if found is None:
            raise ValueError("it holds no notebook")
        model = json.loads(unquote(base64.b64decode(found.group(1)).decode("utf-8")))
        commands = sorted(model["commands"], key=lambda command: command.get("position") or 0.0)
        return tuple(_cell(index, command) for index, command in enumerate(commands))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise OutputUnavailable(f"the exported page cannot be read: {error}") from None


def _cell(index: int, command: dict[str, Any]) -> CellResult:
    outputs = list(_outputs(command.get("results")))
    if command.get("state") == "error" or command.get("errorSummary"):
        summary = _plain(command.get("errorSummary") or "")
        name, _, message = summary.partition(":")
        trace = _plain(command.get("error") or "")
        outputs.append(ErrorOutput(name.strip(), message.strip(), trace))
    return CellResult(
        index=index,
        command=str(command.get("command") or ""),
        title=command.get("commandTitle") or None,
        state=str(command.get("state") or "finished"),
        outputs=tuple(outputs),
        started_ms=int(command.get("startTime") or 0),
        ended_ms=int(command.get("finishTime") or 0),
    )


def _outputs(results: Any) -> list[CellOutput]:
    if not isinstance(results, dict):
        return []
    if results.get("type") == "listResults":
        return [output for item in results.get("data") or [] for output in _outputs(item)]
    kind, data = results.get("type"), results.get("data")
    if kind == "table":
        columns = tuple(
            (str(column["name"]), str(column.get("type", "")).strip('"'))
            for column in results.get("schema") or []
        )
        rows = tuple(tuple(row) for row in data or [])
        return [TableOutput(columns, rows, bool(results.get("overflow")))]
    if kind == "ansi":
        return [TextOutput(harmless(str(data)), str(results.get("name") or "stdout"))]
    if kind in {"html", "htmlSandbox"}:
        text = str(data)
        if 'class="ansiout"' in text[:200]:
            return [TextOutput(_plain(text))]
        return [HtmlOutput(text)]
    if kind == "mimeBundle" and isinstance(data, dict):
        return _bundle(data)
    return []


def _bundle(data: dict[str, Any]) -> list[CellOutput]:
    for mime in ("image/png", "image/jpeg"):
        if mime in data:
            return [ImageOutput(mime, base64.b64decode(data[mime]))]
    if "image/svg+xml" in data:
        return [ImageOutput("image/svg+xml", str(data["image/svg+xml"]).encode("utf-8"))]
    if "text/html" in data:
        return [HtmlOutput(str(data["text/html"]))]
    return [TextOutput(harmless(str(data["text/plain"])))] if "text/plain" in data else []


def _plain(text: str) -> str:
    """Text out of the small HTML that errors come wrapped in."""
    import html

    if "<" in text and ("ansi" in text or "</" in text):
        text = html.unescape(_TAG.sub("", text))
    return harmless(text)
