"""Which notebooks a save affects: those whose content, or what they reach, has changed; and who
comes after them.

Content decides, not time: a file that is saved as it was affects nothing.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from brickloop.config.settings import find_root
from brickloop.errors import BrickloopError, UsageError
from brickloop.flows.project import ProjectFile, read_project
from brickloop.flows.reach import read_reach
from brickloop.sync.ledger import Ledger


@dataclass(frozen=True)
class Look:
    """The notebooks of a choice as they are now, each after those it depends on."""

    prints: dict[Path, str] = field(default_factory=dict)
    """For each notebook a digest of its content and of what it reaches."""
    upstream: dict[Path, tuple[Path, ...]] = field(default_factory=dict)
    """For each notebook those that write what it reads, as far as they are known."""
    errors: tuple[BrickloopError, ...] = ()
    """What could not be read: the notebooks concerned are left out."""

    def affected(self, changed: Iterable[Path]) -> list[Path]:
        """The changed notebooks and all that come after them, in order."""
        found = set(changed)
        for path in self.prints:
            if found.intersection(self.upstream.get(path, ())):
                found.add(path)
        return [path for path in self.prints if path in found]


class Choice:
    """The notebooks that patterns name: paths, folders, or globs such as ``etl/**/*.py``."""

    def __init__(self, patterns: Iterable[str | Path]) -> None:
        """Relative patterns begin at the working folder.

        Raises UsageError for a path that is not there, and for none at all.
        """
        self._patterns = [_resolved(os.fspath(pattern)) for pattern in patterns]
        if not self._patterns:
            raise UsageError("no notebook is named")
        for pattern in self._patterns:
            if not glob.has_magic(pattern) and not Path(pattern).exists():
                raise UsageError("there is no such file or folder", where=pattern)
            if not _fixed(pattern).is_dir():
                raise UsageError("there is no such folder", where=str(_fixed(pattern)))
        # what was named as a file stays one, also while an editor replaces it
        self._files = [Path(one) for one in self._patterns if Path(one).is_file()]

    def folder(self, ledger: Ledger) -> Path:
        """The folder below which everything is that the notebooks are made of."""
        folders = [self._base(pattern) for pattern in self._patterns]
        for path in self._files:
            try:
                folders.append(read_reach(path, ledger)[0])
            except (BrickloopError, OSError):
                # a broken one reaches nothing yet
                continue
        return Path(os.path.commonpath(folders))

    def look(self, ledger: Ledger) -> Look:
        """The notebooks as they are now; raises OSError where a file vanishes meanwhile."""
        named = [path for path in self._files if path.is_file()]
        if len(self._files) == len(self._patterns) == 1:
            return _look_at(named, ledger)
        base = Path(os.path.commonpath([self._base(pattern) for pattern in self._patterns]))
        if self._files and not base.is_relative_to(find_root(self._files[0].parent)):
            # what they have in common is no project's folder, and may be anything
            return _look_at(named, ledger)
        try:
            project = read_project(base, ledger)
        except BrickloopError as error:
            found = _look_at(self._matching(), ledger)
            return Look(found.prints, errors=(error,))
        chosen = set(self._matching())
        paths = {file.name: file.path for file in project.notebooks if file.path in chosen}
        prints: dict[Path, str] = {}
        for name, path in paths.items():
            reached = [project.files[other] for other in project.reaches[name]]
            prints[path] = _digest([project.files[name], *reached])
        upstream = {
            path: tuple(paths[other] for other in project.upstream[name] if other in paths)
            for name, path in paths.items()
        }
        return Look(_without_empty(prints), upstream)

    def _base(self, pattern: str) -> Path:
        return Path(pattern).parent if Path(pattern) in self._files else _fixed(pattern)

    def _matching(self) -> list[Path]:
        found: dict[Path, None] = {}
        for pattern in self._patterns:
            whole = os.path.join(pattern, "**") if Path(pattern).is_dir() else pattern  # noqa: PTH118
            for name in sorted(glob.glob(whole, recursive=True)):  # noqa: PTH207  absolute
                path = Path(name)
                if path.is_file() and not path.is_symlink():
                    found[path] = None
        return list(found)


def _look_at(paths: list[Path], ledger: Ledger) -> Look:
    """Each by itself, so that a broken one does not stand in the way of the others."""
    prints: dict[Path, str] = {}
    errors: list[BrickloopError] = []
    for path in paths:
        try:
            _, file, reached = read_reach(path, ledger)
        except BrickloopError as error:
            errors.append(error)
            continue
        if file.is_notebook:
            prints[path] = _digest([file, *reached])
    return Look(_without_empty(prints), errors=tuple(errors))


def _without_empty(prints: dict[Path, str]) -> dict[Path, str]:
    """An empty file is one that is just being written."""
    return {path: value for path, value in prints.items() if path.stat().st_size > 0}


def _digest(files: list[ProjectFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.sha256}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _resolved(pattern: str) -> str:
    """An absolute pattern whose folder is named without links, as files are found below it."""
    whole = os.path.abspath(pattern)  # noqa: PTH100  resolve() would look for the wildcards
    fixed = _fixed(whole)
    return os.path.normpath(fixed.resolve() / os.path.relpath(whole, fixed))


def _fixed(pattern: str) -> Path:
    """The folder in which a pattern's first wildcard, or its last name, stands."""
    path = Path(pattern)
    if not glob.has_magic(pattern):
        return path if path.is_dir() else path.parent
    parts = path.parts
    first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first])
