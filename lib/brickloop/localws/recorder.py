"""What a notebook's cells gave, kept in the form of the workspace's own notebook model."""

from __future__ import annotations

import base64
import io
import sys
import time
from collections.abc import Callable
from typing import Any

_SEND_SECONDS = 0.1
_TEXT_LIMIT = 10 * 1024 * 1024


class Recorder:
    """The commands of one run; each change of one is sent on, the latest state winning."""

    def __init__(
        self, send: Callable[[dict[str, Any]], None], secrets: Callable[[str], str]
    ) -> None:
        self._send = send
        self._redact = secrets
        self._current: dict[str, Any] | None = None
        self._sent = 0.0
        self._text_size = 0

    def begin(self, position: int, command: str, title: str | None) -> None:
        """A cell begins to run."""
        self._text_size = 0
        self._current = {
            "version": "CommandV1",
            "subtype": "command",
            "position": float(position),
            "command": command,
            "commandTitle": title or "",
            "state": "running",
            "startTime": int(time.time() * 1000),
            "finishTime": 0,
            "results": {"type": "listResults", "data": []},
            "errorSummary": None,
            "error": None,
        }
        self._push()

    def end(self, state: str, summary: str | None = None, trace: str | None = None) -> None:
        """The cell has ended: ``finished``, ``error`` or ``skipped``."""
        if self._current is None:
            return
        self._current["state"] = state
        self._current["finishTime"] = int(time.time() * 1000)
        self._current["errorSummary"] = summary and self._redact(summary)
        self._current["error"] = trace and self._redact(trace)
        if not self._current["results"]["data"]:
            self._current["results"] = None
        self._push()
        self._current = None

    def text(self, text: str, stream: str) -> None:
        """What a cell printed; the end of more than 10 MB is left out, and that is said."""
        if self._current is None or not text:
            return
        room = _TEXT_LIMIT - self._text_size
        if room <= 0:
            return
        self._text_size += len(text)
        if len(text) > room:
            text = (
                text[:room]
                + "\n*** output of this cell is longer than 10 MB, the rest is cut ***\n"
            )
        data = self._current["results"]["data"]
        text = self._redact(text)
        if data and data[-1]["type"] == "ansi" and data[-1]["name"] == stream:
            data[-1]["data"] += text
        else:
            data.append({"type": "ansi", "data": text, "name": stream})
        if time.monotonic() - self._sent > _SEND_SECONDS:
            self._push()

    def table(self, columns: list[tuple[str, str]], rows: list[list[Any]], more: bool) -> None:
        """A table that a cell displayed; ``more`` says that rows were left out."""
        schema = [{"name": name, "type": f'"{kind}"', "metadata": "{}"} for name, kind in columns]
        self._add({"type": "table", "data": rows, "schema": schema, "overflow": more})

    def html(self, html: str) -> None:
        """HTML that a cell displayed."""
        self._add({"type": "htmlSandbox", "data": html})

    def image(self, mime: str, data: bytes) -> None:
        """A figure that a cell made."""
        encoded = base64.b64encode(data).decode()
        self._add({"type": "mimeBundle", "data": {mime: encoded}})

    def _add(self, item: dict[str, Any]) -> None:
        if self._current is not None:
            self._current["results"]["data"].append(item)
            self._push()

    def _push(self) -> None:
        if self._current is not None:
            self._send({"kind": "command", "command": self._current})
            self._sent = time.monotonic()


class Stream(io.TextIOBase):
    """A standard stream whose text goes to the cell that runs."""

    def __init__(self, write: Callable[[str, str], None], name: str) -> None:
        self._write = write
        self._name = name

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._write(text, self._name)
        return len(text)

    def fileno(self) -> int:
        return sys.__stdout__.fileno() if sys.__stdout__ else 1
