"""What a local file is to the workspace: its slot, its kind, and when two contents are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from brickloop.errors import NotebookError
from brickloop.model.notebook import (
    Language,
    NotebookFormat,
    language_of_source,
    parse_ipynb,
)
from brickloop.sync.remote import Content, Kind

OPAQUE_SUFFIXES = (".dbquery.ipynb", ".lvdash.json", ".dbalert.json")
"""Files that the workspace turns into objects of its own; never touched, they block their slot."""
SOURCE_SUFFIXES = {
    Language.PYTHON: ".py",
    Language.SQL: ".sql",
    Language.SCALA: ".scala",
    Language.R: ".r",
}
HEAD_BYTES = 64


@dataclass(frozen=True)
class Slot:
    """The place of a local file in the workspace."""

    name: str
    """The object's name there: a notebook's loses its suffix."""
    kind: Kind
    language: Language | None = None
    format: NotebookFormat | None = None


def slot_of(name: str, head: bytes) -> Slot:
    """The slot of a file by its name and first bytes, as the workspace would decide."""
    path = PurePosixPath(name)
    lowered = name.lower()
    if lowered.endswith(OPAQUE_SUFFIXES):
        return Slot(name, Kind.OPAQUE)
    language = language_of_source(path.suffix, head)
    if language is not None:
        stem = name[: -len(path.suffix)]
        return Slot(stem, Kind.NOTEBOOK, language, NotebookFormat.SOURCE)
    if lowered.endswith(".ipynb") and len(name) > len(".ipynb"):
        # a pipeline's designer keeps its notebooks under the full name
        stem = name if lowered.endswith(".designer.ipynb") else name[: -len(".ipynb")]
        return Slot(stem, Kind.NOTEBOOK, None, NotebookFormat.JUPYTER)
    return Slot(name, Kind.FILE)


def slot_path(path: str, head: bytes) -> str:
    """The slot of a local file by its path and first bytes."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{slot_of(name, head).name}"


def rivals(path: str) -> set[str]:
    """The local paths that could be one object with a file, its own among them."""
    stem = path
    for suffix in (*SOURCE_SUFFIXES.values(), ".ipynb"):
        if path.lower().endswith(suffix):
            stem = path[: -len(suffix)]
    slots = {path, stem}
    endings = ("", ".ipynb", *SOURCE_SUFFIXES.values())
    return {f"{slot}{ending}" for slot in slots if slot for ending in endings}


def local_name(slot: str, language: Language | None, format: NotebookFormat | None) -> str:
    """The path of the local file for a notebook that stands in a slot of the workspace."""
    if format is NotebookFormat.JUPYTER:
        return slot if slot.lower().endswith(".designer.ipynb") else f"{slot}.ipynb"
    return f"{slot}{SOURCE_SUFFIXES[language or Language.PYTHON]}"


def content_of(slot: Slot, data: bytes, where: str) -> Content:
    """The content as it is sent; raises NotebookError for a notebook the workspace would refuse."""
    if slot.kind is not Kind.NOTEBOOK:
        return Content(slot.kind, data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotebookError(
            f"is not UTF-8 text (byte {error.start})", where=where, hint="save the file as UTF-8"
        ) from None
    language = slot.language
    if slot.format is NotebookFormat.JUPYTER:
        language = parse_ipynb(text, where=where).language
    return Content(Kind.NOTEBOOK, data, language, slot.format)


def content_hash(data: bytes) -> str:
    """SHA-256 of the bytes."""
    return hashlib.sha256(data).hexdigest()


def canonical_hash(kind: Kind, format: NotebookFormat | None, data: bytes) -> str:
    """A hash that is the same for two contents which the workspace does not tell apart.

    A source notebook loses its line ends' kind and its last newlines on the way, an .ipynb its
    formatting; of an .ipynb the cells' types and sources count. A file is its bytes.
    """
    if kind is not Kind.NOTEBOOK:
        return content_hash(data)
    if format is NotebookFormat.JUPYTER:
        cells = _ipynb_cells(data)
        if cells is not None:
            return content_hash(json.dumps(cells, ensure_ascii=True).encode())
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content_hash(text.rstrip(b"\n"))


def with_habits(old: bytes, new: bytes) -> bytes:
    """A source notebook's new content with the line ends and last newlines of the old one."""
    text = new.replace(b"\r\n", b"\n")
    body = text.rstrip(b"\n")
    ending = old.replace(b"\r\n", b"\n")
    text = body + b"\n" * (len(ending) - len(ending.rstrip(b"\n")))
    if old.count(b"\n") and old.count(b"\r\n") == old.count(b"\n"):
        text = text.replace(b"\n", b"\r\n")
    return text


def workspace_name(local: Path, head: bytes) -> str:
    """The name of a local file's object in the workspace: a notebook loses its suffix.

    ``head`` are the file's first bytes, 64 at least where it has so many.
    """
    return slot_of(local.name, head).name


def find_collisions(files: Iterable[tuple[Path, str]]) -> None:
    """Return when every file has a remote path to itself.

    Raises NotebookError (a UsageError) that names both of two files which would be one object.
    """
    taken: dict[str, Path] = {}
    for local, remote in files:
        other = taken.setdefault(remote, local)
        if other != local:
            raise NotebookError(
                f"'{other}' and '{local}' would be one object in the workspace: {remote}",
                hint="rename one of the two: a notebook loses its suffix in the workspace",
            )


def _ipynb_cells(data: bytes) -> list[list[str]] | None:
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
        return [
            [str(cell["cell_type"]), "".join(cell.get("source", ""))] for cell in notebook["cells"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
