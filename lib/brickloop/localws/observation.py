"""What a run really read and wrote, kept beside its output document for who asked for the run.

The next `doit` takes it for the notebook's dependencies, as compilers' depfiles are: tables and
paths as the session saw them, files and modules of the workspace as Python opened them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from brickloop.localws.layout import StoreLayout
from brickloop.runtime.recorder import (
    OBSERVED_NAME,
    OBSERVED_VERSION,
    OBSERVER_VARIABLE,
    OUTPUT_PARAMETER,
)

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Observation:
    """Watches the files that this process opens; one for each run, which is a process."""

    def __init__(self, layout: StoreLayout, parameters: dict[str, str]) -> None:
        self._layout = layout
        self._folder = parameters.get(OUTPUT_PARAMETER, "")
        self._tree = str(layout.workspace) + os.sep
        self._opened: dict[str, None] = {}
        # the functions as they are now: user code sees others
        self._here, self._join, self._normal = os.getcwd, os.path.join, os.path.normpath

    def begin(self) -> None:
        """Watch from now on, if whoever asked for the run named an output folder."""
        if self._folder:
            # the runtime wheel would record less
            os.environ[OBSERVER_VARIABLE] = "workspace"
            sys.addaudithook(self._heard)

    def write(self, record: Any, called: list[str]) -> None:
        """Keep what was seen; ``record`` is the session's, None where none was opened.

        ``called`` are the notebooks that were run by ``dbutils.notebook.run``.
        """
        if not self._folder:
            return
        seen: dict[str, Any] = {
            "version": OBSERVED_VERSION,
            "by": "workspace",
            "tables_read": list(record.tables_read) if record else [],
            "tables_written": list(record.tables_written) if record else [],
            "paths_read": list(record.paths_read) if record else [],
            "paths_written": list(record.paths_written) if record else [],
            "files": sorted({*self._names(self._opened), *self._names(self._modules()), *called}),
        }
        path = self._layout.real(f"{self._folder}/{OBSERVED_NAME}")
        path.parent.mkdir(parents=True, exist_ok=True)
        # by the simplest means: in here volumes refuse what a file that is written anew may need
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(seen), encoding="utf-8")
        draft.replace(path)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open":
            return
        path, _, flags = arguments
        if not isinstance(path, str) or (isinstance(flags, int) and flags & _WRITING):
            return
        try:
            whole = path if path[:1] == "/" else self._join(self._here(), path)
            if whole.startswith(self._tree):
                self._opened[self._normal(whole)] = None
        except (OSError, ValueError):
            # a working directory that is gone; watching never disturbs
            return

    def _modules(self) -> list[str]:
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        return [file for file in files if isinstance(file, str)]

    def _names(self, paths: Any) -> list[str]:
        found = []
        for path in paths:
            if path.startswith("/Workspace/"):
                found.append(path)
            elif path.startswith(self._tree):
                name = self._layout.virtual(Path(path))
                if name is not None:
                    found.append(name)
        return [name for name in found if "/__pycache__/" not in name]
