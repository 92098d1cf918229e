"""A project's dodo.py as graphs, and doit run within this process."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brickloop.config.settings import find_root
from brickloop.errors import BrickloopError, UsageError
from brickloop.graph import session
from brickloop.graph.notebook_graph import NotebookGraph


def project_graphs(root: Path | None = None) -> list[NotebookGraph]:
    """The graphs that the dodo.py of a project asks for, in its order.

    Raises UsageError where there is no dodo.py, it cannot be run, or asks for no notebooks.
    """
    path = dodo_path(root)
    with session.collecting() as found, _from_here(path):
        try:
            names = _load(path)
            for name, value in names.items():
                creator = getattr(value, "create_doit_tasks", None)
                if creator is None and name.startswith("task_") and callable(value):
                    creator = value
                if creator is not None:
                    _exhaust(creator())
        except BrickloopError:
            raise
        except SystemExit as left:
            raise UsageError(f"it ended with {left.code}", where=str(path)) from None
        except Exception as error:
            raise UsageError(
                f"it cannot be loaded: {type(error).__name__}: {error}",
                where=str(path),
                hint="doit list shows where",
            ) from error
    if not found:
        raise UsageError(
            "it asks for no notebooks",
            where=str(path),
            hint='let a task function do: yield from notebook_tasks("notebooks")',
        )
    return found


def run_doit(
    arguments: list[str], choice: session.Choice | None = None, root: Path | None = None
) -> int:
    """doit's exit code for these words, run in this process on the project's dodo.py.

    ``choice`` leaves out notebooks and says what is done again.
    """
    from doit.cmd_base import ModuleTaskLoader
    from doit.doit_cmd import DoitMain

    path = dodo_path(root)
    with session.of_arguments(arguments, choice), _from_here(path):
        loader = ModuleTaskLoader(_load(path))
        try:
            return int(DoitMain(loader, config_filenames=()).run(arguments) or 0)
        except SystemExit as left:
            return left.code if isinstance(left.code, int) else 1


def dodo_path(root: Path | None = None) -> Path:
    """The project's dodo.py; raises UsageError where there is none."""
    folder = root or find_root(Path.cwd())
    path = folder / "dodo.py"
    if not path.is_file():
        raise UsageError(
            "there is no dodo.py",
            where=str(folder),
            hint="write one as in README.md, or go to the project's folder",
        )
    return path


@contextlib.contextmanager
def _from_here(path: Path) -> Iterator[None]:
    """As doit does it: the folder of the dodo.py is where its paths begin and its modules are."""
    import os

    before, folder = Path.cwd(), str(path.parent)
    os.chdir(folder)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        os.chdir(before)
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _load(path: Path) -> dict[str, Any]:
    """What a dodo.py defines; it is run anew each time, since settings may have changed."""
    names: dict[str, Any] = {
        "__name__": "dodo",
        "__file__": str(path),
        "__builtins__": __builtins__,
    }
    exec(compile(path.read_bytes(), str(path), "exec"), names)
    return names


def _exhaust(tasks: Any) -> None:
    if hasattr(tasks, "__next__"):
        for inner in tasks:
            _exhaust(inner)
