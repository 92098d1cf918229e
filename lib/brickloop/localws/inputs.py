"""What the cells of a notebook have used so far, so that it can be seen whether it changed since.

Files are heard of by Python's audit events and by the calls that are led into the store, tables by
what the session noted. What cannot be known is named in ``unknown``: from there on nothing is kept.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from brickloop.localws.input_state import (
    GONE,
    changed_since,
    data_state,
    file_state,
    folder_state,
    table_state,
)
from brickloop.localws.layout import StoreLayout
from brickloop.localws.registry import Registry, TableName
from brickloop.localws.sql_text import leading_words
from brickloop.localws.sql_tokens import name_chains, read_tokens
from brickloop.localws.virtual_paths import VirtualPaths

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
)
_QUERIES = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "FROM", "EXPLAIN", "DESCRIBE", "DESC"})
_LISTINGS = frozenset({"SHOW", "LIST"})


class UsedInputs:
    """Gathers what is used from ``begin`` on; the process's own, copied with it when it forks."""

    def __init__(self, layout: StoreLayout, paths: VirtualPaths, notebook: str) -> None:
        self._layout = layout
        self._paths = paths
        self._notebook = notebook
        self._files: dict[str, None] = {}
        self._listed: dict[str, None] = {}
        self._written: set[str] = set()
        self._began = 0.0
        self._paused = True
        self._statements = 0
        self._named: dict[TableName, bool] = {}
        """Tables that statements mention, and whether a statement may have changed them."""
        self.unknown = ""
        """Why it cannot be said any more what was used; empty while it can."""
        self.network = False
        """Whether something beyond this machine's files was asked."""
        root = str(layout.root)
        self._store = root + os.sep
        trees = (layout.workspace, layout.dbfs, layout.volumes)
        self._trees = tuple(str(tree) + os.sep for tree in trees)
        roots = {sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev", "/usr", "/lib", "/lib64"}
        roots.add(os.environ.get("MPLCONFIGDIR") or os.path.expanduser("~/.cache"))
        self._machine = tuple(folder.rstrip(os.sep) + os.sep for folder in roots)
        # user code sees others than these
        self._here, self._stat = os.getcwd, os.stat

    def begin(self) -> None:
        """Listen from now on."""
        self._began = time.time()
        self._paused = False
        self._paths.on_use = self._touch
        self._paths.on_write = lambda path: self._touch(path, True)
        sys.addaudithook(self._heard)

    def pause(self) -> None:
        """Hear nothing of what is done on the kernel's own account."""
        self._paused = True

    def go_on(self) -> None:
        """Listen again, after ``pause``."""
        self._paused = False

    def begin_again(self) -> None:
        """Go on in another run: what was used until now is as it was."""
        self._began = time.time()
        self._paused = False

    def give_up(self, why: str) -> None:
        """Say that something was done whose inputs cannot be known."""
        self.unknown = self.unknown or why

    def state(self, session: Any) -> dict[str, dict[str, str]]:
        """What was used so far and what it is like now, by kind and name.

        The kinds are ``files``, ``folders`` that were listed, ``data`` at paths and ``tables``.
        ``session`` is the Spark session, None where none was opened.
        """
        files = {path: file_state(path) for path in self._files}
        folders = {path: folder_state(path) for path in self._listed}
        if session is None:
            self._look_for_changes(files, ())
            return {"files": files, "folders": folders, "data": {}, "tables": {}}
        context = session._front.context
        record = session._recorder.record()
        self._read_statements(context.catalog, record.statements, session._recorder.count)
        registry: Registry = context.registry
        tables = dict(self._named)
        for full in (*record.tables_read, *record.tables_written):
            name = TableName(*full.split(".", 2))
            tables[name] = tables.get(name, False) or full in record.tables_written
        for name, changed in tables.items():
            if not changed and changed_since(registry, name, self._began):
                self.give_up(f"the table {name} changed while it was in use")
        written = [str(context.paths.real(path)) for path in record.paths_written]
        read = [str(context.paths.real(path)) for path in record.paths_read]
        data = {real: data_state(real) for real in (*read, *written)}
        self._look_for_changes(files, written)
        states = {str(name): table_state(registry, name) for name in tables}
        return {"files": files, "folders": folders, "data": data, "tables": states}

    def _read_statements(self, catalog: Any, statements: tuple[str, ...], count: int) -> None:
        """Take the names out of the statements that are new."""
        new = count - self._statements
        self._statements = count
        if new > len(statements):
            self.give_up("it ran more statements than are remembered")
        for text in statements[len(statements) - new :] if new else ():
            first = (leading_words(text, 1) or [""])[0].strip("(")
            if first in _LISTINGS or "information_schema" in text.lower():
                self.give_up("it listed what is in the catalog")
            for chain in name_chains(read_tokens(text)):
                for length in range(1, min(len(chain.parts), 3) + 1):
                    name = catalog.qualify(chain.parts[:length])
                    changes = first not in _QUERIES
                    self._named[name] = self._named.get(name, False) or changes

    def _look_for_changes(self, files: dict[str, str], written: Sequence[str]) -> None:
        """Give up where a file that was only read is newer than the run."""
        ours = tuple(f"{place.rstrip(os.sep)}{os.sep}" for place in written)
        for path, state in files.items():
            mine = path in self._written or (path + os.sep).startswith(ours)
            if not mine and self._is_newer(path, state):
                self.give_up(f"{self._paths.present(path)} changed while it was in use")

    def _is_newer(self, path: str, state: str) -> bool:
        if state in {GONE, "folder"}:
            return False
        return int(state.split()[1]) / 1e9 >= self._began

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._paused:
            return
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and bool(flags & _WRITING)
            self._touch(path, writes)
        elif event in {"os.listdir", "os.scandir"}:
            self._touch(arguments[0], into=self._listed)
        elif event in _PROGRAMS:
            self.give_up("it started a program")
        elif event == "socket.connect" and not isinstance(arguments[1], str | bytes):
            self.network = True
        elif event == "sqlite3.connect":
            self._touch(arguments[0], False)

    def _touch(self, path: Any, writes: bool = False, into: dict[str, None] | None = None) -> None:
        """Note a file by its real path."""
        if self._paused or not isinstance(path, str | bytes | os.PathLike):
            return
        text = os.fsdecode(path)
        if not text or "\0" in text:
            return
        self._paused = True
        try:
            led = str(self._paths.lead(text))
            real = os.path.normpath(led if os.path.isabs(led) else self._from_here(led))
        except (OSError, ValueError):
            return
        finally:
            self._paused = False
        if real == self._notebook or real.startswith(self._machine):
            return
        inside = real.startswith(self._store)
        if (inside and not real.startswith(self._trees)) or "__pycache__" in real:
            return
        (self._files if into is None else into)[real] = None
        if writes:
            self._written.add(real)

    def _from_here(self, path: str) -> str:
        return os.path.join(str(self._paths.lead(self._here())), path)
