"""A project folder as a graph: notebooks, the files they reach, and who comes before whom."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brickloop.errors import NotebookError, UsageError
from brickloop.flows.edges import Links, Observed, TableUse, in_order, reading, table_use
from brickloop.model.dependencies import Facts, scan_module, scan_notebook
from brickloop.model.notebook import (
    SUFFIX_LANGUAGES,
    header_line,
    language_of_source,
    parse_notebook,
)
from brickloop.model.references import Kind
from brickloop.sync.ledger import Ledger

_LEFT_OUT = {"__pycache__", "node_modules", "outputs", ".venv"}
_FACTS = "scan-3"


@dataclass(frozen=True)
class ProjectFile:
    """One file of the project."""

    relative: str
    """Path below the project's folder, with slashes."""
    path: Path
    sha256: str
    is_notebook: bool
    facts: Facts = field(default_factory=Facts)

    @property
    def name(self) -> str:
        """What it is called in the workspace, below the project's folder there."""
        if not self.is_notebook:
            return self.relative
        return self.relative.rpartition(".")[0]

    def targets(self, kind: Kind) -> list[str]:
        """What the file's text names by references of a kind."""
        return self.facts.targets(kind)


@dataclass(frozen=True)
class Project:
    """The files of a project and how they hang together."""

    files: dict[str, ProjectFile]
    """By name in the workspace."""
    reaches: dict[str, tuple[str, ...]]
    """For each notebook the names of all files that its run depends on, itself left out."""
    upstream: dict[str, tuple[str, ...]]
    """For each notebook the notebooks that must have run before it."""
    tables: TableUse = field(default_factory=TableUse)
    links: Links | None = None

    @property
    def notebooks(self) -> list[ProjectFile]:
        """The notebooks, each after those it depends on."""
        return [self.files[name] for name in self.upstream]


def read_project(
    folder: Path, ledger: Ledger, observed: Mapping[str, Observed] | None = None
) -> Project:
    """The project in a folder; what was worked out from a content before comes from the ledger.

    ``observed`` adds what runs were seen to do and what a dodo.py declares, by notebook.

    Raises UsageError where there is no notebook or notebooks depend on each other in a circle, and
    NotebookError for a file that is no valid notebook or two files of one name.
    """
    if not folder.is_dir():
        raise UsageError("there is no such folder", where=str(folder))
    files: dict[str, ProjectFile] = {}
    for file in _read_files(folder, ledger):
        twin = files.get(file.name)
        if twin is not None:
            raise NotebookError(
                f"{twin.relative} and {file.relative} would be one object in the workspace",
                where=str(folder),
                hint="rename one of the two",
            )
        files[file.name] = file
    notebooks = sorted(name for name, file in files.items() if file.is_notebook)
    if not notebooks:
        raise UsageError(
            "no notebooks found",
            where=str(folder),
            hint=f"a notebook's first line is '# Databricks notebook source'"
            f" ({', '.join(SUFFIX_LANGUAGES)}), or it is an .ipynb",
        )
    links = Links(files, observed)
    # a %run target is part of another notebook, not a notebook of its own
    included = links.included()
    tops = [name for name in notebooks if name not in included]
    reaches = {name: links.reached_by(name) for name in tops}
    use = table_use(tops, reaches, files, observed or {})

    def why(name: str, before: str) -> str:
        members = {top: [files[one] for one in (top, *reaches[top])] for top in (name, before)}
        return reading(name, before, use.edges[name][before], members)

    return Project(files, reaches, in_order(use.edges, str(folder), why), use, links)


def _read_files(folder: Path, ledger: Ledger) -> Iterable[ProjectFile]:
    known, facts = ledger.file_hashes(), ledger.facts(_FACTS)
    fresh: dict[str, tuple[int, int, str]] = {}
    found: list[ProjectFile] = []
    for entry in _walk(str(folder)):
        stat = entry.stat()
        cached = known.get(entry.path)
        data: bytes | None = None
        if cached is not None and cached[:2] == (stat.st_mtime_ns, stat.st_size):
            sha256 = cached[2]
        else:
            data = Path(entry.path).read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            fresh[entry.path] = (stat.st_mtime_ns, stat.st_size, sha256)
        relative = entry.path[len(str(folder)) + 1 :].replace(os.sep, "/")
        suffix = _suffix(entry.name)
        fact = facts.get(sha256 + suffix)
        if fact is None:
            if data is None:
                data = Path(entry.path).read_bytes()
            fact = _work_out(data, suffix, entry.path)
            ledger.record_fact(_FACTS, sha256 + suffix, fact)
            facts[sha256 + suffix] = fact
        found.append(
            ProjectFile(
                relative,
                Path(entry.path),
                sha256,
                bool(fact["notebook"]),
                Facts.from_json(fact["facts"]),
            )
        )
    if fresh:
        ledger.record_file_hashes(fresh)
    return found


def _suffix(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return f"{dot}{ending}".lower() if stem else ""


def folder_listing(folder: Path) -> tuple[str, int]:
    """A digest of all files' names, sizes and times, and the newest of the times in ns."""
    digest = hashlib.sha256()
    newest = 0
    for entry in _walk(str(folder)):
        stat = entry.stat()
        newest = max(newest, stat.st_mtime_ns)
        line = f"{entry.path}\0{stat.st_mtime_ns}\0{stat.st_size}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest(), newest


def has_file(folder: Path, name: str) -> bool:
    """Whether there is a file below a folder whose path ends in this name, without its suffix."""
    for entry in _walk(str(folder)):
        path = Path(entry.path).with_suffix("").as_posix()
        if path.endswith(f"/{name}"):
            return True
    return False


def read_file(path: Path, relative: str, ledger: Ledger) -> ProjectFile:
    """One file by itself; raises NotebookError for a notebook that is no valid one."""
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    suffix = _suffix(path.name)
    fact = ledger.fact(_FACTS, sha256 + suffix)
    if fact is None:
        fact = _work_out(data, suffix, str(path))
        ledger.record_fact(_FACTS, sha256 + suffix, fact)
    facts = Facts.from_json(fact["facts"])
    return ProjectFile(relative, path, sha256, bool(fact["notebook"]), facts)


def _walk(folder: str) -> Iterable[os.DirEntry[str]]:
    for entry in sorted(os.scandir(folder), key=lambda found: found.name):
        if entry.name.startswith(".") or entry.name in _LEFT_OUT:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry


def _work_out(data: bytes, suffix: str, where: str) -> dict[str, Any]:
    """Whether a content is a notebook, and its facts."""
    if suffix == ".ipynb" or language_of_source(suffix, data) is not None:
        notebook = parse_notebook(data, suffix, where=where)
        return {"notebook": True, "facts": scan_notebook(notebook).to_json()}
    language = SUFFIX_LANGUAGES.get(suffix)
    if language is not None:
        first = data.split(b"\n", 1)[0]
        if first.removeprefix(b"\xef\xbb\xbf").strip() == header_line(language).encode():
            raise NotebookError(
                "line 1 is not exactly the notebook header (a byte order mark or blanks are"
                " around it), so the workspace would take the file for a plain one",
                where=where,
                hint=f"make line 1 exactly: {header_line(language)}",
            )
    facts = Facts()
    if suffix == ".py":
        facts = scan_module(data.decode("utf-8", "replace"))
    return {"notebook": False, "facts": facts.to_json()}
