"""New projects and notebooks, written from the templates that come with brickloop.

A template is a project that works under the name ``my_project``; making a project is copying it
with that name replaced, in file contents and paths. What is there already is never overwritten.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from brickloop.errors import UsageError
from brickloop.flows.scaffold_names import ProjectName, project_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_TEMPLATE = "analysis"
NOTEBOOK_SUFFIXES = (".py", ".sql", ".ipynb")
_SHARED = "project"
"""The folder whose files every project gets; alone it is what is written around notebooks."""
_STARTER = "starter"
"""What every project gets that has notebooks of ours."""
_NOTEBOOKS = "notebooks"
_LEFT_OUT = {"__pycache__", ".ruff_cache", ".pytest_cache", ".brickloop", "outputs"}
_HARMLESS = {".git", ".DS_Store", "Thumbs.db"}
"""What may be in a folder that a project is made in."""
_BINARY = {".gz", ".png", ".parquet"}
_LINTED = b"""# a notebook imports where it needs something, and %run brings names that nobody sees
"notebooks/**" = ["E402", "F821"]"""
_NOT_LINTED = b"""# these notebooks came as they are: take away the rules that they are to keep
"notebooks/**" = ["E", "F", "I", "UP", "B"]"""


@dataclass(frozen=True)
class Template:
    """A kind of project, or of notebook."""

    name: str
    about: str
    """One line for people."""
    languages: tuple[str, ...] = ()
    """Of a notebook: the suffixes that there are; empty for a project."""


@dataclass(frozen=True)
class NewFile:
    """A file that a template makes."""

    relative: str
    """Below the project's folder, with slashes."""
    data: bytes


@dataclass(frozen=True)
class Written:
    """What was made, or would be."""

    folder: Path
    name: ProjectName
    template: str
    files: tuple[str, ...]
    """Paths below ``folder``, in order."""


def project_templates() -> tuple[Template, ...]:
    """The kinds of project that there are, the simplest first."""
    return tuple(Template(name, about) for name, about in _index()["projects"].items())


def notebook_templates() -> tuple[Template, ...]:
    """The kinds of notebook that there are, the simplest first."""
    folder = templates_folder() / _NOTEBOOKS
    return tuple(
        Template(
            name, about, tuple(s for s in NOTEBOOK_SUFFIXES if (folder / (name + s)).is_file())
        )
        for name, about in _index()["notebooks"].items()
    )


def plan_project(name: ProjectName, template: str | None = DEFAULT_TEMPLATE) -> list[NewFile]:
    """The files of a new project, in order of path; None gives those around notebooks alone.

    Raises UsageError for a template that there is not.
    """
    known = [one.name for one in project_templates()]
    if template is not None and template not in known:
        raise UsageError(
            f"there is no template '{template}'", hint=f"the templates are: {', '.join(known)}"
        )
    found: dict[str, bytes] = {}
    for folder in (_SHARED, *((_STARTER, template) if template else ())):
        for path in _files(templates_folder() / folder):
            relative = path.relative_to(templates_folder() / folder).as_posix()
            found[_renamed(relative, name)] = _content(path, name)
    if template is None:
        found["pyproject.toml"] = found["pyproject.toml"].replace(_LINTED, _NOT_LINTED)
    return [NewFile(relative, found[relative]) for relative in sorted(found)]


def write_project(folder: Path, template: str, name: str, *, dry_run: bool = False) -> Written:
    """A project called ``name`` in ``folder``, made from a template; ``dry_run`` writes nothing.

    Either everything is written or nothing. Raises UsageError for a name or template that there
    cannot be, and for a folder with files in it.
    """
    forms = project_name(name)
    files = plan_project(forms, template)
    _check_folder(folder)
    if not dry_run:
        from brickloop.flows.sync_session import write_schemas

        _write(folder, files)
        # what $schema points to: in a clone the first sync writes it
        write_schemas(folder / ".brickloop")
    return Written(folder, forms, template, tuple(one.relative for one in files))


