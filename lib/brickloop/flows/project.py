"""A project folder as a graph: notebooks, the files they reach, and who comes before whom."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from brickloop.errors import NotebookError, UsageError
from brickloop.model.dependencies import Facts, scan_module, scan_notebook
from brickloop.model.notebook import (
    SUFFIX_LANGUAGES,
    header_line,
    language_of_source,
    parse_notebook,
)
from brickloop.sync.ledger import Ledger

_LEFT_OUT = {"__pycache__", "node_modules", "outputs", ".venv"}
_FACTS = "scan-2"


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
        return str(PurePosixPath(self.relative).with_suffix(""))


@dataclass(frozen=True)
class Project:
    """The files of a project and how they hang together."""

    files: dict[str, ProjectFile]
    """By name in the workspace."""
    reaches: dict[str, tuple[str, ...]]
    """For each notebook the names of all files that its run depends on, itself left out."""
    upstream: dict[str, tuple[str, ...]]
    """For each notebook the notebooks that must have run before it."""

    @property
    def notebooks(self) -> list[ProjectFile]:
        """The notebooks, each after those it depends on."""
        return [self.files[name] for name in self.upstream]


def read_project(folder: Path, ledger: Ledger) -> Project:
    """The project in a folder; what was worked out from a content before comes from the ledger.

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
    direct = {name: _direct(files[name], files) for name in files}
    # a %run target is part of another notebook, not a notebook of its own
    included = {target for name in notebooks for target in _included(files[name], files)}
    tops = [name for name in notebooks if name not in included]
    reaches = {name: tuple(sorted(_closure(name, direct) - {name})) for name in tops}
    return Project(files, reaches, _order(tops, reaches, files, folder))


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
        relative = os.path.relpath(entry.path, folder).replace(os.sep, "/")
        suffix = PurePosixPath(entry.name).suffix.lower()
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


def _direct(file: ProjectFile, files: dict[str, ProjectFile]) -> set[str]:
    """The files that one names itself: included and called notebooks, modules, data files."""
    folder = PurePosixPath(file.relative).parent
    found = set(_included(file, files))
    for target in file.facts.calls:
        name = _beside(folder, target)
        if name in files and files[name].is_notebook:
            found.add(name)
    for module in file.facts.imports:
        for name in _module_files(module, folder):
            if name in files and not files[name].is_notebook:
                found.add(name)
    for text in file.facts.paths:
        for base in (folder, PurePosixPath()):
            name = _beside(base, text)
            if name in files and not files[name].is_notebook:
                found.add(name)
    return found


def _module_files(module: str, folder: PurePosixPath) -> Iterable[str]:
    """Where a module may be: beside the importer, then at the root; its packages with it."""
    inner = module.lstrip(".")
    level = len(module) - len(inner)
    bases = [folder, PurePosixPath()]
    if level:
        # one dot is the folder itself, each further one a step up; the root is as far as it goes
        bases = [[folder, *folder.parents][min(level - 1, len(folder.parents))]]
    parts = inner.split(".") if inner else []
    for base in bases:
        for depth in range(len(parts) + 1):
            yield str(base.joinpath(*parts[:depth], "__init__.py"))
        if parts:
            yield str(base.joinpath(*parts).with_suffix(".py"))


def _included(file: ProjectFile, files: dict[str, ProjectFile]) -> list[str]:
    folder = PurePosixPath(file.relative).parent
    names = [_beside(folder, target) for target in file.facts.runs]
    return [name for name in names if name in files and files[name].is_notebook]


def _beside(folder: PurePosixPath, target: str) -> str:
    return os.path.normpath(str(folder / target)).replace(os.sep, "/")


def _closure(start: str, direct: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += direct[name]
    return found


def _order(
    tops: list[str],
    reaches: dict[str, tuple[str, ...]],
    files: dict[str, ProjectFile],
    folder: Path,
) -> dict[str, tuple[str, ...]]:
    """Who writes a table comes before who reads it; in that order, with each one's upstream."""

    def all_of(name: str, kind: str) -> set[str]:
        members = (name, *reaches[name])
        return {table for member in members for table in getattr(files[member].facts, kind)}

    writers: dict[str, set[str]] = {}
    for name in tops:
        for table in all_of(name, "writes"):
            writers.setdefault(table, set()).add(name)
    upstream = {
        name: sorted(
            {writer for table in all_of(name, "reads") for writer in writers.get(table, set())}
            - {name}
        )
        for name in tops
    }
    ordered: dict[str, tuple[str, ...]] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in ordered:
            return
        if name in path:
            loop = " -> ".join([*path[path.index(name) :], name])
            raise UsageError(
                f"notebooks depend on each other in a circle: {loop}",
                where=str(folder),
                hint="let one of them write another table, or join the two notebooks",
            )
        for before in upstream[name]:
            visit(before, (*path, name))
        ordered[name] = tuple(upstream[name])

    for name in tops:
        visit(name, ())
    return ordered
