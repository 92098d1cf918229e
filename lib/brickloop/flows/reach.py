"""One notebook and what it reaches, read from its folder as far as it is named, and no further."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from brickloop.config.settings import find_root
from brickloop.errors import NotebookError
from brickloop.flows.edges import direct_needs
from brickloop.flows.project import ProjectFile, read_file
from brickloop.model.notebook import SUFFIX_LANGUAGES
from brickloop.sync.ledger import Ledger

_NOTEBOOK_SUFFIXES = (*SUFFIX_LANGUAGES, ".ipynb")


def read_reach(path: Path, ledger: Ledger) -> tuple[Path, ProjectFile, tuple[ProjectFile, ...]]:
    """The folder that holds all of it, the file itself, and the files that it reaches.

    A file elsewhere in the folder may be broken, be many or be huge: it is not looked at. Steps
    upwards (``%run ../common/setup``) are followed within the project. Raises NotebookError for a
    file that is reached and is no valid notebook.
    """
    files = _Files(path.parent, find_root(path.parent), ledger)
    start = files.name_of(path)
    names = sorted(_closure(start, files))
    ups = max(PurePosixPath(name).parts.count("..") for name in names)
    base = path.parent
    for _ in range(ups):
        base = base.parent
    found = {name: _moved(files[name], path.parent, base) for name in names}
    return base, found[start], tuple(found[name] for name in names if name != start)


def _closure(start: str, files: _Files) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += direct_needs(files[name], files)
    return found


class _Files(dict[str, ProjectFile]):
    """Files by their name in the workspace, each looked up when it is asked for."""

    def __init__(self, folder: Path, root: Path, ledger: Ledger) -> None:
        super().__init__()
        self._folder = folder
        self._root = root
        self._ledger = ledger
        self._missing: set[str] = set()

    def name_of(self, path: Path) -> str:
        """The name of a file that is there."""
        file = read_file(path, path.name, self._ledger)
        self[file.name] = file
        return file.name

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or name in self._missing:
            return False
        if not super().__contains__(name):
            self._look(name)
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The file, ``default`` where there is none."""
        if name in self:
            return self[name]
        return default

    def _look(self, name: str) -> None:
        path = Path(os.path.normpath(self._folder / name))
        found = [
            file
            for candidate in (path, *(path.with_name(path.name + s) for s in _NOTEBOOK_SUFFIXES))
            if candidate.is_relative_to(self._root) and _is_plain(candidate)
            for file in [read_file(candidate, self._relative(candidate), self._ledger)]
            if file.name == name
        ]
        if len(found) > 1:
            raise NotebookError(
                f"{found[0].path.name} and {found[1].path.name} would be one object in the"
                " workspace",
                where=str(path.parent),
                hint="rename one of the two",
            )
        if found:
            self[name] = found[0]
        else:
            self._missing.add(name)

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path, self._folder).replace(os.sep, "/")


def _is_plain(path: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink()
    except (OSError, ValueError):
        return False


def _moved(file: ProjectFile, before: Path, base: Path) -> ProjectFile:
    """The file with its path below another folder."""
    if before == base:
        return file
    return replace(file, relative=os.path.relpath(file.path, base).replace(os.sep, "/"))
