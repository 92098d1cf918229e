"""NotebookOutput: structured output of a notebook that can be followed while the notebook runs.

Works on a cluster, on serverless, in the local workspace and in plain Python. In a job run of
brickloop each section is written at once, as a sealed, numbered chunk of events below the folder
that the run's parameter ``brickloop_output`` names; ``_DONE.json`` comes last. Without that
parameter nothing is written until ``write_to_dbfs`` or ``write_json`` is called.
"""

from __future__ import annotations

import atexit
import base64
import datetime
import hashlib
import io
import json
import re
import sys
import time
import traceback
from types import TracebackType
from typing import Any

from .frames import as_text, read_table
from .sinks import Sink, find_dbutils, open_sink

SCHEMA_VERSION = 1
OUTPUT_PARAMETER = "brickloop_output"
_DEFAULT_PATH = "/tmp/notebook_output.txt"
_DEFAULT_JSON_PATH = "/tmp/notebook_output.json"
_CHUNK_BYTES = 512 * 1024
_RULE = 100
_TOKEN = re.compile(
    r"\b(dapi[0-9a-f]{32}(?:-\d+)?|dkea[0-9a-f]{32}|eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{10,})"
)


class NotebookOutput:
    """Collects sections and writes them as text and JSON; each can be read once it is added."""

    def __init__(self, output_path: str | None = None) -> None:
        self._dbutils = find_dbutils()
        self.output_path = output_path or _DEFAULT_PATH
        self.metadata: dict[str, Any] = {}
        self.sections: list[dict[str, Any]] = []
        self._begun = time.time()
        self._chunk = 0
        self._sequence = 0
        self._status = "finished"
        self._closed = False
        self._warned = False
        self._folder = self._run_folder()
        self._live: Sink | None = open_sink(self._folder, self._dbutils) if self._folder else None
        self._emit({"kind": "start", "python": sys.version.split()[0]})
        if self._live is not None:
            atexit.register(self.close)

    def add_section(self, title: str, content: Any, format: str = "text") -> None:
        """Add a titled text; ``format`` is ``text``, ``markdown``, ``code``, ``json``, ``html``."""
        if format == "json" and not isinstance(content, str):
            content = json.dumps(content, indent=2, default=str)
        self._add({"kind": format, "title": str(title), "text": str(content)})

    def add_markdown(self, title: str, content: str) -> None:
        """Add a text in Markdown."""
        self.add_section(title, content, "markdown")

    def add_dataframe(self, title: str, df: Any, max_rows: int = 100) -> None:
        """Add a table from a pandas, Spark or Arrow frame, cut to ``max_rows`` rows.

        Raises TypeError for what is no table and ValueError for a number of rows below 1.
        """
        self._add({"kind": "table", "title": str(title), **_table_fields(df, max_rows)})

    def add_query_result(self, title: str, query: str, results: Any, max_rows: int = 100) -> None:
        """Add a query with its result: a frame, or a text that was made of one."""
        section: dict[str, Any] = {"kind": "query", "title": str(title), "query": str(query)}
        if isinstance(results, str):
            section["text"] = results
        else:
            section.update(_table_fields(results, max_rows))
        self._add(section)

    def add_figure(self, title: str, figure: Any) -> None:
        """Add a figure of matplotlib or plotly, PNG bytes, or SVG text.

        Raises ValueError for what is none of these.
        """
        mime, data = _figure_bytes(figure)
        name = f"blob/{hashlib.sha256(data).hexdigest()}.{mime.split('/')[1].split('+')[0]}"
        section = {"kind": "figure", "title": str(title), "mime": mime, "size": len(data)}
        encoded = base64.b64encode(data).decode("ascii")
        if self._live is not None and self._put(f"{name}.b64", encoded.encode()):
            self._add({**section, "blob": f"{name}.b64"}, {**section, "data": encoded})
        else:
            self._add({**section, "data": encoded})

    def add_error(self, title: str, error: BaseException | str) -> None:
        """Add an error with its trace."""
        if isinstance(error, BaseException):
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            text = f"{type(error).__name__}: {error}"
        else:
            trace, text = "", str(error)
        self._add({"kind": "error", "title": str(title), "text": text, "trace": trace})

    def render(self) -> str:
        """The document as text: titled sections between rules."""
        lines = ["=" * _RULE, "NOTEBOOK OUTPUT", "=" * _RULE]
        lines.append(f"Generated: {datetime.datetime.now().isoformat(timespec='seconds')}")
        lines += [f"{key}: {value}" for key, value in self.metadata.items()]
        lines.append("")
        for section in self.sections:
            lines += ["-" * _RULE, section["title"], "-" * _RULE, section_text(section), ""]
        lines.append("=" * _RULE)
        return redact("\n".join(lines))

    def write_to_dbfs(self) -> None:
        """Write the document as text to ``output_path``, and print it for the notebook's page."""
        text = self.render()
        self._put_at(self.output_path, text.encode("utf-8"))
        print(text)

    def write_json(self, json_path: str = _DEFAULT_JSON_PATH) -> None:
        """Write the document as JSON to ``json_path``."""
        document = {
            "version": SCHEMA_VERSION,
            "metadata": self.metadata,
            "sections": self.sections,
            "timestamp": datetime.datetime.now().isoformat(),
        }
        self._put_at(json_path, redact(json.dumps(document, indent=2, default=str)).encode("utf-8"))

    def close(self) -> None:
        """Seal the live document; nothing can be added to it after that."""
        if self._closed:
            return
        self._emit({"kind": "metadata", "values": {k: str(v) for k, v in self.metadata.items()}})
        self._emit({"kind": "end", "status": self._status, "seconds": time.time() - self._begun})
        self._closed = True
        if self._live is not None:
            atexit.unregister(self.close)
            done = {"v": SCHEMA_VERSION, "status": self._status, "chunks": self._chunk}
            self._put("_DONE.json", json.dumps(done).encode())

    def __enter__(self) -> NotebookOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # leaving a notebook by dbutils.notebook.exit is no error
        if error is not None and isinstance(error, Exception):
            self._status = "failed"
            self.add_error("Uncaught error", error)
        self.metadata.setdefault("seconds", round(time.time() - self._begun, 3))
        self.close()

    def _add(self, event: dict[str, Any], kept: dict[str, Any] | None = None) -> None:
        stamp = {"timestamp": time.time()}
        self.sections.append({**(kept or event), **stamp})
        self._emit({"kind": "section", "section": {**event, **stamp}})

    def _emit(self, event: dict[str, Any]) -> None:
        """Seal one event as chunks; one too large for a chunk is split and joined by the reader."""
        if self._live is None or self._closed:
            return
        self._sequence += 1
        line = redact(
            json.dumps({"v": SCHEMA_VERSION, "seq": self._sequence, "t": time.time(), **event})
        )
        data = line.encode("utf-8")
        pieces = [data[at : at + _CHUNK_BYTES] for at in range(0, len(data), _CHUNK_BYTES)]
        if len(pieces) == 1:
            self._seal(data + b"\n")
            return
        for number, piece in enumerate(pieces, start=1):
            part = {
                "v": SCHEMA_VERSION,
                "kind": "part",
                "of": len(pieces),
                "part": number,
                "data": base64.b64encode(piece).decode("ascii"),
            }
            self._seal(json.dumps(part).encode() + b"\n")

    def _seal(self, data: bytes) -> None:
        if self._put(f"c-{self._chunk + 1:06d}.ndjson", data):
            self._chunk += 1

    def _put(self, name: str, data: bytes) -> bool:
        """Whether the live folder took the file; a folder that does not is said once."""
        if self._live is None:
            return False
        try:
            self._live.put(name, data)
        except Exception as error:
            if not self._warned:
                print(f"brickloop: output cannot be followed live: {error}", file=sys.stderr)
                self._warned = True
            return False
        return True

    def _put_at(self, path: str, data: bytes) -> None:
        folder, _, name = path.rpartition("/")
        open_sink(folder or ".", self._dbutils).put(name, data)

    def _run_folder(self) -> str | None:
        if self._dbutils is None:
            return None
        try:
            folder = str(self._dbutils.widgets.get(OUTPUT_PARAMETER))
        except Exception:
            return None
        return folder.rstrip("/") or None


