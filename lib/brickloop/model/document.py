"""The output document of a run: sections put together from the events that a notebook wrote.

``runtime.stream`` writes the events (docs/output-format.md); this is their reader's half. A
document can be read at any moment: what has come so far is valid, and ``complete`` says whether
more may come. It is a function of the sealed chunks alone.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from brickloop.errors import OutputDamaged, OutputNotOurs, OutputTooNew, OutputUnavailable

SCHEMA_VERSION = 1
_BEGINNING = b'{"v": '
"""Of every line that NotebookOutput writes."""
_BLOB = re.compile(r"blob/[0-9a-f]{64}\.[a-z]{2,5}(\.b64)?")


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
    """The file of a figure's bytes below the writer's folder, named by their SHA-256."""
    pieces: int = 1
    """How many files a figure's bytes are in."""
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
    """Puts one writer's document together from its chunks, in their order."""

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._sections: list[Section] = []
        self._progress: dict[str, Section] = {}
        self._metadata: dict[str, str] = {}
        self._params: dict[str, str] = {}
        self._status = "running"
        self._ended = False
        self._seconds: float | None = None
        self._begun: float | None = None
        self._last = 0.0
        self._sequence = 0
        self._parts: list[bytes] = []

    @property
    def ended(self) -> bool:
        """Whether the writer's last event has been seen."""
        return self._ended

    def feed(self, chunk: bytes) -> list[Section]:
        """The sections that a sealed chunk brings.

        Raises OutputNotOurs, OutputTooNew or OutputDamaged; ``is_sealed`` tells before whether a
        chunk has come whole.
        """
        found: list[Section] = []
        for line in chunk.split(b"\n"):
            if not line.strip():
                continue
            event: dict[str, Any] | None = _load(line)
            if event is not None and event.get("kind") == "part":
                event = self._join(event)
            if event is not None and event.get("kind") != "seal":
                section = self._take(event)
                if section is not None:
                    found.append(section)
        return found

    def document(self) -> Document:
        """The document as far as it has come."""
        seconds = self._seconds
        if seconds is None and self._begun is not None:
            seconds = max(self._last - self._begun, 0.0)
        return Document(
            sections=tuple(self._sections),
            metadata=dict(self._metadata),
            status=self._status,
            complete=self._ended,
            params=dict(self._params),
            seconds=seconds,
            progress=tuple(self._progress.values()),
        )

    def _join(self, part: dict[str, Any]) -> dict[str, Any] | None:
        try:
            number, of = int(part["part"]), int(part["of"])
            data = base64.b64decode(part["data"], validate=True)
        except (KeyError, TypeError, ValueError) as error:
            raise OutputDamaged(f"a part of a section is damaged: {error}") from None
        if number != len(self._parts) + 1 or number > of:
            raise OutputDamaged(f"part {number} of a section came after {len(self._parts)} others")
        self._parts.append(data)
        if number < of:
            return None
        whole, self._parts = b"".join(self._parts), []
        return _load(whole)

    def _take(self, event: dict[str, Any]) -> Section | None:
        kind = event.get("kind")
        try:
            sequence, at = int(event["seq"]), float(event["t"])
            if sequence <= self._sequence:
                raise ValueError(f"event {sequence} came after event {self._sequence}")
            self._sequence, self._last = sequence, at
            if self._begun is None:
                self._begun = at
            if kind == "start":
                self._params.update(_texts(event.get("params", {})))
            elif kind == "metadata":
                self._metadata = _texts(event["values"])
            elif kind == "end":
                self._status, self._ended = str(event["status"]), True
                self._seconds = float(event["seconds"])
            elif "title" in event:
                return self._add(section_of(event))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise OutputDamaged(f"an event of the output is damaged: {error!r}") from None
        return None

    def _add(self, section: Section) -> Section:
        if section.kind == "progress":
            self._progress[section.title] = section
        elif self._keep:
            self._sections.append(section)
        return section


def is_sealed(chunk: bytes) -> bool:
    """Whether a chunk is whole: its last line seals what is before it by its hash.

    Raises OutputTooNew for a chunk of a newer version, whose seal may have another form.
    """
    try:
        seal = json.loads(chunk.rstrip(b"\n").rpartition(b"\n")[2])
        sealed = chunk.endswith(b"\n") and seal["kind"] == "seal"
        if sealed and seal["sha256"] == chunk_hash(chunk):
            return True
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    with contextlib.suppress(OutputNotOurs):
        _load(chunk.split(b"\n", 1)[0])
    return False


