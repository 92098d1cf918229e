"""The pairs of ``.databricks_sync.json`` on the workspace that is meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from brickloop.config import settings_schema
from brickloop.config.profile import resolve_target
from brickloop.config.settings import Settings, load_settings
from brickloop.config.sync_file import (
    HOME,
    SCHEMA_NAME,
    SyncFile,
    SyncPair,
    overlaps,
    read_sync_file,
    schema_text,
)
from brickloop.display import diagnostics
from brickloop.errors import PathError, SettingsError, UsageError
from brickloop.flows.protection import require_committed
from brickloop.flows.target import OpenTarget, ledger_key, open_target, sync_key
from brickloop.model.paths import workspace_path
from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.ledger import Ledger
from brickloop.sync.plan import Plan
from brickloop.sync.report import Change
from brickloop.sync.selection import Selection

if TYPE_CHECKING:
    from brickloop.sync.remote import Remote


@dataclass(frozen=True)
class Listeners:
    """Who is told while a pair is synced."""

    on_change: Callable[[Change], None] = lambda _change: None
    on_plan: Callable[[Plan], None] = lambda _plan: None
    on_wait: Callable[[str], None] = lambda _holder: None


_NOBODY = Listeners()


class SyncSession:
    """What the commands of sync work with; the workspace is opened when it is first asked."""

    def __init__(self, root: Path, *, profile: str | None = None) -> None:
        self.settings: Settings = load_settings(root, overrides={"profile": profile})
        self.file: SyncFile = read_sync_file(root)
        self.target = resolve_target(self.settings)
        self.key = ledger_key(self.settings, target=self.target)
        self.ledger = Ledger(self.settings.state_folder / "ledger.db")
        self._opened: OpenTarget | None = None
        self._remote: Remote | None = None
        if self.ledger.set_aside is not None:
            diagnostics.warn(f"the ledger could not be read; it is kept as {self.ledger.set_aside}")
        write_schemas(self.settings.state_folder)

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def open(self) -> OpenTarget:
        """The workspace, signed in to; says once which it is."""
        if self._opened is None:
            self._opened = open_target(self.settings, self.target)
            diagnostics.note(self._opened.announcement)
            if self.ledger.fact("user", self.key) is None:
                self.ledger.record_fact("user", self.key, self._opened.user)
        return self._opened

    def remote(self) -> Remote:
        """The workspace as sync sees it."""
        if self._remote is None:
            from brickloop.sync.remote import WorkspaceRemote

            self._remote = WorkspaceRemote(self.open().client)
        return self._remote

    def workspace_of(self, pair: SyncPair) -> str:
        """The pair's workspace folder, ``~`` replaced by the folder of whoever is signed in."""
        if not pair.workspace.startswith(HOME):
            return pair.workspace
        user = self._known_user() or self.open().user
        return f"/Workspace/Users/{user}{pair.workspace[len(HOME) :]}"

    def _known_user(self) -> str | None:
        return self._opened.user if self._opened else self.ledger.fact("user", self.key)

    def selection_of(self, pair: SyncPair) -> Selection:
        """What takes part in the pair."""
        return Selection(self.file.folder_of(pair), pair.patterns, self.file.exclude_patterns)

    def require_committed(self, pairs: Iterable[SyncPair]) -> None:
        """Return where the pairs may be sent to the target; see ``flows.protection``."""
        if self.settings.is_protected:
            files = [
                path
                for pair in pairs
                for path in self.selection_of(pair).files(self.file.folder_of(pair))
            ]
            require_committed(self.settings, files)

    def synchronizer(self, pair: SyncPair, listeners: Listeners = _NOBODY) -> Synchronizer:
        """What syncs the pair; asks the network only when it has to."""
        self._check_overlaps(pair)
        folder, workspace = self.file.folder_of(pair), self.workspace_of(pair)
        key = sync_key(self.settings, workspace, self.target, self._known_user() or "")
        synchronizer = Synchronizer(
            Pair(folder, workspace, self.settings.state_folder / "sync", key),
            cast("Remote", _WhenAsked(self.remote)),
            self.selection_of(pair),
            ledger=self.ledger,
            on_change=listeners.on_change,
            on_plan=listeners.on_plan,
            on_wait=listeners.on_wait,
        )
        if synchronizer.state.set_aside is not None:
            diagnostics.warn(
                f"what was remembered of {pair.local} could not be read;"
                f" it is kept as {synchronizer.state.set_aside}",
                hint="where both sides differ it cannot be told who changed what: nothing is"
                " overwritten or deleted, it is reported as a conflict",
            )
        return synchronizer

    def locate(self, path: str, *, project: str | None = None) -> tuple[SyncPair, str]:
        """The pair that a path belongs to, and the path below its folders.

        ``path`` is a local path, a workspace path, or one below a pair's folder. Raises UsageError
        for a path that is in no pair.
        """
        pairs = self.file.choose(project)
        if path.startswith("/"):
            for pair in pairs:
                below = _below_remote(path, self.workspace_of(pair))
                if below is not None:
                    return pair, below
        # links are not followed: a link in a pair's folder is that pair's
        here = Path(os.path.normpath(Path.cwd() / path))
        for pair in pairs:
            folder = self.file.folder_of(pair)
            if here == folder:
                return pair, ""
            if here.is_relative_to(folder):
                return pair, here.relative_to(folder).as_posix()
        found = [pair for pair in pairs if self._knows(pair, path)]
        if len(found) == 1:
            return found[0], path
        folders = ", ".join(pair.local for pair in pairs)
        raise UsageError(
            "is in no pair's folder" if not found else "is in more than one pair",
            where=path,
            hint=f"the pairs' folders are: {folders}" if not found else "add --project NAME",
        )

    def _knows(self, pair: SyncPair, path: str) -> bool:
        if not (self.file.folder_of(pair) / path).exists():
            state = self.synchronizer(pair).state
            try:
                return bool(state.history_of(path)) or any(
                    path in {hold.slot, hold.name} for hold in state.holds().values()
                )
            finally:
                state.close()
        return True

    def _check_overlaps(self, pair: SyncPair) -> None:
        mine = self.workspace_of(pair)
        for other in self.file.pairs:
            if other is pair:
                continue
            if overlaps(mine, self.workspace_of(other)):
                raise SettingsError(
                    f"'workspace' is {mine}, which overlaps the pair of line {other.line}",
                    where=f"{self.file.path}:{pair.line}",
                    hint="no folder may be part of two pairs",
                )


class _WhenAsked:
    """A Remote that is opened by the first request."""

    def __init__(self, opened: Callable[[], Remote]) -> None:
        self._open = opened

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._open(), name)


def write_schemas(folder: Path) -> None:
    """Put the shipped JSON schemas where ``$schema`` of a new file points to."""
    texts = {SCHEMA_NAME: schema_text(), settings_schema.SCHEMA_NAME: settings_schema.schema_text()}
    try:
        for name, text in texts.items():
            path = folder / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                folder.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        diagnostics.warn(f"the schemas for editors cannot be written: {error}")


def _below_remote(path: str, folder: str) -> str | None:
    try:
        wanted = workspace_path(path)
    except PathError:
        return None
    if wanted == folder:
        return ""
    return wanted[len(folder) + 1 :] if wanted.startswith(f"{folder}/") else None
