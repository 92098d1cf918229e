"""The workspace's tree: real files below the store, with ids, languages and stamps beside them.

A kernel may write files below ``/Workspace`` on its own, so the files are the truth: an object
without a row gets one when it is first seen, a file that changed behind the API gets a new stamp.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Row

from brickloop.errors import NotebookError
from brickloop.localws.disk import Disk, name_problem
from brickloop.localws.layout import StoreLayout
from brickloop.localws.state import State, now_ms
from brickloop.localws.wire import ApiError, invalid
from brickloop.model.notebook import (
    SUFFIX_LANGUAGES,
    Language,
    header_line,
    parse_ipynb,
)
from brickloop.model.paths import RemotePath, Store, workspace_path

DIRECTORY, NOTEBOOK, FILE = "DIRECTORY", "NOTEBOOK", "FILE"
_ROOTS = {"/Workspace", *(f"/Workspace/{name}" for name in ("Users", "Shared", "Repos"))}
_HEADERS = {
    header_line(language).encode(): language
    for language in (Language.PYTHON, Language.SQL, Language.SCALA)
}


@dataclass(frozen=True)
class WorkspaceObject:
    """What stands at one path of the workspace."""

    path: str
    """In the one spelling, ``/Workspace/...``."""
    object_id: int
    kind: str
    """``DIRECTORY``, ``NOTEBOOK`` or ``FILE``."""
    language: Language | None
    format: str | None
    """``SOURCE`` or ``JUPYTER`` for a notebook: how it is stored."""
    created_ms: int
    modified_ms: int
    size: int
    """Bytes as stored; 0 for a folder."""

    @property
    def name(self) -> str:
        """The last step of the path."""
        return self.path.rpartition("/")[2]


class WorkspaceTree:
    """Reads and changes the tree; one change at a time, so that a create has one winner."""

    def __init__(self, layout: StoreLayout, state: State, disk: Disk) -> None:
        self._layout = layout
        self._state = state
        self._disk = disk
        self._lock = threading.RLock()

    def find(self, path: str) -> WorkspaceObject | None:
        """The object at ``path``, None where there is none."""
        path = workspace_path(path)
        real = self.real(path)
        with self._lock:
            return self._observe(path, real)

    def get(self, path: str) -> WorkspaceObject:
        """The object at ``path``; raises the API's 404 with the path as it was asked for."""
        found = self.find(path)
        if found is None:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        return found

    def children(self, path: str) -> list[WorkspaceObject]:
        """What a folder holds, one level deep, by name."""
        path = workspace_path(path)
        with self._lock, self._state.transaction():
            rows = {
                row["path"]: row
                for row in self._state.rows("SELECT * FROM objects WHERE parent = ?", (path,))
            }
            found: list[WorkspaceObject] = []
            with os.scandir(self.real(path)) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    # a link may lead anywhere; the workspace has none
                    if entry.is_symlink():
                        continue
                    child = f"{path}/{entry.name}"
                    with suppress(FileNotFoundError):
                        seen = self._reconcile(
                            child, Path(entry.path), entry.stat(), rows.get(child)
                        )
                        found.append(seen)
            return found

    def real(self, path: str) -> Path:
        """The file behind a path in the one spelling; raises for a name no store could keep."""
        problem = name_problem(path)
        if problem:
            raise invalid(problem)
        return self._layout.real(RemotePath(Store.WORKSPACE, path))

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents; a folder that is there already is fine."""
        path = workspace_path(path)
        with self._lock:
            step = ""
            for part in path.lstrip("/").split("/"):
                step = f"{step}/{part}"
                seen = self.find(step)
                if seen is not None and seen.kind != DIRECTORY:
                    raise already_exists(step)
            self.real(path).mkdir(parents=True, exist_ok=True)

    def put(
        self,
        path: str,
        content: bytes | Path,
        *,
        kind: str,
        language: Language | None = None,
        format: str | None = None,
        overwrite: bool = False,
        shown: str | None = None,
    ) -> WorkspaceObject:
        """Write a notebook or a file; ``content`` is its bytes or a finished file to move in.

        Parents are never made. Overwriting keeps the object's id and never changes its kind.
        """
        shown = shown or path
        path = workspace_path(path)
        real = self.real(path)
        # the bytes are written before anyone has to wait for the lock
        with self._disk.finished(content) as draft, self._lock:
            parent = path.rpartition("/")[0]
            above = self._observe(parent, real.parent) if parent else None
            if above is None or above.kind != DIRECTORY:
                raise ApiError(
                    404,
                    "RESOURCE_DOES_NOT_EXIST",
                    f"The parent folder ({shown.rpartition('/')[0]}) does not exist.",
                )
            before = self._observe(path, real)
            if before is not None and (not overwrite or before.kind != kind):
                raise already_exists(shown)
            draft.replace(real)
            return self._record(path, real, before, kind, language, format)

    def read(self, found: WorkspaceObject) -> bytes:
        """The stored bytes of a notebook or file."""
        return self.real(found.path).read_bytes()

    def delete(self, path: str, *, recursive: bool, shown: str) -> None:
        """Remove an object; a folder that holds something only when ``recursive``."""
        path = workspace_path(path)
        if path in _ROOTS:
            raise invalid(f"{shown} cannot be deleted.")
        gone = self._disk.new_path()
        with self._lock:
            found = self.get(path)
            real = self.real(path)
            if found.kind == DIRECTORY and not recursive and any(real.iterdir()):
                raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({shown}) is not empty")
            # moved away at once, taken apart when nobody waits
            real.replace(gone)
            self._state.execute(
                "DELETE FROM objects WHERE path = ? OR substr(path, 1, ?) = ?",
                (path, len(path) + 1, path + "/"),
            )
        self._disk.discard(gone)

    def _observe(self, path: str, real: Path) -> WorkspaceObject | None:
        try:
            seen = real.lstat()
        except (FileNotFoundError, NotADirectoryError):
            self._state.execute("DELETE FROM objects WHERE path = ?", (path,))
            return None
        if stat.S_ISLNK(seen.st_mode):
            return None
        row = self._state.row("SELECT * FROM objects WHERE path = ?", (path,))
        return self._reconcile(path, real, seen, row)

    def _reconcile(
        self, path: str, real: Path, seen: os.stat_result, row: Row | None
    ) -> WorkspaceObject:
        is_folder = stat.S_ISDIR(seen.st_mode)
        if row is not None and (row["kind"] == DIRECTORY) == is_folder:
            modified = row["modified_ms"]
            if not is_folder and row["mtime_ns"] != seen.st_mtime_ns:
                modified = max(seen.st_mtime_ns // 1_000_000, modified + 1)
                self._state.execute(
                    "UPDATE objects SET modified_ms = ?, mtime_ns = ? WHERE path = ?",
                    (modified, seen.st_mtime_ns, path),
                )
            language = Language(row["language"]) if row["language"] else None
            return WorkspaceObject(
                path,
                row["object_id"],
                row["kind"],
                language,
                row["format"],
                row["created_ms"],
                modified,
                0 if is_folder else seen.st_size,
            )
        kind, language, format = (DIRECTORY, None, None) if is_folder else _look_inside(real)
        return self._write_row(
            WorkspaceObject(
                path,
                self._state.next_id("object"),
                kind,
                language,
                format,
                seen.st_mtime_ns // 1_000_000,
                seen.st_mtime_ns // 1_000_000,
                0 if is_folder else seen.st_size,
            ),
            seen.st_mtime_ns,
        )

    def _record(
        self,
        path: str,
        real: Path,
        before: WorkspaceObject | None,
        kind: str,
        language: Language | None,
        format: str | None,
    ) -> WorkspaceObject:
        seen = real.stat()
        now = now_ms()
        return self._write_row(
            WorkspaceObject(
                path,
                before.object_id if before else self._state.next_id("object"),
                kind,
                language,
                format,
                before.created_ms if before else now,
                # two writes within a millisecond must not look like one
                max(now, before.modified_ms + 1) if before else now,
                seen.st_size,
            ),
            seen.st_mtime_ns,
        )

    def _write_row(self, made: WorkspaceObject, mtime_ns: int) -> WorkspaceObject:
        self._state.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                made.path,
                made.path.rpartition("/")[0],
                made.object_id,
                made.kind,
                made.language.value if made.language else None,
                made.format,
                made.created_ms,
                made.modified_ms,
                mtime_ns,
            ),
        )
        return made


def already_exists(path: str) -> ApiError:
    """The API's refusal to write over what is there."""
    return ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")


def _look_inside(real: Path) -> tuple[str, Language | None, str | None]:
    """Kind, language and format of a file that no row describes.

    Stored notebooks have no suffix of their own, so only such a name can be one; R and Python
    share a header and are told apart by the row alone.
    """
    if real.suffix.lower() in {*SUFFIX_LANGUAGES, ".ipynb"}:
        return FILE, None, None
    with real.open("rb") as file:
        head = file.read(64)
        language = _HEADERS.get(head.split(b"\n", 1)[0])
        if language is not None:
            return NOTEBOOK, language, "SOURCE"
        if not head.startswith(b"{"):
            return FILE, None, None
        text = head + file.read()
    try:
        return NOTEBOOK, parse_ipynb(text.decode()).language, "JUPYTER"
    except (NotebookError, UnicodeDecodeError):
        return FILE, None, None