def chunk_hash(chunk: bytes) -> str:
    """The hash of a sealed chunk's events, as its seal and ``_DONE.json`` have it."""
    body, newline, _ = chunk.rstrip(b"\n").rpartition(b"\n")
    return hashlib.sha256(body + newline).hexdigest()


def unsealed_reason(chunk: bytes) -> OutputUnavailable:
    """What is wrong with a chunk that is not sealed and will not be any more."""
    try:
        _load(chunk.split(b"\n", 1)[0])
    except OutputNotOurs as error:
        # the first line may have been cut
        if chunk[: len(_BEGINNING)] != _BEGINNING[: len(chunk)]:
            return error
    except OutputUnavailable as error:
        return error
    return OutputDamaged("a part of the output is not whole", hint="run the notebook again")


def join_documents(documents: Sequence[Document]) -> Document:
    """One document of several that one notebook wrote, its sections by their time."""
    if len(documents) == 1:
        return documents[0]
    keyed: list[tuple[float, int, Section]] = []
    for number, document in enumerate(documents):
        latest = 0.0
        for section in document.sections:
            # a clock that was set back changes no writer's own order
            latest = max(latest, section.at)
            keyed.append((latest, number, section))
    keyed.sort(key=lambda entry: entry[:2])
    failed = [document for document in documents if document.status == "failed"]
    running = [document for document in documents if document.status == "running"]
    return Document(
        sections=tuple(section for _, _, section in keyed),
        metadata={key: value for each in documents for key, value in each.metadata.items()},
        status=(failed or running or documents)[0].status,
        complete=all(document.complete for document in documents),
        reason=next((document.reason for document in documents if document.reason), ""),
        params={key: value for each in documents for key, value in each.params.items()},
        seconds=max((document.seconds or 0.0 for document in documents), default=None),
        attempt=max(document.attempt for document in documents),
        progress=tuple(section for each in documents for section in each.progress),
    )


def section_of(event: dict[str, Any]) -> Section:
    """The section that an event holds; raises OutputDamaged where its form is wrong."""
    try:
        columns = tuple((_text(name), _text(kind)) for name, kind in event.get("columns", []))
        rows = tuple(tuple(_clean(value) for value in row) for row in event.get("rows", []))
        if any(len(row) != len(columns) for row in rows):
            raise ValueError("a row has another length than the columns")
        encoded = event.get("data")
        blob = event.get("blob")
        if blob is not None and not _BLOB.fullmatch(blob):
            raise ValueError(f"{blob!r} names no blob")
        return Section(
            kind=_text(event["kind"]),
            title=_text(event["title"]),
            text=_text(event.get("text", "")),
            query=None if event.get("query") is None else _text(event["query"]),
            columns=columns,
            rows=rows,
            total=_whole(event.get("total")),
            truncated=bool(event.get("truncated", False)),
            mime=None if event.get("mime") is None else _text(event["mime"]),
            image=base64.b64decode(encoded, validate=True) if encoded else None,
            blob=blob,
            pieces=_whole(event.get("pieces")) or 1,
            trace=_text(event.get("trace", "")),
            language=None if event.get("language") is None else _text(event["language"]),
            values=tuple((_text(name), _clean(value)) for name, value in event.get("values", [])),
            unit=_text(event.get("unit", "")),
            done=_number(event.get("done")),
            of=_number(event.get("of")),
            level=_text(event.get("level", "")),
            notes=tuple(_text(note) for note in event.get("notes", [])),
            ms=_number(event.get("ms")),
            at=float(event.get("t", 0.0)),
            seconds=_number(event.get("seconds")),
        )
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise OutputDamaged(f"a section of the output is damaged: {error}") from None


def _load(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or type(event.get("v")) is not int:
        raise OutputNotOurs(
            "the output is not one that NotebookOutput wrote",
            hint="read it as a plain file, or give the folder of a run's output",
        )
    if event["v"] > SCHEMA_VERSION:
        raise OutputTooNew(
            f"the output has version {event['v']}, this brickloop reads up to {SCHEMA_VERSION}",
            hint="pip install --upgrade brickloop",
        )
    return event


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {_text(key): _text(value) for key, value in values.items()}


def _text(value: Any) -> str:
    """The value as text that can be written again: JSON can hold halves of characters."""
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
