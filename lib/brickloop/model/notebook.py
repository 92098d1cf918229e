"""Databricks notebooks in the source format (.py, .sql, .scala, .r) and as .ipynb: text to cells.

The source format is a text file whose first line is a header; cells are divided by a separator
line, cells in another language are written as ``MAGIC`` comments. Source:
https://docs.databricks.com/en/notebooks/notebook-export-import.html and the rules by which the
vendor's own tools recognise a notebook.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from brickloop.errors import NotebookError


class Language(str, Enum):
    """A language that a notebook, or a cell of it, is written in."""

    PYTHON = "PYTHON"
    SQL = "SQL"
    SCALA = "SCALA"
    R = "R"


class NotebookFormat(str, Enum):
    """How a notebook is written in its file, by the names of the workspace API."""

    SOURCE = "SOURCE"
    JUPYTER = "JUPYTER"


class CellKind(str, Enum):
    """What running a cell means."""

    PYTHON = "python"
    SQL = "sql"
    SCALA = "scala"
    R = "r"
    MARKDOWN = "md"
    RUN = "run"
    SHELL = "sh"
    FS = "fs"
    PIP = "pip"
    SKIP = "skip"
    EMPTY = "empty"


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook."""

    index: int
    """Counted from 0; what a person calls cell 1 is index 0."""
    kind: CellKind
    source: str
    """What is run: magic prefix, title line and MAGIC marks are off. For ``%run``, ``%fs`` and
    ``%pip`` the rest of the magic line."""
    command: str
    """The cell as the notebook's editor shows it, magic word included."""
    title: str | None
    line: int
    """Line of the file, counted from 1, on which ``source`` begins (0 in an .ipynb)."""


@dataclass(frozen=True)
class Notebook:
    """A parsed notebook."""

    language: Language
    format: NotebookFormat
    cells: tuple[Cell, ...]


SUFFIX_LANGUAGES = {
    ".py": Language.PYTHON,
    ".sql": Language.SQL,
    ".scala": Language.SCALA,
    ".r": Language.R,
}
COMMENT_PREFIXES = {
    Language.PYTHON: "#",
    Language.SQL: "--",
    Language.SCALA: "//",
    Language.R: "#",
}
_KIND_OF_LANGUAGE = {
    Language.PYTHON: CellKind.PYTHON,
    Language.SQL: CellKind.SQL,
    Language.SCALA: CellKind.SCALA,
    Language.R: CellKind.R,
}
_MAGIC_KINDS = {
    "python": CellKind.PYTHON,
    "sql": CellKind.SQL,
    "scala": CellKind.SCALA,
    "r": CellKind.R,
    "md": CellKind.MARKDOWN,
    "md-sandbox": CellKind.MARKDOWN,
    "run": CellKind.RUN,
    "sh": CellKind.SHELL,
    "fs": CellKind.FS,
    "pip": CellKind.PIP,
    "uv": CellKind.PIP,
    "conda": CellKind.PIP,
    "skip": CellKind.SKIP,
    "environment": CellKind.EMPTY,
}
_MAGIC_WORD = re.compile(r"%([A-Za-z][\w-]*)(?=\s|$)")
_HEADER_BYTES = 64


def header_line(language: Language) -> str:
    """The first line of a source-format notebook in ``language``."""
    return f"{COMMENT_PREFIXES[language]} Databricks notebook source"


def language_of_source(suffix: str, head: bytes) -> Language | None:
    """The language if a file with this suffix and first bytes is a source notebook, else None.

    The first line must be the header exactly: with a byte order mark or a trailing blank the
    workspace takes the file for a plain file.
    """
    language = SUFFIX_LANGUAGES.get(suffix.lower())
    if language is None:
        return None
    first = head[:_HEADER_BYTES].split(b"\n", 1)[0].removesuffix(b"\r")
    return language if first == header_line(language).encode() else None


