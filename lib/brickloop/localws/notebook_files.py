"""Notebooks in the store: read by their workspace path, found from one another."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from brickloop.errors import NotebookError, PathError
from brickloop.localws.layout import StoreLayout
from brickloop.model.notebook import SUFFIX_LANGUAGES, Notebook, language_of_source, parse_notebook
from brickloop.model.paths import workspace_path

_HEAD_BYTES = 64
_ENTRIES_LOOKED_AT = 500


def read_notebook(layout: StoreLayout, path: str, *, user: str = "") -> Notebook:
    """The notebook at a workspace path; raises NotebookError where there is none."""
    real = layout.real(path)
    if not real.is_file():
        raise NotebookError(
            f'Unable to access the notebook "{path}". Either it does not exist, or the identity'
            f" used to run this job, {user or 'you'}, lacks the required permissions."
        )
    data = real.read_bytes()
    suffix = _suffix_of(data[:_HEAD_BYTES])
    if suffix is None:
        raise NotebookError(
            "is a file, not a notebook",
            where=path,
            hint="import it as a notebook, or run it as a file",
        )
    return parse_notebook(data, suffix, where=path)


def is_notebook(real: Path) -> bool:
    """Whether a file of the workspace is a notebook, by its first bytes."""
    try:
        with real.open("rb") as opened:
            return _suffix_of(opened.read(_HEAD_BYTES)) in set(SUFFIX_LANGUAGES)
    except OSError:
        return False


def resolve_notebook(target: str, beside: str) -> str:
    """The workspace path that ``%run`` or ``notebook.run`` means in the notebook at ``beside``.

    Raises PathError for a path that leads out of the workspace.
    """
    if not target:
        raise NotebookError("%run needs the path of a notebook")
    joined = target if target.startswith("/") else posixpath.join(posixpath.dirname(beside), target)
    normal = posixpath.normpath(workspace_root(joined) if target.startswith("/") else joined)
    if not normal.startswith("/Workspace/"):
        raise PathError(f"'{target}' leads outside the workspace")
    return workspace_path(normal)


def workspace_root(path: str) -> str:
    """An absolute path with ``/Workspace`` before it."""
    return path if path.startswith("/Workspace/") else "/Workspace" + path


def project_root(layout: StoreLayout, notebook: str) -> str | None:
    """The folder from which a notebook's project imports, None when there is none above it.

    That is the highest folder that holds notebooks itself, below the user's home (or the
    repository, or ``/Workspace/Shared``); without one, the parent of the notebook's folder.
    """
    folder = posixpath.dirname(notebook)
    parts = folder.split("/")
    home = {"Users": 4, "Repos": 5, "Shared": 3}.get(parts[2] if len(parts) > 2 else "", 2)
    first = home if len(parts) > 2 and parts[2] == "Repos" else home + 1
    above = ["/".join(parts[:length]) for length in range(first, len(parts))]
    for candidate in above:
        if _holds_notebooks(layout.real(candidate)):
            return candidate
    return above[-1] if above else None


def _holds_notebooks(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number > _ENTRIES_LOOKED_AT:
                    return False
                if entry.is_file(follow_symlinks=False) and is_notebook(Path(entry.path)):
                    return True
    except OSError:
        return False
    return False


def _suffix_of(head: bytes) -> str | None:
    """The suffix under which the notebook with these first bytes would be saved."""
    for suffix in SUFFIX_LANGUAGES:
        if language_of_source(suffix, head) is not None:
            return suffix
    return ".ipynb" if head.lstrip()[:1] == b"{" else None
