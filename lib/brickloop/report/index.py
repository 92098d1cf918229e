"""The page of all notebooks: what ran, how it went, and where to look."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import brickloop
from brickloop.errors import OutputUnavailable, UsageError
from brickloop.model.document import Document
from brickloop.model.failure import describe_failure
from brickloop.model.run import ImageOutput, RunResult, RunStatus
from brickloop.model.text import one_line, write_duration
from brickloop.report import markup
from brickloop.report.html import moment, state_of, state_pill
from brickloop.report.saved import read_saved, render_saved_page, write_whole
from brickloop.report.shell import render_shell

_MOST_THUMBNAILS = 4
_THUMBNAIL = (260, 130)
_MOST_PIXELS = 40_000_000
_LARGEST_UNSCALED = 30_000
_LONGEST_ERROR = 240
_FILTERED_ROWS = 12


@dataclass(frozen=True)
class Entry:
    """One notebook's last run."""

    name: str
    status: RunStatus
    sections: int
    cells: int
    error: str | None
    """The error in one line, None for a run that succeeded."""
    complete: bool | None
    """Whether the output document was closed; None where there is none."""
    figures: tuple[tuple[str, bytes], ...]
    """Kind and bytes of the first figures."""
    page: Path

    def as_json(self) -> dict[str, Any]:
        """The entry as JSON types."""
        return {
            "notebook": self.name,
            "state": state_of(self.status),
            "succeeded": self.status.succeeded,
            "run_id": self.status.run_id,
            "url": self.status.page_url,
            "started_ms": self.status.started_ms,
            "ended_ms": self.status.ended_ms,
            "sections": self.sections,
            "cells": self.cells,
            "complete": self.complete,
            "error": self.error,
            "page": str(self.page),
        }


def collect(
    folder: Path, apart: Collection[str] = ()
) -> tuple[list[Entry], list[OutputUnavailable]]:
    """The saved runs below a folder, the first that ran first, and what could not be read.

    Folders in it that are named ``apart``, those of other targets, do not count. A page that is
    missing beside its JSON is made anew. Raises UsageError where there is no output at all.
    """
    entries: list[Entry] = []
    unread: list[OutputUnavailable] = []
    for path in _output_files(folder):
        if path.relative_to(folder).parts[0] in apart:
            continue
        try:
            name, result = read_saved(path)
        except OutputUnavailable as error:
            unread.append(error)
            continue
        # what lies in a file does not say where others are written
        name = path.relative_to(folder).with_suffix("").as_posix()
        page = path.with_suffix(".html")
        if not page.exists():
            write_whole(page, render_saved_page(result, folder, name))
        entries.append(_entry(name, result, page))
    if not entries:
        raise UsageError(
            f"there are no outputs in {folder}" + (f" ({unread[0]})" if unread else ""),
            hint="run the notebooks first: doit",
        )
    return sorted(entries, key=lambda entry: (entry.status.started_ms, entry.name)), unread


def write_index(entries: Sequence[Entry], folder: Path, project: str) -> Path:
    """The path of the index page, which is written into the folder of outputs."""
    # a notebook's own page is never taken away
    taken = any(entry.name == "index" for entry in entries)
    path = folder / ("index.of-all.html" if taken else "index.html")
    return write_whole(path, render_index(entries, folder, project))


def render_index(entries: Sequence[Entry], folder: Path, project: str) -> str:
    """The index page as HTML text."""
    good = sum(entry.status.succeeded for entry in entries)
    bad = len(entries) - good
    first = min(
        (entry.status.started_ms for entry in entries if entry.status.started_ms), default=0
    )
    last = max((entry.status.ended_ms for entry in entries), default=0)
    tiles = [("notebooks", f"{len(entries):,}"), ("succeeded", f"{good:,}")]
    if bad:
        tiles.append(("did not succeed", f"{bad:,}"))
    tiles += [
        ("in all", write_duration(sum(_took(entry) for entry in entries))),
        ("cells", f"{sum(entry.cells for entry in entries):,}"),
    ]
    shown = "".join(f"<div><dt>{text}</dt><dd>{value}</dd></div>" for text, value in tiles)
    rows = "".join(_row(entry, folder) for entry in entries)
    filtered = len(entries) > _FILTERED_ROWS
    tools = (
        '<div class="tools" hidden><input type="search" placeholder="Filter notebooks" '
        'aria-label="Filter notebooks"><span role="status"></span></div>'
        if filtered
        else ""
    )
    heads = "".join(
        f'<th scope="col"{" class=number" if number else ""}><button type="button">'
        f'<span class="name">{text}</span></button></th>'
        for text, number in (
            ("Notebook", False), ("State", False), ("Started", False), ("Took", True),
            ("Sections", True), ("Cells", True),
        )
    )  # fmt: skip
    content = (
        f'<div class="wrap"><main id="main"><dl class="tiles">{shown}</dl>'
        f'<div class="table{" filtered" if filtered else ""}">{tools}'
        '<div class="scroll" tabindex="0" role="region" aria-label="Notebooks"><table>'
        '<caption class="hidden">Notebooks and their last runs</caption>'
        f'<thead><tr>{heads}<th scope="col"><span class="plain-head">Figures</span></th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div></div></main></div>"
    )
    state = (
        '<span class="state good">All succeeded</span>'
        if not bad
        else f'<span class="state bad">{bad} of {len(entries)} did not succeed</span>'
    )
    span = moment(first) + (f" to {moment(last)}" if last > first else "")
    head = (
        f'<div class="title"><h1>{markup.text_markup(project)}</h1>{state}</div>'
        f'<dl class="facts"><div><dt>Ran</dt><dd>{span}</dd></div></dl>'
    )
    return render_shell(
        title=f"{one_line(project)}: notebooks",
        head=head,
        content=content,
        foot=f"<span>brickloop {escape(brickloop.__version__)}</span>",
        body_class="index",
    )