def section_text(section: dict[str, Any]) -> str:
    """What a section says, as text."""
    parts = []
    if section["kind"] == "query":
        parts.append(f"Query: {section['query']}\n\nResults:")
    if "columns" in section:
        from .frames import Table

        columns = [(name, kind) for name, kind in section["columns"]]
        parts.append(
            as_text(Table(columns, section["rows"], section["total"], section["truncated"]))
        )
    elif section["kind"] == "figure":
        parts.append(f"[figure, {section['mime']}, {section['size']:,} bytes]")
    elif section["kind"] == "error":
        parts.append(section.get("trace") or section["text"])
    else:
        parts.append(section["text"])
    return "\n".join(parts)


def redact(text: str) -> str:
    """The text without anything that has the form of a Databricks token."""
    return _TOKEN.sub("[REDACTED]", text)


def _table_fields(frame: Any, max_rows: int) -> dict[str, Any]:
    if max_rows < 1:
        raise ValueError("max_rows must be 1 or more")
    table = read_table(frame, max_rows)
    return {
        "columns": [list(column) for column in table.columns],
        "rows": table.rows,
        "total": table.total,
        "truncated": table.truncated,
    }


def _figure_bytes(figure: Any) -> tuple[str, bytes]:
    if isinstance(figure, bytes | bytearray):
        if bytes(figure[:8]) == b"\x89PNG\r\n\x1a\n":
            return "image/png", bytes(figure)
        raise ValueError("these bytes are no PNG image")
    if isinstance(figure, str):
        if "<svg" in figure[:1000]:
            return "image/svg+xml", figure.encode("utf-8")
        raise ValueError("this text is no SVG image")
    if hasattr(figure, "get_figure") and not hasattr(figure, "savefig"):
        figure = figure.get_figure()
    if hasattr(figure, "savefig"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        return "image/png", buffer.getvalue()
    if hasattr(figure, "to_image"):
        return "image/png", bytes(figure.to_image(format="png"))
    raise ValueError(
        f"{type(figure).__name__} is no figure: give matplotlib, plotly, PNG bytes or SVG"
    )
