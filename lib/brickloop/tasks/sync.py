"""``invoke sync.*``: the pairs of .databricks_sync.json, carried both ways."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.config.settings import find_root
from brickloop.errors import UsageError
from brickloop.tasks.command import command
from brickloop.tasks.workspace_flags import FORCE

if TYPE_CHECKING:
    from brickloop.flows.sync import SyncWords

_HELP = {
    "project": "the pair's last folder name or its local path (default: all pairs)",
    "profile": "profile of .databrickscfg; 'local' is the local workspace",
    "dry_run": "show the plan and change nothing",
    "json": "print one JSON document",
    "accept_deletes": "go on although so many are gone (a halt says the number)",
    "accept_changes": "go on although so many were changed at once (a halt says the number)",
}
_PUSH = {
    "force": "undo the workspace's own changes, let the local version win; " + FORCE,
    "delete": "delete what only the workspace has",
}
_PULL = {
    "force": "undo local changes and let the workspace's version win conflicts",
    "delete": "delete what takes part and only the local folder has",
}
_BOTH = {
    "prefer": "local or remote: the side that wins conflicts",
    "force": "only push and pull take it",
    "delete": "only push and pull take it",
}
_PATH = {
    "path": "a local path, or one in the workspace",
    "project": _HELP["project"],
    "profile": _HELP["profile"],
}


@command(workspace="sends", help={**_HELP, **_PUSH})
def push(
    _context: Any,
    project: str = "",
    profile: str = "",
    dry_run: bool = False,
    force: bool = False,
    delete: bool = False,
    json: bool = False,
    accept_deletes: int = 0,
    accept_changes: int = 0,
) -> None:
    """Send local changes to the workspace; what was changed there is held and listed.

    Example: invoke sync.push --project my_project --dry-run
    """
    from brickloop.flows.sync import carry

    carry(
        find_root(Path.cwd()),
        _words("push", project, profile, dry_run, json, accept_deletes, accept_changes,
               force=force, delete=delete),
    )  # fmt: skip


@command(workspace="reads", changes="the local folder", help={**_HELP, **_PULL})
def pull(
    _context: Any,
    project: str = "",
    profile: str = "",
    dry_run: bool = False,
    force: bool = False,
    delete: bool = False,
    json: bool = False,
    accept_deletes: int = 0,
    accept_changes: int = 0,
) -> None:
    """Fetch the workspace's changes; what was changed locally is held and listed.

    Example: invoke sync.pull --project my_project
    """
    from brickloop.flows.sync import carry

    carry(
        find_root(Path.cwd()),
        _words("pull", project, profile, dry_run, json, accept_deletes, accept_changes,
               force=force, delete=delete),
    )  # fmt: skip


@command(workspace="sends", help={**_HELP, **_BOTH})
def bidirectional(
    _context: Any,
    project: str = "",
    profile: str = "",
    dry_run: bool = False,
    force: bool = False,
    delete: bool = False,
    prefer: str = "",
    json: bool = False,
    accept_deletes: int = 0,
    accept_changes: int = 0,
) -> None:
    """Carry changes both ways; what both sides changed is held as a conflict.

    Example: invoke sync.bidirectional --dry-run
    """
    from brickloop.flows.sync import carry

    carry(
        find_root(Path.cwd()),
        _words("bidirectional", project, profile, dry_run, json, accept_deletes, accept_changes,
               force=force, delete=delete, prefer=prefer),
    )  # fmt: skip


@command(workspace="sends", help={**{name: _HELP[name] for name in ("project", "profile")},
               "json": "print one line of JSON for each event"})  # fmt: skip
def watch(_context: Any, project: str = "", profile: str = "", json: bool = False) -> None:
    """Keep pairs in sync until Ctrl-C: what is saved goes up at once, by their direction.

    Example: invoke sync.watch --project my_project
    """
    from brickloop.flows.sync_watch import watch as keep_in_sync

    keep_in_sync(
        find_root(Path.cwd()), project=project or None, profile=profile or None, as_json=json
    )


@command(workspace="reads", help={name: _HELP[name] for name in ("project", "profile", "json")})
def status(_context: Any, project: str = "", profile: str = "", json: bool = False) -> None:
    """Show what a sync would carry, and what is in conflict. Changes nothing.

    Example: invoke sync.status
    """
    from brickloop.flows.sync import show_status

    show_status(find_root(Path.cwd()), _words("bidirectional", project, profile, True, json, 0, 0))


@command(workspace="reads", help={**_PATH, "json": _HELP["json"]}, positional=["path"])
def history(
    _context: Any, path: str, project: str = "", profile: str = "", json: bool = False
) -> None:
    """List the kept versions of a file, or of all below a folder ('.').

    Example: invoke sync.history projects/my_project/01_load.py
    """
    from brickloop.flows.sync_versions import show_history

    show_history(
        find_root(Path.cwd()), path, project=project or None, profile=profile or None, as_json=json
    )


@command(
    workspace="reads",
    changes="a local file",
    help={
        **_PATH,
        "version": "a version's number in sync.history (default: the newest that is not what the"
        " file holds)",
        "json": _HELP["json"],
    },
    positional=["path"],
)
def restore(
    _context: Any,
    path: str,
    version: int = 0,
    project: str = "",
    profile: str = "",
    json: bool = False,
) -> None:
    """Put a kept version into its local file again; what the file holds now is kept too.

    Example: invoke sync.restore projects/my_project/01_load.py --version 12
    """
    from brickloop.flows.sync_versions import restore as restore_version

    if version < 0:
        raise UsageError(f"--version is {version}, not the number of a version")
    restore_version(
        find_root(Path.cwd()),
        path,
        version or None,
        project=project or None,
        profile=profile or None,
        as_json=json,
    )


@command(workspace="sends", help={**_PATH, "keep": "local, remote or both", "json": _HELP["json"]},
         positional=["path"])  # fmt: skip
def resolve(
    _context: Any,
    path: str,
    keep: str = "",
    project: str = "",
    profile: str = "",
    json: bool = False,
) -> None:
    """Settle a conflict: keep the local version, the workspace's, or both.

    Example: invoke sync.resolve projects/my_project/01_load.py --keep local
    """
    from brickloop.flows.sync_versions import resolve as settle

    settle(
        find_root(Path.cwd()),
        path,
        keep,
        project=project or None,
        profile=profile or None,
        as_json=json,
    )


@command(workspace="reads", help={**_PATH, "json": _HELP["json"]}, positional=["path"])
def explain(
    _context: Any, path: str, project: str = "", profile: str = "", json: bool = False
) -> None:
    """Say why a file takes part in a sync, or why not.

    Example: invoke sync.explain projects/my_project/data/big.csv
    """
    from brickloop.flows.sync_versions import explain as say_why

    say_why(
        find_root(Path.cwd()), path, project=project or None, profile=profile or None, as_json=json
    )


@command(
    changes="the sync file",
    help={
        "local": "local folder, relative to the project",
        "workspace": "workspace folder, /Workspace/... or ~/...",
        "direction": "push, pull or bidirectional",
        "dry_run": "show what would be written, and write nothing",
        "json": _HELP["json"],
    },
    positional=["local", "workspace"],
)
def init(
    _context: Any,
    local: str,
    workspace: str,
    direction: str = "bidirectional",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Write a .databricks_sync.json with one pair.

    Example: invoke sync.init notebooks '~/notebooks'
    """
    from brickloop.display import console, diagnostics
    from brickloop.flows.sync import write_sync_file

    root = find_root(Path.cwd())
    path, content = write_sync_file(root, local, workspace, direction, dry_run=dry_run)
    if json:
        facts = {"path": str(path), "content": content, "dry_run": dry_run}
        console.write(dumps(facts, indent=2, ensure_ascii=False))
    elif dry_run:
        console.write(dumps(content, indent=4, ensure_ascii=False))
        diagnostics.note(f"not written: {path}")
    else:
        diagnostics.note(f"wrote {path}; see what a sync would do: invoke sync.status")


def _words(
    direction: str,
    project: str,
    profile: str,
    dry_run: bool,
    as_json: bool,
    accept_deletes: int,
    accept_changes: int,
    **more: Any,
) -> SyncWords:
    from brickloop.config.sync_file import Direction
    from brickloop.flows.sync import SyncWords

    return SyncWords(
        Direction(direction),
        project or None,
        profile or None,
        dry_run,
        as_json,
        accept_deletes=accept_deletes,
        accept_changes=accept_changes,
        **more,
    )