def write_notebook(path: Path, template: str | None = None, *, dry_run: bool = False) -> Written:
    """A notebook at ``path``, made from a template; its suffix says the language.

    Raises UsageError for a suffix or template that there is not, and where there is a file of that
    name, or one that would be the same object in the workspace.
    """
    kinds = [one for one in notebook_templates() if path.suffix.lower() in one.languages]
    if not kinds:
        raise UsageError(
            f"there is no notebook template for '{path.suffix}'",
            where=str(path),
            hint=f"a new notebook ends in {', '.join(NOTEBOOK_SUFFIXES)}",
        )
    chosen = template or kinds[0].name
    if chosen not in [one.name for one in kinds]:
        raise UsageError(
            f"there is no notebook template '{chosen}' in {path.suffix}",
            hint=f"the templates are: {', '.join(one.name for one in kinds)}",
        )
    if any(not char.isprintable() or char in '\\:*?"<>|' for char in path.name):
        raise UsageError("is no name for a notebook", where=str(path))
    _check_twins(path)
    source = templates_folder() / _NOTEBOOKS / f"{chosen}{path.suffix.lower()}"
    name = ProjectName(path.stem, "my_project", "my-project", _title(path.stem))
    if not dry_run:
        _write(path.parent, [NewFile(path.name, _content(source, name))])
    return Written(path.parent, name, chosen, (path.name,))


@functools.cache
def templates_folder() -> Path:
    """Where the templates are: in the installed package, or in a checkout beside ``lib``."""
    package = Path(__file__).resolve().parents[1]
    for found in (package / "templates", package.parents[1] / "templates"):
        if (found / "index.toml").is_file():
            return found
    raise UsageError(
        "brickloop is installed without its templates", where=str(package), hint="install it again"
    )


def _index() -> dict[str, Any]:
    index: dict[str, Any] = tomllib.loads(
        (templates_folder() / "index.toml").read_text(encoding="utf-8")
    )
    return index


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT:
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.suffix != ".pyc":
            yield path


def _content(path: Path, name: ProjectName) -> bytes:
    data = path.read_bytes()
    return data if path.suffix in _BINARY else _renamed(data.decode("utf-8"), name).encode()


def _renamed(text: str, name: ProjectName) -> str:
    for before, after in (
        ("my_project", name.identifier),
        ("my-project", name.distribution),
        ("My project", name.title),
    ):
        text = text.replace(before, after)
    return text.replace("\r\n", "\n")


def _title(stem: str) -> str:
    words = stem.replace("_", " ").replace("-", " ").strip() or stem
    return words[0].upper() + words[1:]


def _check_folder(folder: Path) -> None:
    if os.path.lexists(folder) and not folder.is_dir():
        raise UsageError("there is a file of that name", where=str(folder), hint="take another one")
    if not folder.is_dir():
        return
    found = sorted(entry.name for entry in folder.iterdir() if entry.name not in _HARMLESS)
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise UsageError(
            f"the folder is not empty: {', '.join(found[:3])}{more}",
            where=str(folder),
            hint="take another name, or an empty folder; nothing was written",
        )


def _check_twins(path: Path) -> None:
    if os.path.lexists(path):
        raise UsageError(
            "there is a file of that name", where=str(path), hint="nothing is overwritten"
        )
    twins = [path.with_suffix(suffix) for suffix in NOTEBOOK_SUFFIXES]
    for twin in twins:
        if twin.is_file():
            raise UsageError(
                f"{twin.name} and {path.name} would be one object in the workspace",
                where=str(path.parent),
                hint="take another name",
            )


def _write(folder: Path, files: Iterable[NewFile]) -> None:
    """Write all files, or none: what was made is taken back where one cannot be written."""
    made: list[Path] = []
    try:
        _make_folder(folder, made)
        for file in files:
            path = folder.joinpath(*PurePosixPath(file.relative).parts)
            _make_folder(path.parent, made)
            with path.open("xb") as opened:
                made.append(path)
                opened.write(file.data)
    except BaseException as error:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, OSError):
            raise UsageError(
                f"cannot be written: {error.strerror}; nothing was kept",
                where=str(error.filename or folder),
            ) from None
        raise


def _make_folder(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir()
        made.append(each)
