"""A workspace folder becomes a project: its notebooks come down, and a project is written around.

Nothing is sent to the workspace, and no local file is overwritten. Reads straight down.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.clients.workspace import translate
from brickloop.config.flags import no_flags
from brickloop.config.settings import Settings, load_settings
from brickloop.config.sync_file import Direction
from brickloop.display import console, diagnostics
from brickloop.display.plan_view import PlanView
from brickloop.errors import HeldBack, UsageError, WorkFailed
from brickloop.flows.adopt_files import NOTEBOOKS, project_files, write_missing
from brickloop.flows.scaffold_names import ProjectName, project_name
from brickloop.flows.sync import listeners, show_leftovers
from brickloop.flows.sync_session import write_schemas
from brickloop.flows.target import OpenTarget, open_target, sync_key
from brickloop.model.paths import workspace_path
from brickloop.model.text import harmless
from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.ledger import Ledger
from brickloop.sync.plan import PULL
from brickloop.sync.remote import WorkspaceRemote
from brickloop.sync.report import SyncReport
from brickloop.sync.selection import Selection

if TYPE_CHECKING:
    from brickloop.flows.scaffold import NewFile

_HOME = "~"


@dataclass(frozen=True)
class AdoptWords:
    """What the person at the terminal asked for."""

    workspace: str
    """``/Workspace/...``, or ``~/...`` for the folder of whoever is signed in."""
    folder: Path
    """The project's folder, which may be there."""
    direction: Direction = Direction.PULL
    """Where the sync pair lets changes go from now on."""
    dry_run: bool = False
    as_json: bool = False


