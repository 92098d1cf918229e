"""NotebookOutput: structured output of a notebook that can be followed while the notebook runs.

Works on a cluster, on serverless, in the local workspace and in plain Python. In a job run of
brickloop each section is written at once below the folder that the run's parameter
``brickloop_output`` names (``stream`` says how). Without that parameter, and without ``live``,
nothing is written until ``write_to_dbfs`` or ``write_json`` is called.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import datetime
import json
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .figures import SUFFIXES, read_figure
from .frames import plain, read_table
from .plain_text import document_lines, section_text
from .recorder import OUTPUT_PARAMETER, begin_recording, write_record
from .redaction import redact, redact_all, redact_fields, watch_secrets
from .sinks import find_dbutils, open_sink
from .stream import SCHEMA_VERSION, DocumentStream, split_text, warn

DEFAULT_VOLUME = "/Volumes/main/default/brickloop"
"""Where outputs go by default, where there is such a volume."""
_DEFAULT_FOLDER = "/tmp"
_TEXT_NAME = "notebook_output.txt"
_JSON_NAME = "notebook_output.json"
_TEXT_KINDS = {"text", "markdown", "code", "json", "html", "log", "warning"}
_PRINTED = 1_000_000


class NotebookOutput:
    """Collects sections and writes them as text and JSON; each can be read once it is added.

    ``output_path`` is where ``write_to_dbfs`` writes: ``/tmp/x`` and ``dbfs:/x`` are DBFS,
    ``/Volumes/...`` is a volume, ``/Workspace/...`` are workspace files. ``live`` is a folder to
    write each section below at once, for notebooks that brickloop does not run. As a context
    manager it records an error that comes through, and the end.
    """

    def __init__(self, output_path: str | None = None, *, live: str | None = None) -> None:
        self._dbutils = find_dbutils()
        watch_secrets(self._dbutils)
        begin_recording(self._dbutils)
        self.output_path = str(output_path) if output_path else _default_path(_TEXT_NAME)
        self.metadata: dict[str, Any] = {}
        """Facts of the document, written with it; to be changed at any time."""
        self.sections: list[dict[str, Any]] = []
        """What was added: ``title``, ``content`` (as text), ``format``, ``timestamp``, and more."""
        self._begun = self._before = time.time()
        self._sent_metadata: dict[str, str] = {}
        self._status = "finished"
        self._closed = False
        self._seen_error: BaseException | None = None
        folder = live or self._run_folder()
        self._stream = DocumentStream(folder, self._dbutils) if folder else None
        if self._stream is not None:
            self._emit(
                {"kind": "start", "python": sys.version.split()[0], "params": self._params()}
            )
            atexit.register(self._close_at_exit)
            self._watch_cells()

    def add_section(self, title: str, content: Any, format: str = "text") -> None:
        """Add a titled text.

        ``format`` is ``text``, ``markdown``, ``code``, ``json``, ``html``, or the name of a
        language such as ``sql``, which is code of it.
        """
        language = None
        if format == "json" and not isinstance(content, str):
            content = json.dumps(plain(content), indent=2, ensure_ascii=False)
        kind = format if format in _TEXT_KINDS else "text"
        if format in {"python", "sql", "scala", "r", "sh", "yaml"}:
            kind, language = "code", format
        fields = {"text": _text(content)}
        if language:
            fields["language"] = language
        self._add(kind, title, fields, format)

    def add_markdown(self, title: str, content: str) -> None:
        """Add a text in Markdown."""
        self.add_section(title, content, "markdown")

    def add_code(self, title: str, code: str, language: str = "python") -> None:
        """Add source code."""
        self._add("code", title, {"text": _text(code), "language": str(language)}, "code")

    def add_json(self, title: str, value: Any) -> None:
        """Add a value as indented JSON."""
        self.add_section(title, value, "json")

    def add_html(self, title: str, html: str) -> None:
        """Add HTML; readers show it in a frame in which nothing of it runs."""
        self.add_section(title, html, "html")

    def add_dataframe(
        self, title: str, df: Any, max_rows: int = 100, *, count_rows: bool = True
    ) -> None:
        """Add a table from a pandas, polars, Spark or Arrow frame, cut to ``max_rows`` rows.

        Of a Spark frame no more than these rows are fetched; where there are more, they are
        counted, which is a job of its own and can be left out. Raises TypeError for what is no
        table and ValueError for a number of rows below 1.
        """
        self._add("table", title, _table_fields(df, max_rows, count_rows), "dataframe")

    def add_query_result(
        self,
        title: str,
        query: str,
        results: Any,
        max_rows: int = 100,
        *,
        count_rows: bool = True,
    ) -> None:
        """Add a query with its result: a frame, rows, or a text that was made of them."""
        fields: dict[str, Any] = {"query": _text(query)}
        if isinstance(results, str):
            fields["text"] = _text(results)
        else:
            try:
                fields.update(_table_fields(results, max_rows, count_rows))
            except TypeError:
                fields["text"] = _text(results)
        self._add("query", title, fields, "query")

    def add_figure(self, title: str, figure: Any) -> None:
        """Add a figure of matplotlib or plotly, PNG or JPEG bytes, SVG, or a path to such a file.

        Raises ValueError for what is no image.
        """
        mime, data = read_figure(figure)
        if mime in {"image/svg+xml", "text/html"}:
            data = redact(data.decode("utf-8", "replace")).encode("utf-8")
        fields = {"mime": mime, "size": len(data)}
        encoded = base64.b64encode(data).decode("ascii")
        kept = self._stream.keep(data, SUFFIXES[mime]) if self._stream is not None else None
        record = self._add("figure", title, {**fields, **(kept or {"data": encoded})}, "figure")
        record["data"] = encoded

    def add_error(self, title: str, error: BaseException | str) -> None:
        """Add an error, with its trace where it is an exception."""
        if isinstance(error, BaseException):
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            name = type(error).__name__
            fields = {"text": f"{name}: {_text(error)}", "trace": _text(trace)}
        else:
            fields = {"text": _text(error), "trace": ""}
        self._add("error", title, fields, "error")

    def add_values(self, title: str, values: Mapping[str, Any]) -> None:
        """Add names with values."""
        pairs = [[str(name), plain(value)] for name, value in values.items()]
        self._add("values", title, {"values": pairs}, "values")

    def add_metric(self, name: str, value: Any, unit: str = "") -> None:
        """Add one number with its name."""
        fields = {"values": [[str(name), plain(value)]], "unit": str(unit)}
        self._add("metric", name, fields, "metric")

    def add_warning(self, title: str, text: Any = "") -> None:
        """Add something that a reader should not overlook."""
        self.add_section(title, text, "warning")

    def add_log(self, title: str, text: Any, level: str = "info") -> None:
        """Add lines of a log; ``level`` is ``debug``, ``info``, ``warning`` or ``error``."""
        self._add("log", title, {"text": _text(text), "level": str(level)}, "log")

    def add_progress(self, title: str, done: float, of: float | None = None) -> None:
        """Say how far something has come; followers see it, the finished document leaves it out."""
        event = {"title": _text(title), "done": plain(done), "of": plain(of)}
        self._emit({"kind": "progress", **event})

    def render(self) -> str:
        """The document as text: titled sections between rules."""
        generated = datetime.datetime.now().isoformat(timespec="seconds")
        return redact("\n".join(document_lines(self.sections, self.metadata, generated)))

    def write_to_dbfs(self) -> str | None:
        """Write the document as text to ``output_path``, and print it for the notebook's page.

        Returns the path, or None where it could not be written; that is said and fails nothing.
        """
        text = self.render()
        written = self._write_at(self.output_path, text)
        if len(text) <= _PRINTED:
            print(text)
        else:
            left = len(text) - _PRINTED
            print(f"{text[:_PRINTED]}\n[{left:,} more characters in {self.output_path}]")
        return written

    def write_json(self, json_path: str | None = None) -> str | None:
        """Write the document as JSON to ``json_path``; as ``write_to_dbfs`` in all else."""
        document = {
            "version": SCHEMA_VERSION,
            "metadata": redact_all(plain(self.metadata)),
            "sections": [redact_fields(section) for section in self.sections],
            "timestamp": datetime.datetime.now().isoformat(),
        }
        text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
        return self._write_at(str(json_path or _default_path(_JSON_NAME)), text)

    def close(self) -> None:
        """Seal the live document; what is added after that is kept, and not written to it."""
        if self._closed:
            return
        self._send_metadata()
        self._emit({"kind": "end", "status": self._status, "seconds": time.time() - self._begun})
        self._closed = True
        write_record()
        if self._stream is not None:
            atexit.unregister(self._close_at_exit)
            self._stream.close(self._status)

    def __enter__(self) -> NotebookOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._record_uncaught(error)
        self.metadata.setdefault("seconds", round(time.time() - self._begun, 3))
        self.close()

    def _add(self, kind: str, title: Any, fields: dict[str, Any], format: str) -> dict[str, Any]:
        now = time.time()
        event = {"kind": kind, "title": _text(title), **fields, "seconds": now - self._before}
        self._before = now
        record = {key: value for key, value in event.items() if key != "text"}
        record |= {"content": section_text(event), "format": format, "timestamp": now}
        self.sections.append(record)
        self._send_metadata()
        self._emit(event)
        return record

    def _emit(self, event: dict[str, Any]) -> None:
        if self._stream is not None and not self._closed:
            self._stream.emit(redact_fields(event))

    def _send_metadata(self) -> None:
        """Send what was changed in ``metadata`` since it was last sent."""
        now = {_text(key): _text(value) for key, value in self.metadata.items()}
        if now != self._sent_metadata:
            self._sent_metadata = now
            self._emit({"kind": "metadata", "values": now})

    def _record_uncaught(self, error: BaseException) -> None:
        if error is self._seen_error or _is_notebook_exit(error):
            return
        self._seen_error = error
        self._status = "failed"
        self.add_error("Uncaught error", error)

    def _watch_cells(self) -> None:
        """Record an error that ends a cell, where IPython runs the notebook."""
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        if shell is None:
            return

        def after_cell(result: Any) -> None:
            error = getattr(result, "error_in_exec", None)
            if error is not None and not self._closed:
                self._record_uncaught(error)

        with contextlib.suppress(Exception):
            shell.events.register("post_run_cell", after_cell)

    def _close_at_exit(self) -> None:
        uncaught = getattr(sys, "last_value", None)
        if isinstance(uncaught, BaseException):
            self._record_uncaught(uncaught)
        self.close()

    def _write_at(self, path: str, text: str) -> str | None:
        folder, _, name = path.rpartition("/")
        try:
            sink = open_sink(folder or ".", self._dbutils)
            data = text.encode("utf-8", "replace")
            for file_name, piece in split_text(name, data, sink.largest):
                sink.put(file_name, piece)
        except Exception as error:
            warn(f"the output could not be written to {path}: {error}{_hint(path, error)}")
            return None
        return path

    def _run_folder(self) -> str | None:
        if self._dbutils is None:
            return None
        try:
            folder = str(self._dbutils.widgets.get(OUTPUT_PARAMETER))
        except Exception:
            return None
        return folder.rstrip("/") or None

    def _params(self) -> dict[str, str]:
        try:
            found = dict(self._dbutils.widgets.getAll())
        except Exception:
            # older runtimes cannot list them
            return {}
        return {str(k): str(v) for k, v in found.items() if k != OUTPUT_PARAMETER}


def _table_fields(frame: Any, max_rows: int, count_rows: bool) -> dict[str, Any]:
    if max_rows < 1:
        raise ValueError("max_rows must be 1 or more")
    begun = time.perf_counter()
    table = read_table(frame, max_rows, count_rows=count_rows)
    return {
        "columns": [[_text(name), _text(kind)] for name, kind in table.columns],
        "rows": table.rows,
        "total": table.total,
        "truncated": table.truncated,
        "notes": list(table.notes),
        "ms": round((time.perf_counter() - begun) * 1000, 3),
    }


def _text(value: Any) -> str:
    """The value as text that UTF-8 can hold."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _default_path(name: str) -> str:
    folder = _DEFAULT_FOLDER
    with contextlib.suppress(OSError):
        # a volume that may not be looked at is none
        folder = DEFAULT_VOLUME if Path(DEFAULT_VOLUME).is_dir() else _DEFAULT_FOLDER
    return f"{folder}/{name}"


def _is_notebook_exit(error: BaseException) -> bool:
    """Whether a notebook was left by ``dbutils.notebook.exit``, which is no error."""
    if isinstance(error, (SystemExit, GeneratorExit)):
        return True
    names = [kind.__name__ for kind in type(error).__mro__]
    return any("NotebookExit" in name for name in names) or "NotebookExit" in str(error)[:500]


def _hint(path: str, error: Exception) -> str:
    in_dbfs = not path.startswith(("/Volumes/", "dbfs:/Volumes/", "/Workspace/"))
    if in_dbfs and any(sign in str(error) for sign in ("DBFS", "disabled", "ermission", "denied")):
        return "\n  where DBFS is switched off, write to a volume: /Volumes/<catalog>/<schema>/..."
    return ""


# a notebook imports this first, and gets its secrets and reads its tables later
watch_secrets(find_dbutils())
begin_recording(find_dbutils())