def _output_files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.rglob("*.json")):
            if path.is_file() and not path.name.startswith("."):
                yield path


def _entry(name: str, result: RunResult, page: Path) -> Entry:
    document: Document | None = result.document
    error = None
    if not result.status.succeeded:
        failure = describe_failure(result)
        error = one_line(f"{failure.name}: {failure.message}" if failure.name else failure.message)
    return Entry(
        name=name,
        status=result.status,
        sections=len(document.sections) if document else 0,
        cells=len(result.cells),
        error=error,
        complete=document.complete if document else None,
        # a figure that a section holds may have been displayed by its cell too
        figures=tuple(dict.fromkeys(_figures(result)))[:_MOST_THUMBNAILS],
        page=page,
    )


def _figures(result: RunResult) -> Iterator[tuple[str, bytes]]:
    document: Document | None = result.document
    for section in document.sections if document else ():
        if section.image is not None and section.mime:
            yield section.mime, section.image
    for cell in result.cells:
        for output in cell.outputs:
            if isinstance(output, ImageOutput):
                yield output.mime, output.data


def _row(entry: Entry, folder: Path) -> str:
    href = escape(quote(entry.page.relative_to(folder).as_posix()))
    why = ""
    if entry.error:
        line = entry.error[:_LONGEST_ERROR] + ("…" if len(entry.error) > _LONGEST_ERROR else "")
        why = f'<p class="why">{escape(line)}</p>'
    elif entry.complete is False:
        why = '<p class="why">the output is incomplete</p>'
    took = _took(entry)
    started = entry.status.started_ms
    thumbs = "".join(_thumbnail(mime, data) for mime, data in entry.figures)
    return (
        f'<tr><td data-value="{escape(entry.name)}">'
        f'<a href="{href}">{markup.text_markup(entry.name)}</a>{why}</td>'
        f"<td>{state_pill(entry.status)}</td>"
        f'<td data-value="{started:020d}" class="when">{moment(started)}</td>'
        f'<td class="number" data-value="{took}">{write_duration(took)}</td>'
        f'<td class="number">{entry.sections}</td><td class="number">{entry.cells}</td>'
        f'<td><div class="thumbs">{thumbs}</div></td></tr>'
    )


def _thumbnail(mime: str, data: bytes) -> str:
    small = data if len(data) <= _LARGEST_UNSCALED else _scaled(mime, data)
    if small is None or mime not in {"image/png", "image/jpeg", "image/svg+xml"}:
        return ""
    kind = mime if small is data else "image/png"
    return f'<img alt="" src="data:{kind};base64,{base64.b64encode(small).decode("ascii")}">'


def _scaled(mime: str, data: bytes) -> bytes | None:
    """An image made small; None for what cannot be, or where Pillow is not installed."""
    if mime not in {"image/png", "image/jpeg"}:
        return None
    try:
        from PIL import Image
    except ImportError:
        return None
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", _THUMBNAIL)
            small = image.convert("RGBA")
            small.thumbnail(_THUMBNAIL)
            flat = Image.new("RGB", small.size, "white")
            flat.paste(small, mask=small.getchannel("A"))
    except (OSError, ValueError, SyntaxError):
        return None
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    written = io.BytesIO()
    flat.save(written, "PNG", optimize=True)
    return written.getvalue()


def _took(entry: Entry) -> int:
    return max(entry.status.ended_ms - entry.status.started_ms, 0) if entry.status.ended_ms else 0