@dataclass
class Adoption:
    """What was done, or with ``dry_run`` would be."""

    folder: Path
    workspace: str
    host: str
    dry_run: bool
    report: SyncReport
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Files of a project that were there and stay as they are."""

    def as_json(self) -> dict[str, Any]:
        """The adoption in JSON types."""
        return {
            "folder": str(self.folder),
            "workspace": self.workspace,
            "host": self.host,
            "dry_run": self.dry_run,
            "pulled": [
                change.path for change in self.report.changes if not change.verb.endswith("folder")
            ],
            "written": self.written,
            "kept": self.kept,
            "sync": self.report.as_json(),
        }


def adopt(settings: Settings, words: AdoptWords) -> Adoption:
    """Pull a workspace folder into ``notebooks`` of a project's folder, and write the project.

    ``settings`` name the workspace. Raises UsageError for a path that is no folder with anything in
    it, a project's name that is none, and a file where the folder should be; HeldBack where local
    notebooks differ from the workspace's, which stay as they are; WorkFailed where some could not
    be fetched.
    """
    folder = words.folder.absolute()
    name = _name_of(folder)
    for place in (folder, folder / NOTEBOOKS):
        if os.path.lexists(place) and not place.is_dir():
            raise UsageError("there is a file of that name", where=str(place), hint="move it away")
    opened = open_target(settings)
    diagnostics.note(opened.announcement)
    workspace = _folder_of(opened, words.workspace)
    if _is_empty(opened, workspace):
        raise UsageError("the folder is empty", where=workspace, hint="adopt one with notebooks")
    files = project_files(name, workspace, opened.target, words.direction)
    if words.dry_run:
        found = _planned(opened, folder, workspace, files, words)
    else:
        found = _carried(settings, opened, folder, workspace, files, words)
    if words.as_json:
        console.write(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        _show(found)
    _check(found)
    return found


def _name_of(folder: Path) -> ProjectName:
    try:
        return project_name(folder.resolve().name)
    except UsageError as error:
        raise UsageError(
            f"the folder's name is the project's: {error.message}",
            where=str(folder),
            hint="name another folder: invoke adopt WORKSPACE_PATH FOLDER",
        ) from None


def _folder_of(opened: OpenTarget, path: str) -> str:
    """The workspace folder that is meant; raises UsageError for what is none."""
    from databricks.sdk.errors import NotFound
    from databricks.sdk.service.workspace import ObjectType

    if path == _HOME or path.startswith(f"{_HOME}/"):
        path = f"{opened.home}{path[1:]}"
    workspace = workspace_path(path)
    if workspace == "/Workspace":
        raise UsageError("is the whole workspace", where=path, hint="name a folder in it")
    with translate(opened.host):
        try:
            status = opened.client.workspace.get_status(workspace.removeprefix("/Workspace"))
        except NotFound:
            raise UsageError(
                f"there is no such folder in the workspace at {opened.host}",
                where=workspace,
                hint="copy its path in the workspace browser; --profile chooses the workspace",
            ) from None
    if status.object_type not in {ObjectType.DIRECTORY, ObjectType.REPO}:
        kind = status.object_type.value.lower() if status.object_type else "no folder"
        raise UsageError(
            f"is no folder but a {kind}",
            where=workspace,
            hint=f"adopt the folder that it is in: {workspace.rpartition('/')[0]}",
        )
    return workspace


def _planned(
    opened: OpenTarget, folder: Path, workspace: str, files: list[NewFile], words: AdoptWords
) -> Adoption:
    # what a look remembers is nobody's business afterwards
    with tempfile.TemporaryDirectory() as state:
        there = folder / NOTEBOOKS
        notebooks = there if there.is_dir() else Path(state) / NOTEBOOKS
        notebooks.mkdir(exist_ok=True)
        report = _pull(opened, notebooks, workspace, Path(state), "dry run", words)
    kept = [file.relative for file in files if os.path.lexists(folder / file.relative)]
    written = [file.relative for file in files if file.relative not in kept]
    return Adoption(folder, workspace, opened.host, True, report, written, kept)


def _carried(
    settings: Settings,
    opened: OpenTarget,
    folder: Path,
    workspace: str,
    files: list[NewFile],
    words: AdoptWords,
) -> Adoption:
    try:
        written, kept = write_missing(folder, files)
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", where=str(error.filename or folder)
        ) from None
    state = folder / ".brickloop"
    key = _key(settings, opened, folder, workspace)
    report = _pull(opened, folder / NOTEBOOKS, workspace, state, key, words)
    write_schemas(state)
    return Adoption(folder, workspace, opened.host, False, report, written, kept)


def _is_empty(opened: OpenTarget, workspace: str) -> bool:
    with translate(opened.host):
        listed = iter(opened.client.workspace.list(workspace.removeprefix("/Workspace")))
        return next(listed, None) is None


def _key(settings: Settings, opened: OpenTarget, folder: Path, workspace: str) -> str:
    """The name under which the project's ledger knows the workspace that was adopted from.

    A local workspace is its project's: one that is adopted from elsewhere is not the new project's.
    """
    elsewhere = opened.target.is_local and settings.root.resolve() != folder.resolve()
    if elsewhere:
        return sync_key(settings, workspace, opened.target)
    with no_flags():
        # variables that name a target mean one of the project that we stand in
        env = {key: value for key, value in os.environ.items() if key != "BRICKLOOP_TARGET"}
        return sync_key(load_settings(folder, env), workspace, opened.target, opened.user)


def _pull(
    opened: OpenTarget, notebooks: Path, workspace: str, state: Path, key: str, words: AdoptWords
) -> SyncReport:
    view = PlanView(NOTEBOOKS, quiet=words.as_json, dry_run=words.dry_run)
    view.begin(NOTEBOOKS, workspace, Direction.PULL.value)
    told = listeners(view)
    with _ledger(state / "ledger.db") as ledger:
        sync = Synchronizer(
            Pair(notebooks, workspace, state / "sync", key),
            WorkspaceRemote(opened.client),
            Selection(notebooks),
            ledger=ledger,
            on_change=told.on_change,
            on_plan=told.on_plan,
            on_wait=told.on_wait,
        )
        try:
            report = sync.run(PULL, dry_run=words.dry_run)
        finally:
            view.end()
            sync.close()
    if not words.as_json:
        for change in report.changes if words.dry_run else ():
            view.change(change.arrow, change.path, change.verb, change.note, change.bytes)
        show_leftovers(view, report, every=True)
    return report


@contextmanager
def _ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.close()


def _show(found: Adoption) -> None:
    for relative in found.written:
        console.write(f"+ {relative}  {'would be ' if found.dry_run else ''}written")
    for relative in found.kept:
        console.write(f"· {relative}  was there, and stays as it is")
    count = found.report.received or sum(
        not change.verb.endswith("folder") for change in found.report.changes
    )
    if found.dry_run:
        diagnostics.note(f"would pull {count} into {found.folder / NOTEBOOKS}; nothing was done")
        return
    diagnostics.note(f"pulled {count} from {harmless(found.workspace)} into {found.folder}")
    if found.folder.resolve() != Path.cwd().resolve():
        diagnostics.note(f"next: cd {found.folder}")
    diagnostics.note("then: invoke plan shows what doit would run, and doit runs it")


def _check(found: Adoption) -> None:
    report = found.report
    if report.failures:
        raise WorkFailed(
            f"{len(report.failures)} could not be fetched", hint="run the command again for these"
        )
    kept = len(report.conflicts) + sum(held.counts for held in report.held)
    if kept and not found.dry_run:
        what = "1 local file differs" if kept == 1 else f"{kept} local files differ"
        raise HeldBack(
            f"{what} from the workspace's, and stayed as it was",
            hint=f"in {found.folder}: invoke sync.resolve PATH --keep local|remote|both",
        )
