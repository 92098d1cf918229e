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
    """One titled part of a document. Everything in it came from a notebook: it is untrusted."""

    kind: str
    """``text``, ``markdown``, ``code``, ``json``, ``html``, ``table``, ``query``, ``figure``,
    ``error``, ``values``, ``metric``, ``progress``, ``warning`` or ``log``; show any other one as
    text."""
    title: str
    text: str = ""
    """What is said; for ``error`` the class and the message."""
    query: str | None = None
    """The SQL of a ``query``; its result is in ``columns`` and ``rows``, or in ``text``."""
    columns: tuple[tuple[str, str], ...] = ()
    """Name and type of each column of a table."""
    rows: tuple[tuple[Any, ...], ...] = ()
    total: int | None = None
    """All rows the table had, where that is known."""
    truncated: bool = False
    mime: str | None = None
    """Of a figure: ``image/png``, ``image/jpeg``, ``image/svg+xml``, or ``text/html`` (plotly
    where it cannot draw an image: a page with its own script)."""
    image: bytes | None = None
    """A figure's bytes; None while only ``blob`` names them, or where they are missing."""
    blob: str | None = None
    trace: str = ""
    """Of an ``error``: the stack trace as Python prints it."""
    language: str | None = None
    """Of ``code``: such as ``python`` or ``sql``."""
    values: tuple[tuple[str, Any], ...] = ()
    """Of ``values``: names with values. Of ``metric``: its one name with its value."""
    unit: str = ""
    """Of ``metric``."""
    done: float | None = None
    """Of ``progress``: how much is done, of ``of``."""
    of: float | None = None
    level: str = ""
    """Of ``log``: ``debug``, ``info``, ``warning`` or ``error``."""
    notes: tuple[str, ...] = ()
    """What was left out to keep the section small, as sentences to show below it."""
    ms: float | None = None
    """How long the query, or fetching the table, took in milliseconds."""
    at: float = 0.0
    """When it was added, in seconds since 1970 by the notebook's clock."""
    seconds: float | None = None
    """How long after the section before it, or after the document's start."""

    @property
    def rows_shown(self) -> int:
        """How many rows are here."""
        return len(self.rows)

    @property
    def rows_total(self) -> int | None:
        """How many rows there were in all, None where that is not known."""
        return self.total


@dataclass(frozen=True)
class Document:
    """What a notebook put out through NotebookOutput."""

    sections: tuple[Section, ...] = ()
    """Without those of kind ``progress``."""
    metadata: dict[str, str] = field(default_factory=dict)
    status: str = "running"
    """``finished``, ``failed``, or ``running`` where no end has been seen."""
    complete: bool = False
    reason: str = ""
    """Why the document is incomplete, or what is wrong with it; empty while it may still grow."""
    params: dict[str, str] = field(default_factory=dict)
    """The parameters that the notebook was run with."""
    seconds: float | None = None
    """From the notebook's first NotebookOutput to its end, or to its last section so far."""
    attempt: int = 1
    """Which attempt of the run this is; earlier ones are not in here."""
    progress: tuple[Section, ...] = ()
    """The last state of each progress, by title."""


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
