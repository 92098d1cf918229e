"""``DatabricksAPI``: everything of brickloop behind one name, each part made when it is used."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from brickloop.config.settings import find_root, load_settings

if TYPE_CHECKING:
    from brickloop.flows.connections import ConnectionManager
    from brickloop.flows.dev import DevWorkflow
    from brickloop.flows.health import ConnectionHealth
    from brickloop.flows.job_runner import JobRunner
    from brickloop.flows.output import NotebookOutputReader
    from brickloop.flows.workspace_sync import WorkspaceSync


class DatabricksAPI:
    """The parts of brickloop on one workspace: the profile's, or the one that the settings name.

    Nothing is opened before a part is asked for work. ``close``, or ``with``, closes what was used.
    """

    def __init__(self, profile: str | None = None, target: str | None = None) -> None:
        """``target`` is one of ``[tool.brickloop.targets]``; without it the usual one is meant.

        Raises SettingsError for wrong settings of the project that the working folder is in.
        """
        self._profile = profile
        self._target = target
        self._root = find_root(Path.cwd())
        words = {"profile": profile, "target": target}
        self._settings = load_settings(self._root, overrides=words)
        self._syncs: list[WorkspaceSync] = []

    @cached_property
    def job_runner(self) -> JobRunner:
        """Runs notebooks and files as jobs."""
        from brickloop.flows.job_runner import JobRunner

        return JobRunner(self._settings)

    @cached_property
    def connections(self) -> ConnectionManager:
        """Runs SQL on pooled connections, with results cached on disk."""
        from brickloop.flows.connections import ConnectionManager

        return ConnectionManager(profile=self._profile, target=self._target, root=self._root)

    @cached_property
    def health(self) -> ConnectionHealth:
        """Checks the connections of ``connections``, and mends them."""
        from brickloop.flows.health import ConnectionHealth

        return ConnectionHealth(self.connections)

    @cached_property
    def output(self) -> NotebookOutputReader:
        """Reads and shows what notebooks wrote."""
        from brickloop.flows.output import NotebookOutputReader

        return NotebookOutputReader(profile=self._profile, target=self._target)

    @cached_property
    def dev(self) -> DevWorkflow:
        """Runs notebooks while they are written, here or in the workspace."""
        from brickloop.flows.dev import DevWorkflow

        return DevWorkflow(self._settings, runner=self.job_runner)

    def sync(
        self,
        local_dir: str | Path,
        workspace_dir: str,
        *,
        patterns: Iterable[str] = (),
        exclude_patterns: Iterable[str] = (),
    ) -> WorkspaceSync:
        """What keeps a local folder and one of the workspace equal; as ``WorkspaceSync``."""
        from brickloop.flows.workspace_sync import WorkspaceSync

        found = WorkspaceSync(
            local_dir,
            workspace_dir,
            patterns=patterns,
            exclude_patterns=exclude_patterns,
            profile=self._profile,
            target=self._target,
        )
        self._syncs.append(found)
        return found

    def close(self) -> None:
        """Close connections, ledgers and the local kernel; the parts can be used again."""
        made = vars(self)
        if "dev" in made:
            self.dev.close()
        if "job_runner" in made:
            self.job_runner.close()
        if "connections" in made:
            self.connections.close()
        for sync in self._syncs:
            sync.close()

    def __enter__(self) -> DatabricksAPI:
        """The facade itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close what was used."""
        self.close()
