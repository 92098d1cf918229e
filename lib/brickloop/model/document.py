"""The output document of a run: sections put together from the events that a notebook wrote.

``runtime.notebook_output`` writes the events; this is their reader's half. A document can be read
at any moment: what has come so far is valid, and ``complete`` says whether more may come.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

from brickloop.errors import OutputUnavailable

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Section:
    """One titled part of a document."""

    kind: str
    """``text``, ``markdown``, ``code``, ``json``, ``html``, ``table``, ``query``, ``figure``
    or ``error``."""
    title: str
    text: str = ""
    query: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    """Name and type of each column of a table."""
    rows: tuple[tuple[Any, ...], ...] = ()
    total: int | None = None
    """All rows the table had, where that is known."""
    truncated: bool = False
    mime: str | None = None
    image: bytes | None = None
    """A figure's bytes; None while only ``blob`` names them."""
    blob: str | None = None
    trace: str = ""


@dataclass(frozen=True)
class Document:
    """What a notebook put out through NotebookOutput."""

    sections: tuple[Section, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    status: str = "running"
    """``finished``, ``failed``, or ``running`` where no end has been seen."""
    complete: bool = False


class Assembler:
    """Puts a document together from chunks in their order."""

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self._metadata: dict[str, str] = {}
        self._status = "running"
        self._complete = False
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Section]:
        """The sections that a chunk brings; raises OutputUnavailable for one that is not ours."""
        found: list[Section] = []
        for line in chunk.splitlines():
            if not line.strip():
                continue
            event: dict[str, Any] | None = _load(line)
            if event is not None and event.get("kind") == "part":
                event = self._join(event)
            if event is not None:
                self._take(event, found)
        self._sections += found
        return found

    def document(self) -> Document:
        """The document as far as it has come."""
        return Document(tuple(self._sections), dict(self._metadata), self._status, self._complete)

    def replace_image(self, index: int, image: bytes) -> None:
        """Give a figure that was named by its blob its bytes."""
        from dataclasses import replace

        self._sections[index] = replace(self._sections[index], image=image, blob=None)

    def _join(self, part: dict[str, Any]) -> dict[str, Any] | None:
        self._parts.append(base64.b64decode(part["data"]))
        if part["part"] < part["of"]:
            return None
        whole, self._parts = b"".join(self._parts), []
        return _load(whole)

    def _take(self, event: dict[str, Any], found: list[Section]) -> None:
        kind = event.get("kind")
        if kind == "section":
            found.append(section_of(event["section"]))
        elif kind == "metadata":
            self._metadata.update({str(k): str(v) for k, v in event["values"].items()})
        elif kind == "end":
            self._status, self._complete = str(event["status"]), True


def section_of(data: dict[str, Any]) -> Section:
    """The section that an event holds; raises OutputUnavailable where it is damaged."""
    try:
        encoded = data.get("data")
        return Section(
            kind=str(data["kind"]),
            title=str(data["title"]),
            text=str(data.get("text", "")),
            query=data.get("query"),
            columns=tuple((str(name), str(kind)) for name, kind in data.get("columns", [])),
            rows=tuple(tuple(row) for row in data.get("rows", [])),
            total=data.get("total"),
            truncated=bool(data.get("truncated", False)),
            mime=data.get("mime"),
            image=base64.b64decode(encoded, validate=True) if encoded else None,
            blob=data.get("blob"),
            trace=str(data.get("trace", "")),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise OutputUnavailable(f"a section of the output is damaged: {error}") from None


def _load(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        raise OutputUnavailable("the output is not one that NotebookOutput wrote") from None
    if not isinstance(event, dict) or not isinstance(event.get("v"), int):
        raise OutputUnavailable("the output is not one that NotebookOutput wrote")
    if event["v"] > SCHEMA_VERSION:
        raise OutputUnavailable(
            f"the output has version {event['v']}, this brickloop reads up to {SCHEMA_VERSION}",
            hint="pip install --upgrade brickloop",
        )
    return event