def parse_source(text: str, language: Language, *, where: str | None = None) -> Notebook:
    """The cells of a source-format notebook.

    Raises NotebookError when the first line is not the header of ``language``.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[0].rstrip() != header_line(language):
        raise NotebookError(
            f"is no Databricks notebook: line 1 is not '{header_line(language)}'",
            where=where,
            hint=f"make '{header_line(language)}' the first line, or leave the file out",
        )
    comment = COMMENT_PREFIXES[language]
    separator = re.compile(rf"^{re.escape(comment)} COMMAND -{{2,}}\s*$")
    blocks: list[tuple[int, list[str]]] = [(2, [])]
    for number, line in enumerate(lines[1:], start=2):
        if separator.match(line):
            blocks.append((number + 1, []))
        else:
            blocks[-1][1].append(line)
    cells: list[Cell] = []
    for first_line, block in blocks:
        cell = _parse_block(len(cells), first_line, block, language, comment)
        if cell is not None:
            cells.append(cell)
    return Notebook(language, NotebookFormat.SOURCE, tuple(cells))


def parse_ipynb(text: str, *, where: str | None = None) -> Notebook:
    """The cells of a Jupyter notebook (nbformat 4 or newer).

    Raises NotebookError when the text is not JSON or lacks ``cells``, ``metadata`` or ``nbformat``.
    """
    document = _load_ipynb(text, where)
    extra = document["metadata"].get("application/vnd.databricks.v1+notebook") or {}
    name = str(extra.get("language") or "python").upper()
    language = Language(name) if name in Language.__members__ else Language.PYTHON
    cells: list[Cell] = []
    for raw in document["cells"]:
        source = raw.get("source", "")
        source = "".join(source) if isinstance(source, list) else str(source)
        meta = (raw.get("metadata") or {}).get("application/vnd.databricks.v1+cell") or {}
        title = meta.get("title") or None
        if raw.get("cell_type") == "code":
            kind, body, _ = split_magic(source, _KIND_OF_LANGUAGE[language])
            command = source
        else:
            kind, body, command = CellKind.MARKDOWN, source, f"%md\n{source}"
        cells.append(Cell(len(cells), kind, body, command, title, 0))
    return Notebook(language, NotebookFormat.JUPYTER, tuple(cells))


def parse_notebook(data: bytes, suffix: str, *, where: str | None = None) -> Notebook:
    """The notebook in the bytes of a file with this suffix.

    Raises NotebookError when it is not UTF-8, has no notebook header, or is no valid .ipynb.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotebookError(
            f"is not UTF-8 text (byte {error.start})", where=where, hint="save the file as UTF-8"
        ) from None
    if suffix.lower() == ".ipynb":
        return parse_ipynb(text, where=where)
    language = SUFFIX_LANGUAGES.get(suffix.lower())
    if language is None:
        raise NotebookError(
            f"'{suffix}' is no notebook suffix",
            where=where,
            hint="use .py, .sql, .r, .scala or .ipynb",
        )
    return parse_source(text, language, where=where)


def split_magic(command: str, default: CellKind) -> tuple[CellKind, str, int]:
    """What a cell's command means: its kind, what is run, and the number of lines before that.

    ``%run`` and ``%fs`` keep the rest of their line as source, ``%pip`` (``%uv``, ``%conda``) that
    with its word; an unknown magic word belongs to the cell's own interpreter.
    """
    if not command.strip():
        return CellKind.EMPTY, "", 0
    begun = command.lstrip()
    before = command[: len(command) - len(begun)].count("\n")
    found = _MAGIC_WORD.match(begun)
    kind = _MAGIC_KINDS.get(found.group(1).lower()) if found else None
    if found is None or kind is None:
        return default, command, 0
    rest = begun[found.end() :]
    if kind is CellKind.PIP:
        return kind, f"{found.group(1).lower()} {rest.strip()}", before
    if kind in {CellKind.RUN, CellKind.FS}:
        return kind, rest.strip(), before
    first, newline, following = rest.partition("\n")
    if first.strip():
        return kind, rest.lstrip(" \t"), before
    return kind, following, before + (1 if newline else 0)


def _load_ipynb(text: str, where: str | None) -> dict[str, Any]:
    document: dict[str, Any]
    try:
        document = json.loads(text)
    except ValueError as error:
        raise NotebookError(
            f"is no valid .ipynb: {error}",
            where=where,
            hint="open and save it in a notebook editor",
        ) from None
    valid = (
        isinstance(document, dict)
        and isinstance(document.get("cells"), list)
        and isinstance(document.get("metadata"), dict)
        and isinstance(document.get("nbformat"), int)
        and document["nbformat"] >= 4
        and all(isinstance(cell, dict) for cell in document["cells"])
    )
    if not valid:
        raise NotebookError(
            "is no valid .ipynb: 'cells', 'metadata' and 'nbformat' 4 or newer are needed",
            where=where,
            hint="open and save it in a notebook editor",
        )
    return document


def _parse_block(
    index: int, first_line: int, block: list[str], language: Language, comment: str
) -> Cell | None:
    start = 0
    while start < len(block) and not block[start].strip():
        start += 1
    end = len(block)
    while end > start and not block[end - 1].strip():
        end -= 1
    if start == end:
        return None
    title, kept = None, start
    found = re.match(rf"^{re.escape(comment)} DBTITLE [01],\s?(.*)$", block[start])
    if found:
        title, kept = found.group(1).strip() or None, start + 1
        while kept < end and not block[kept].strip():
            kept += 1
    body = block[kept:end]
    mark = re.compile(rf"^{re.escape(comment)} MAGIC(?: |$)(.*)$")
    matches = [mark.match(line) for line in body]
    line = first_line + kept
    if _begins_with_magic(body, matches, comment):
        command = "\n".join(found.group(1) for found in matches if found is not None)
        line += next(offset for offset, found in enumerate(matches) if found is not None)
        if not command.lstrip().startswith("%"):
            # MAGIC lines without a magic word are a remark
            return Cell(index, CellKind.MARKDOWN, command, command, title, line)
    else:
        # a MAGIC line amid code is a line magic of the cell's own interpreter
        command = "\n".join(
            text if found is None else found.group(1)
            for text, found in zip(body, matches, strict=True)
        )
    kind, source, before = split_magic(command, _KIND_OF_LANGUAGE[language])
    return Cell(index, kind, source, command, title, line + before)


def _begins_with_magic(body: list[str], matches: list[re.Match[str] | None], comment: str) -> bool:
    """Whether the first line that is neither blank nor a plain comment is a MAGIC line."""
    for text, found in zip(body, matches, strict=True):
        if found is not None:
            return True
        if text.strip() and not text.lstrip().startswith(comment):
            return False
    return False
