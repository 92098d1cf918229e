"""Imports from the workspace: modules beside a notebook, no byte code left in the store."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from types import ModuleType
from typing import Any

from brickloop.localws.virtual_paths import VirtualPaths


class WorkspaceLoader(SourceFileLoader):
    """Loads a module of the workspace; its functions travel to the engine by value."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Write no byte code: the folder belongs to the workspace."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        _send_by_value(module)
        super().exec_module(module)


class WorkspaceImports:
    """Makes ``import`` understand workspace folders on ``sys.path``."""

    def __init__(self, paths: VirtualPaths, store: str) -> None:
        self._paths = paths
        self._store = store + os.sep
        self._details = (
            (ExtensionFileLoader, list(EXTENSION_SUFFIXES)),
            (WorkspaceLoader, list(SOURCE_SUFFIXES)),
        )

    def install(self) -> None:
        """Take effect in this process."""
        sys.path_hooks.insert(0, self._finder)
        sys.path_importer_cache.clear()

    def forget_modules(self) -> None:
        """Let the modules of the workspace be imported afresh."""
        for name, module in list(sys.modules.items()):
            spec = getattr(module, "__spec__", None)
            origin = getattr(spec, "origin", None) or ""
            if isinstance(origin, str) and origin.startswith(self._store):
                del sys.modules[name]

    def _finder(self, entry: str) -> FileFinder:
        real = self._paths.lead(entry) if isinstance(entry, str) else entry
        if not isinstance(real, str) or not (real + os.sep).startswith(self._store):
            raise ImportError(entry)
        return FileFinder(real.rstrip(os.sep), *self._details)


class ImportWatcher(MetaPathFinder):
    """Calls back when a module is imported, so that a heavy one need not be loaded for it."""

    def __init__(self) -> None:
        self._waiting: dict[str, Callable[[], None]] = {}

    def when_imported(self, name: str, action: Callable[[], None]) -> None:
        """Do ``action`` now if the module is there, or right after its import."""
        if name in sys.modules:
            action()
            return
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        self._waiting[name] = action

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec, its loader followed by the action."""
        if fullname not in self._waiting:
            return None
        action = self._waiting.pop(fullname)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            action()

        loader.exec_module = exec_module
        return spec


def _send_by_value(module: ModuleType) -> None:
    """The engine's workers cannot import it: functions of it must be sent whole."""
    pickling = sys.modules.get("pyspark.cloudpickle")
    if pickling is not None and module.__spec__ is not None:
        sys.modules.setdefault(module.__name__, module)
        pickling.register_pickle_by_value(module)
