"""A run on disk while it goes on: ``events.jsonl`` and ``result.json``, for editors and agents.

``.brickloop/runs/<run id>/`` holds what the terminal shows, as it shows it. The format is described
in docs/run-events.md and by run_events.schema.json.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from brickloop.display import diagnostics
from brickloop.model.document import Section
from brickloop.model.run import CellResult, RunResult, RunStatus, TaskStatus, exit_code_of
from brickloop.model.run_json import cell_json, error_json
from brickloop.model.whole_file import write_whole
from brickloop.runtime.redaction import redact

EVENTS_VERSION = 1
_KEPT_SECONDS = 60 * 24 * 3600
_HIDDEN = "***"
_SECRET_NAME = re.compile(r"token|secret|passw|pwd|credential|api_?key", re.IGNORECASE)
_SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "text/html": "html",
}


class RunEvents:
    """Writes the events of one run; a disk that refuses is spoken of once and stops nothing."""

    def __init__(self, root: Path, run_id: int, request: Mapping[str, Any]) -> None:
        """Open the record of a run; one of the same run key is continued, any other replaced.

        ``request`` says what was asked for: ``run_key``, ``host``, ``parameters`` and the like.
        """
        self.folder = root / str(run_id)
        self._request = _without_secrets(request)
        self._sequence = 0
        self._sections: Counter[str] = Counter()
        self._met: Counter[str] = Counter()
        self._cells: set[tuple[str, int]] = set()
        self._broken = False
        self._guard(lambda: self._open(root))

    @classmethod
    def reopened(cls, root: Path, run_id: int) -> RunEvents | None:
        """The record of a run that is there, to be continued; None where there is none."""
        first = next((e for e in _events(root / str(run_id)) if e.get("kind") == "started"), None)
        if first is None:
            return None
        names = ("run_key", "host", "output", "parameters")
        return cls(root, run_id, {name: first[name] for name in names if name in first})

    def started(self, name: str, run_id: int, url: str) -> None:
        """The run is there."""
        self._write("started", name=name, run_id=run_id, url=url, **self._request)

    def status(self, status: RunStatus) -> None:
        """The run's status has changed."""
        self._write("status", **status_json(status))

    def section(self, section: Section) -> None:
        """A section of the output document has come."""
        data = self._section_json(section)
        digest = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()
        # who takes a run up again reads its document from the start
        self._met[digest] += 1
        if self._met[digest] > self._sections[digest]:
            self._sections[digest] += 1
            self._write("section", digest=digest, section=data)

    def cells(self, cells: tuple[CellResult, ...], task: str = "") -> None:
        """The cells have been fetched."""
        for cell in cells:
            if (task, cell.index) not in self._cells:
                self._cells.add((task, cell.index))
                self._write("cell", **({"task": task} if task else {}), cell=self._cell_json(cell))

    def note(self, code: str, text: str) -> None:
        """Something that a person should know."""
        self._write("note", code=code, text=text)

    def failure(self, result: RunResult) -> None:
        """The run has not succeeded."""
        self._write("failure", **_failure_json(result))

    def finished(self, result: RunResult, saved: tuple[str, ...]) -> None:
        """The run has ended, and its output is saved; ``result.json`` is written."""
        data = self._result_json(result, saved)
        self._write("finished", result=data["result"], exit_code=data["exit_code"], saved=saved)
        self._guard(lambda: self._place("result.json", json.dumps(data, indent=2)))

    def _open(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        _forget_old(root, self.folder)
        first = next(_events(self.folder), None)
        if first is not None and first.get("run_key") != self._request.get("run_key"):
            aside = self.folder.with_name(f"{self.folder.name}-{int(time.time() * 1000)}")
            self.folder.rename(aside)
        for event in _events(self.folder):
            self._sequence = max(self._sequence, int(event.get("seq") or 0))
            if event.get("kind") == "section":
                self._sections[str(event.get("digest"))] += 1
            elif event.get("kind") == "cell":
                self._cells.add((str(event.get("task") or ""), int(event["cell"]["index"])))
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def _write(self, kind: str, **fields: Any) -> None:
        self._sequence += 1
        event = {
            "v": EVENTS_VERSION,
            "seq": self._sequence,
            "at": round(time.time(), 3),
            "kind": kind,
            **fields,
        }
        line = redact(json.dumps(event, ensure_ascii=False, default=str)) + "\n"
        self._guard(lambda: self._append(line.encode("utf-8", "replace")))

    def _append(self, data: bytes) -> None:
        path = self.folder / "events.jsonl"
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            # a process that died amid a line must not spoil the next one
            if size and _last_byte(handle) != b"\n":
                data = b"\n" + data
            os.write(handle, data)
        finally:
            os.close(handle)

    def _place(self, name: str, text: str) -> None:
        write_whole(self.folder / name, redact(text), private=True)

    def _guard(self, work: Any) -> None:
        if self._broken:
            return
        try:
            work()
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._broken = True
            diagnostics.warn(f"the run's events cannot be written to {self.folder}: {error}")

    def _section_json(self, section: Section) -> dict[str, Any]:
        data: dict[str, Any] = {"kind": section.kind, "title": section.title}
        for each in dataclasses.fields(section):
            value = getattr(section, each.name)
            if each.name in {"kind", "title", "image", "blob"} or value == each.default:
                continue
            data[each.name] = dict(value) if each.name == "values" else value
        if section.image is not None:
            data["file"] = self._figure(section.mime or "", section.image)
        return data

    def _cell_json(self, cell: CellResult) -> dict[str, Any]:
        return cell_json(cell, lambda mime, data: {"file": self._figure(mime, data)})

    def _figure(self, mime: str, data: bytes) -> str:
        """Where a figure is kept, beside the events."""
        self._guard(lambda: keep_figure(self.folder, mime, data))
        return _figure_name(mime, data)

    def _result_json(self, result: RunResult, saved: tuple[str, ...]) -> dict[str, Any]:
        document = result.document
        return {
            "v": EVENTS_VERSION,
            "success": result.status.succeeded,
            "exit_code": exit_code_of(result.status),
            **status_json(result.status),
            "request": self._request,
            "seconds": result.status.seconds,
            "exit_value": result.exit_value,
            **_failure_json(result),
            "logs": result.logs,
            "metadata": document.metadata if document else {},
            "output_complete": document.complete if document else None,
            "sections": [
                {"kind": section.kind, "title": section.title}
                for section in (document.sections if document else ())
            ],
            "cells": [
                {
                    "index": cell.index,
                    "first_line": cell.first_line,
                    "state": cell.state,
                    "seconds": max(cell.ended_ms - cell.started_ms, 0) / 1000,
                }
                for cell in result.cells
            ],
            "cells_missing": result.cells_missing,
            "saved": list(saved),
            "events": "events.jsonl",
        }


def keep_figure(folder: Path, mime: str, data: bytes) -> Path:
    """The file in a run's folder that a figure is kept in; equal figures share one."""
    path = folder / _figure_name(mime, data)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        write_whole(path, data)
    return path


def figure_keeper(folder: Path) -> Callable[[str, str, bytes], Path | None]:
    """Keeps figures for the terminal to link to; None for what is none, or a disk that refuses."""

    def keep(_title: str, mime: str, data: bytes) -> Path | None:
        if mime not in _SUFFIXES:
            return None
        try:
            return keep_figure(folder, mime, data)
        except OSError:
            return None

    return keep


def _figure_name(mime: str, data: bytes) -> str:
    return f"figures/{hashlib.sha256(data).hexdigest()[:32]}.{_SUFFIXES.get(mime, 'bin')}"


def status_json(status: RunStatus) -> dict[str, Any]:
    """A run's status in the API's names."""
    return {
        "run_id": status.run_id,
        "name": status.name,
        "life_cycle": status.life_cycle.value,
        "result": status.result.value if status.result else None,
        "message": status.message,
        "url": status.page_url,
        "creator": status.creator,
        "started_ms": status.started_ms,
        "ended_ms": status.ended_ms,
        "tasks": [_task_json(task) for task in status.tasks],
    }


def _task_json(task: TaskStatus) -> dict[str, Any]:
    return {
        "key": task.key,
        "run_id": task.run_id,
        "kind": task.kind,
        "source": task.source,
        "attempt": task.attempt,
        "life_cycle": task.life_cycle.value,
        "result": task.result.value if task.result else None,
        "message": task.message,
    }


def _failure_json(result: RunResult) -> dict[str, Any]:
    failed = next((cell for cell in result.cells if cell.error is not None), None)
    cell = None
    if failed is not None and failed.error is not None:
        cell = {
            "index": failed.index,
            "title": failed.title,
            "command": failed.command,
            **error_json(failed.error),
        }
    return {"error": result.error, "error_trace": result.error_trace, "failed_cell": cell}


def _without_secrets(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with the values hidden whose names say that they are secret."""
    found = dict(request)
    if isinstance(found.get("parameters"), Mapping):
        found["parameters"] = {
            name: _HIDDEN if _SECRET_NAME.search(name) else value
            for name, value in found["parameters"].items()
        }
    return found


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    """The events that can be read, in their order; one after the other, for they may be large."""
    try:
        file = (folder / "events.jsonl").open("rb")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event


def _last_byte(handle: int) -> bytes:
    os.lseek(handle, -1, os.SEEK_END)
    return os.read(handle, 1)


def _forget_old(root: Path, kept: Path) -> None:
    """Remove the records of runs that the workspace has forgotten too."""
    import shutil

    limit = time.time() - _KEPT_SECONDS
    for folder in root.iterdir():
        with contextlib.suppress(OSError):
            if folder != kept and folder.is_dir() and folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)
