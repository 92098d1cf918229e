"""The cells of a run with what came out of them, from the page that ``runs/export`` gives.

The page holds the whole notebook model as base64 of URL-encoded JSON in
``__DATABRICKS_NOTEBOOK_MODEL``. Results have the types ``listResults``, ``table``, ``ansi``,
``html``, ``htmlSandbox``, ``image``, ``mimeBundle``, ``raw`` and ``error``. All of it is untrusted;
one damaged result costs that result, not the page.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from brickloop.clients.workspace import translate
from brickloop.errors import BrickloopError, OutputUnavailable
from brickloop.jobs.patience import patiently
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

_MARK = "__DATABRICKS_NOTEBOOK_MODEL"
_ASSIGNED = re.compile(r"\s*=\s*(['{])")
_TAG = re.compile(r"<[^>]+>")
_SURROGATE = re.compile("[\ud800-\udfff]")
_IMAGE_MIMES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_DAMAGED = "[a result of this cell cannot be read]"


def export_cells(client: WorkspaceClient, task_run_id: int) -> tuple[CellResult, ...]:
    """The cells of a task run; raises OutputUnavailable where the workspace does not give them.

    A run that may not be exported and a page over the API's size are such cases.
    """
    from databricks.sdk.errors.base import DatabricksError

    try:
        with translate(client.config.host or ""):
            views = patiently(lambda: client.jobs.export_run(task_run_id)).views or []
    except BrickloopError as error:
        cause = error.__cause__
        text = _first_line(cause if isinstance(cause, DatabricksError) else error)
        raise OutputUnavailable(
            f"the cells cannot be exported ({text}); exit value, error and logs are shown instead"
        ) from None
    for view in views:
        if view.content and _MARK in view.content:
            return cells_of_page(view.content)
    raise OutputUnavailable("the exported page holds no notebook")


def cells_of_page(page: str) -> tuple[CellResult, ...]:
    """The cells in an exported page, in their order; raises OutputUnavailable for another page."""
    try:
        commands = sorted(
            _model(page)["commands"], key=lambda command: command.get("position") or 0.0
        )
        return tuple(read_cell(index, command) for index, command in enumerate(commands))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OutputUnavailable(f"the exported page cannot be read: {_first_line(error)}") from None


def read_cell(index: int, command: dict[str, Any]) -> CellResult:
    """The cell in one command of a notebook model."""
    outputs = _outputs(command.get("results"))
    failed = command.get("state") == "error" or command.get("errorSummary")
    if failed and not any(isinstance(output, ErrorOutput) for output in outputs):
        outputs.append(_error(command.get("errorSummary"), command.get("error")))
    return CellResult(
        index=index,
        command=_text(command.get("command")),
        title=_text(command.get("commandTitle")) or None,
        state=str(command.get("state") or "finished"),
        outputs=tuple(outputs),
        started_ms=_whole(command.get("startTime")),
        ended_ms=_whole(command.get("finishTime")),
        kept=command.get("kept") is True,
    )


def _model(page: str) -> dict[str, Any]:
    """The notebook model: encoded, or in old pages an object of JavaScript as it stands."""
    place = page.find(_MARK)
    assigned = _ASSIGNED.match(page, place + len(_MARK)) if place >= 0 else None
    if assigned is None:
        raise ValueError("it holds no notebook")
    if assigned.group(1) == "{":
        model, _ = json.JSONDecoder().raw_decode(page, assigned.end() - 1)
    else:
        end = page.find("'", assigned.end())
        encoded = page[assigned.end() : end if end >= 0 else None]
        if "%" in encoded:
            encoded = unquote_to_bytes(encoded).decode("ascii", "replace")
        model = json.loads(_unquoted(base64.b64decode(encoded)).decode("utf-8", "replace"))
    if not isinstance(model, dict):
        raise ValueError("its notebook is no object")
    return model


def _unquoted(data: bytes) -> bytes:
    """URL-encoded bytes decoded; those of a cell of 50 MB in a second instead of half a minute."""
    if b"=" in data or any(blank in data for blank in b" \t\r\n"):
        return unquote_to_bytes(data)
    # quoted-printable is the same but for its sign
    return binascii.a2b_qp(data.replace(b"%", b"="))


def _outputs(results: Any) -> list[CellOutput]:
    if not isinstance(results, dict):
        return []
    if results.get("type") == "listResults":
        items = results.get("data")
        listed = items if isinstance(items, list) else []
        return [output for item in listed for output in _outputs(item)]
    try:
        return _output(results)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        return [TextOutput(_DAMAGED, "stderr")]


def _output(results: dict[str, Any]) -> list[CellOutput]:
    kind, data = results.get("type"), results.get("data")
    if kind == "table":
        return [_table(results)]
    if kind in {"ansi", "raw"}:
        return [TextOutput(harmless(_text(data)), str(results.get("name") or "stdout"))]
    if kind in {"html", "htmlSandbox"}:
        text = _text(data)
        if 'class="ansiout"' in text[:200]:
            return [TextOutput(_plain(text))]
        return [HtmlOutput(text)] if text.strip() else []
    if kind == "image":
        return [ImageOutput("image/png", base64.b64decode(str(data), validate=True))]
    if kind == "mimeBundle" and isinstance(data, dict):
        return _bundle(data)
    if kind == "error" or results.get("cause"):
        return [_error(results.get("summary"), results.get("cause") or data)]
    return []


def _table(results: dict[str, Any]) -> TableOutput:
    columns = tuple(
        (_text(column["name"]), str(column.get("type", "")).strip('"'))
        for column in results.get("schema") or []
    )
    rows = tuple(tuple(_value(value) for value in row) for row in results.get("data") or [])
    if any(len(row) != len(columns) for row in rows):
        raise ValueError("rows and columns do not fit")
    return TableOutput(columns, rows, bool(results.get("overflow")))


def _bundle(data: dict[str, Any]) -> list[CellOutput]:
    for mime in _IMAGE_MIMES:
        if mime in data:
            return [ImageOutput(mime, base64.b64decode("".join(data[mime].split()), validate=True))]
    if "image/svg+xml" in data:
        return [ImageOutput("image/svg+xml", _text(data["image/svg+xml"]).encode("utf-8"))]
    if "text/html" in data:
        return [HtmlOutput(_text(data["text/html"]))]
    return [TextOutput(harmless(_text(data["text/plain"])))] if "text/plain" in data else []


def _error(summary: Any, trace: Any) -> ErrorOutput:
    name, _, message = _plain(_text(summary)).partition(":")
    return ErrorOutput(name.strip(), message.strip(), _plain(_text(trace)))


def _plain(text: str) -> str:
    """Text out of the small HTML that errors come wrapped in."""
    if "<" in text and ("ansi" in text or "</" in text):
        text = html.unescape(_TAG.sub("", text))
    return harmless(text)


def _text(value: Any) -> str:
    """The value as text that can be encoded: halves of a character are replaced."""
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return _SURROGATE.sub("\ufffd", text)


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict | list):
        return _text(json.dumps(value, ensure_ascii=False))
    return value


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _first_line(error: BaseException) -> str:
    return str(error).split(" Config: ", 1)[0].split("\n", 1)[0][:200]
