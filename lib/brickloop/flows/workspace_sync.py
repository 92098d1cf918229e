"""``WorkspaceSync``: one local folder and one workspace folder, from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from brickloop import launcher
from brickloop.config.profile import Target, resolve_target
from brickloop.config.settings import Settings, find_root, load_settings
from brickloop.config.sync_file import HOME, Direction
from brickloop.flows.protection import refuse_watch, require_committed
from brickloop.flows.sync import SyncWords
from brickloop.flows.target import open_target, sync_key
from brickloop.model.paths import workspace_path
from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.ledger import Ledger
from brickloop.sync.plan import SAFE
from brickloop.sync.remote import WorkspaceRemote
from brickloop.sync.report import SyncReport
from brickloop.sync.selection import Selection
from brickloop.sync.state import Hold
from brickloop.sync.watch import Watcher, WatchEvent

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


class WorkspaceSync:
    """Keeps ``local_dir`` and ``workspace_dir`` equal: push, pull, both ways, or while you save.

    ``workspace_dir`` is ``/Workspace/...``, or ``~/...`` for the folder of whoever is signed in.
    Without ``client`` the workspace of the settings is opened (a profile, the environment, or the
    local workspace) when it is first asked. ``patterns`` choose what takes part and
    ``exclude_patterns`` what does not, in gitignore's language; ``.gitignore`` files count too.
    What was synced before is remembered in the project's ``.brickloop`` folder and shared with
    ``doit`` and ``invoke sync``.
    """

    def __init__(
        self,
        local_dir: str | Path,
        workspace_dir: str,
        client: WorkspaceClient | None = None,
        *,
        patterns: Iterable[str] = (),
        exclude_patterns: Iterable[str] = (),
        profile: str | None = None,
        target: str | None = None,
    ) -> None:
        self.local_dir = Path(local_dir).absolute()
        self.workspace_dir = workspace_dir
        if not (workspace_dir == HOME or workspace_dir.startswith(f"{HOME}/")):
            self.workspace_dir = workspace_path(workspace_dir)
        self._patterns = tuple(patterns)
        self._excludes = tuple(exclude_patterns)
        Selection(self.local_dir, self._patterns, self._excludes)
        words = {"profile": profile, "target": target}
        self._settings = load_settings(_root(self.local_dir), overrides=words)
        self._client = client
        self._of_settings = client is None
        """Whether the workspace is the one that the settings, and their target, name."""
        self._key = ""
        self._ledger: Ledger | None = None

    def sync_to_workspace(
        self,
        pattern: str | None = None,
        *,
        force: bool = False,
        delete: bool = False,
        dry_run: bool = False,
    ) -> SyncReport:
        """What a push did. ``pattern``, such as ``**/*.py``, narrows it; None means everything.

        What was changed in the workspace is held and listed in the report; ``force`` undoes it,
        ``delete`` deletes what only the workspace has. Raises HeldBack (``Halted``) when the plan
        looks like an accident, ConnectionFailed, NotAuthenticated.
        """
        return self._carry(Direction.PUSH, pattern, force=force, delete=delete, dry_run=dry_run)

    def sync_from_workspace(
        self,
        pattern: str | None = None,
        *,
        force: bool = False,
        delete: bool = False,
        dry_run: bool = False,
    ) -> SyncReport:
        """What a pull did; as ``sync_to_workspace`` with the sides exchanged."""
        return self._carry(Direction.PULL, pattern, force=force, delete=delete, dry_run=dry_run)

    def sync_bidirectional(
        self, pattern: str | None = None, *, prefer: str | None = None, dry_run: bool = False
    ) -> SyncReport:
        """What a two-way sync did; what both sides changed is in the report's ``conflicts``.

        ``prefer``, ``local`` or ``remote``, lets one side win them.
        """
        return self._carry(Direction.BIDIRECTIONAL, pattern, prefer=prefer, dry_run=dry_run)

    def watch_and_sync(
        self,
        pattern: str | None = None,
        *,
        on_event: Callable[[WatchEvent], None] = lambda _event: None,
    ) -> Watcher:
        """A watch that was started: what is saved goes up, what moves in the workspace comes down.

        It has ``stop()`` and ``join()`` as watchdog's observers do.
        """
        if self._of_settings:
            refuse_watch(self._settings)
        watcher = Watcher(self._synchronizer(pattern), SAFE, on_event=on_event)
        watcher.start()
        return watcher

    def conflicts(self) -> list[Hold]:
        """The conflicts that wait for a decision."""
        sync = self._synchronizer(None)
        try:
            return sync.holds()
        finally:
            sync.close()

    def close(self) -> None:
        """Close the ledger; the next call opens it again."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def __enter__(self) -> WorkspaceSync:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _carry(
        self,
        direction: Direction,
        pattern: str | None,
        *,
        dry_run: bool,
        force: bool = False,
        delete: bool = False,
        prefer: str | None = None,
    ) -> SyncReport:
        words = SyncWords(direction, force=force, delete=delete, prefer=prefer)
        sends = direction is not Direction.PULL and not dry_run
        if sends and self._of_settings and self._settings.is_protected:
            selection = Selection(self.local_dir, self._patterns, self._excludes)
            require_committed(self._settings, selection.files(self.local_dir))
        sync = self._synchronizer(pattern)
        try:
            return sync.run(words.mode(), dry_run=dry_run)
        finally:
            sync.close()

    def _synchronizer(self, pattern: str | None) -> Synchronizer:
        client = self._open()
        if self._ledger is None:
            self._ledger = Ledger(self._settings.state_folder / "ledger.db")
        state = self._settings.state_folder / "sync"
        narrow = () if pattern in {None, "", "*", "**", "**/*"} else (str(pattern),)
        return Synchronizer(
            Pair(self.local_dir, self.workspace_dir, state, self._key),
            WorkspaceRemote(client),
            Selection(self.local_dir, self._patterns, self._excludes, narrow=narrow),
            partial=bool(narrow),
            ledger=self._ledger,
        )

    def _open(self) -> WorkspaceClient:
        target = resolve_target(self._settings)
        if self._client is None:
            self._client = open_target(self._settings, target).client
        user = ""
        if self.workspace_dir.startswith(HOME):
            user = self._client.current_user.me().user_name or ""
            self.workspace_dir = workspace_path(f"/Users/{user}{self.workspace_dir[len(HOME) :]}")
        if not self._key:
            if self._of_settings or _is_client_of(self._client, self._settings, target):
                self._key = sync_key(self._settings, self.workspace_dir, target, user)
            else:
                host = str(self._client.config.host or "").rstrip("/")
                self._key = f"{host}|{self._client.config.profile or 'client'}"
        return self._client


def _root(local: Path) -> Path:
    """The project whose state this is: the one we are in when the folder is in it too."""
    here = find_root(Path.cwd())
    return here if local.is_relative_to(here) else find_root(local)


def _is_client_of(client: WorkspaceClient, settings: Settings, target: Target) -> bool:
    """Whether a client that was given is one of the workspace that the settings name."""
    host = str(client.config.host or "").rstrip("/")
    if target.is_local:
        server = launcher.find_running(settings.state_folder / "local")
        return server is not None and server.host == host
    return target.host == host
