"""Where the local workspace keeps its data, and which real file a workspace path is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from brickloop.errors import PathError
from brickloop.model.paths import RemotePath, Store, parse_remote_path


@dataclass(frozen=True)
class StoreLayout:
    """The folders of one local workspace, all below ``root`` (``.brickloop/local``)."""

    root: Path

    @property
    def workspace(self) -> Path:
        """The tree behind ``/Workspace``."""
        return self.root / "store" / "workspace"

    @property
    def dbfs(self) -> Path:
        """The tree behind ``dbfs:/``."""
        return self.root / "store" / "dbfs"

    @property
    def volumes(self) -> Path:
        """The tree behind ``/Volumes``: catalog, schema, volume, then files."""
        return self.root / "store" / "volumes"

    @property
    def warehouse(self) -> Path:
        """Managed tables: catalog, schema, table, each table a Delta folder."""
        return self.root / "warehouse"

    @property
    def runs(self) -> Path:
        """A folder for each run, named by its task run id."""
        return self.root / "runs"

    @property
    def database(self) -> Path:
        """The server's own state (SQLite)."""
        return self.root / "state.db"

    def make(self) -> None:
        """Create what is missing; the root is readable by its owner only."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.workspace, self.dbfs, self.volumes, self.warehouse, self.runs):
            folder.mkdir(parents=True, exist_ok=True)

    def real(self, path: RemotePath | str) -> Path:
        """The real file of a workspace path; raises PathError for one that would lead out."""
        remote = parse_remote_path(path) if isinstance(path, str) else path
        base, strip = {
            Store.DBFS: (self.dbfs, ""),
            Store.VOLUME: (self.volumes, "/Volumes"),
            Store.WORKSPACE: (self.workspace, "/Workspace"),
        }[remote.store]
        inner = PurePosixPath(remote.path.removeprefix(strip).lstrip("/"))
        found = base.joinpath(*inner.parts)
        # a link inside the store may not lead out of it either
        if not found.resolve().is_relative_to(_resolved(base)):
            raise PathError(f"'{remote}' leads outside the local workspace")
        return found

    def virtual(self, real: Path) -> str | None:
        """The workspace path of a real file in the store, None for a file that is not in it."""
        for base, prefix in (
            (self.workspace, "/Workspace"),
            (self.volumes, "/Volumes"),
            (self.dbfs, "dbfs:"),
        ):
            if real.is_relative_to(base):
                inner = real.relative_to(base).as_posix()
                return prefix + ("" if inner == "." else "/" + inner)
        return None


@lru_cache(maxsize=16)
def _resolved(base: Path) -> Path:
    """The folder with its links followed; asked for at every request, and it does not move."""
    return base.resolve()
