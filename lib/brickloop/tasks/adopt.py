"""``invoke adopt``: a folder of the workspace becomes a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from brickloop.errors import UsageError
from brickloop.tasks.command import command
from brickloop.tasks.words import WordsTask


@command(
    workspace="reads",
    changes="local files",
    help={
        "path": "the workspace folder, /Workspace/... or ~/...; then, if you like, the local one",
        "direction": "where sync may carry changes from now on: pull, push or bidirectional",
        "dry_run": "show what would be pulled and written, and do nothing",
        "json": "print JSON",
    },
    klass=WordsTask,
    positional=["path"],
)
def adopt(
    _context: Any,
    path: Sequence[str],
    direction: str = "pull",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Pull a workspace folder, and write a project around it that `doit` works in.

    Without a second word it goes into a new folder of the same name here. Nothing is sent to the
    workspace, and no local file is overwritten.

    Example: invoke adopt /Workspace/Users/me@example.com/etl etl --dry-run
    """
    from brickloop.config.settings import find_root, load_settings
    from brickloop.config.sync_file import Direction
    from brickloop.flows.adopt import AdoptWords
    from brickloop.flows.adopt import adopt as adopt_folder

    if not 1 <= len(path) <= 2 or not all(path):
        raise UsageError(
            "adopt takes a workspace folder, and the folder to put it in",
            hint="such as: invoke adopt /Workspace/Users/me@example.com/etl etl",
        )
    try:
        allowed = Direction(direction)
    except ValueError:
        names = ", ".join(one.value for one in Direction)
        raise UsageError(f"--direction is '{direction}'", hint=f"it is one of: {names}") from None
    folder = Path(path[1]) if len(path) == 2 else Path(PurePosixPath(path[0]).name)
    if not folder.name and not folder.absolute().name:
        raise UsageError("names no folder", where=str(folder), hint="name one after the path")
    settings = load_settings(find_root(Path.cwd()))
    adopt_folder(settings, AdoptWords(path[0], folder, allowed, dry_run, json))
