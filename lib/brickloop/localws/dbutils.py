"""``dbutils`` for notebooks on the local workspace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from brickloop.localws.layout import StoreLayout
from brickloop.model.paths import parse_remote_path

_TASK_VALUE_LIMIT = 48 * 1024


class NotebookExit(BaseException):
    """Raised by ``dbutils.notebook.exit``; ends the notebook with success."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


class FileInfo(NamedTuple):
    """One entry of ``dbutils.fs.ls``."""

    path: str
    name: str
    size: int
    modificationTime: int  # noqa: N815  the API's name

    def isDir(self) -> bool:  # noqa: N802
        return self.name.endswith("/")

    def isFile(self) -> bool:  # noqa: N802
        return not self.isDir()


@dataclass
class DbUtils:
    """The object that notebooks know as ``dbutils``."""

    fs: FileSystem
    widgets: Widgets
    notebook: NotebookUtils
    secrets: Secrets
    jobs: Jobs
    library: Library


class FileSystem:
    """``dbutils.fs`` on the store."""

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout

    def ls(self, path: str) -> list[FileInfo]:
        """The entries of a folder, or the one of a file."""
        real = self._existing(path)
        entries = sorted(real.iterdir()) if real.is_dir() else [real]
        return [self._info(entry) for entry in entries]

    def head(self, file: str, max_bytes: int = 65536) -> str:
        """The first bytes of a file as text."""
        with self._existing(file).open("rb") as opened:
            return opened.read(max_bytes).decode("utf-8", "replace")

    def put(self, file: str, contents: str, overwrite: bool = False) -> bool:
        """Write a file; raises when it is there and ``overwrite`` is not given."""
        real = self._layout.real(file)
        if real.exists() and not overwrite:
            raise FileExistsError(f"java.io.IOException: file {file} already exists")
        real.parent.mkdir(parents=True, exist_ok=True)
        unfinished = real.with_name(f".{real.name}.unfinished")
        unfinished.write_text(contents, encoding="utf-8", newline="")
        unfinished.replace(real)
        return True

    def mkdirs(self, dir: str) -> bool:
        """Make a folder and its parents."""
        self._layout.real(dir).mkdir(parents=True, exist_ok=True)
        return True

    def rm(self, dir: str, recurse: bool = False) -> bool:
        """Delete; False where nothing was there."""
        real = self._layout.real(dir)
        if not real.exists():
            return False
        if real.is_dir():
            if not recurse and any(real.iterdir()):
                raise OSError(f"java.io.IOException: Cannot delete {dir}: it is not empty")
            shutil.rmtree(real)
        else:
            real.unlink()
        return True

    def cp(self, from_: str, to: str, recurse: bool = False) -> bool:
        """Copy a file, or a folder with ``recurse``."""
        source, target = self._existing(from_), self._layout.real(to)
        if source.is_dir():
            if not recurse:
                raise OSError(f"java.io.IOException: Cannot copy folder {from_} without recurse")
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            if target.is_dir():
                target = target / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        return True

    def mv(self, from_: str, to: str, recurse: bool = False) -> bool:
        """Copy, then delete."""
        self.cp(from_, to, recurse)
        return self.rm(from_, recurse)

    def mounts(self) -> list[Any]:
        """The mounts; the local workspace has none."""
        return []

    def _existing(self, path: str) -> Path:
        real = self._layout.real(path)
        if not real.exists():
            raise FileNotFoundError(f"java.io.FileNotFoundException: {parse_remote_path(path)}")
        return real

    def _info(self, real: Path) -> FileInfo:
        path = self._layout.virtual(real) or str(real)
        stat = real.stat()
        slash = "/" if real.is_dir() else ""
        size = 0 if slash else stat.st_size
        return FileInfo(path + slash, real.name + slash, size, int(stat.st_mtime * 1000))


class Widgets:
    """``dbutils.widgets``: the run's parameters, and defaults that the notebook gives."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self._given = dict(parameters)
        self._defaults: dict[str, str] = {}

    def text(self, name: str, defaultValue: str = "", label: str = "") -> None:  # noqa: N803
        """Declare a widget."""
        self._defaults[name] = str(defaultValue)

    def dropdown(self, name: str, defaultValue: str, choices: Any, label: str = "") -> None:  # noqa: N803
        """Declare a widget with choices."""
        self._defaults[name] = str(defaultValue)

    combobox = dropdown
    multiselect = dropdown

    def get(self, name: str) -> str:
        """The parameter of that name, or the widget's default; raises where neither is there."""
        if name in self._given:
            return self._given[name]
        if name in self._defaults:
            return self._defaults[name]
        raise ValueError(f"InputWidgetNotDefined: No input widget named {name} is defined")

    def getArgument(self, name: str, default: str = "") -> str:  # noqa: N802
        """As ``get``, with a default."""
        return self.getAll().get(name, default)

    def getAll(self) -> dict[str, str]:  # noqa: N802
        """All parameters and widgets."""
        return {**self._defaults, **self._given}

    def set(self, values: dict[str, str]) -> None:
        """Take arguments of ``%run``."""
        self._given.update(values)

    def remove(self, name: str) -> None:
        """Remove a widget."""
        self._defaults.pop(name, None)
        self._given.pop(name, None)

    def removeAll(self) -> None:  # noqa: N802
        """Remove all widgets."""
        self._defaults.clear()
        self._given.clear()


class NotebookUtils:
    """``dbutils.notebook``."""

    def __init__(self, run: Callable[[str, dict[str, str]], str], facts: dict[str, str]) -> None:
        self._run = run
        self._facts = facts

    def run(self, path: str, timeout_seconds: int = 0, arguments: Any = None) -> str:
        """Run another notebook in a context of its own; what it exits with."""
        return self._run(path, {key: str(value) for key, value in (arguments or {}).items()})

    def exit(self, value: Any = "") -> None:
        """End the notebook with success."""
        raise NotebookExit(str(value))

    @property
    def entry_point(self) -> Any:
        """The context object that notebooks reach through Java on a cluster."""
        return _Context(self._facts)

    def getContext(self) -> Any:  # noqa: N802
        """The same context."""
        return _Context(self._facts)


class Secrets:
    """``dbutils.secrets``: what a notebook reads is made unreadable in its output."""

    def __init__(self, read: Callable[[], dict[str, dict[str, str]]]) -> None:
        self._read = read
        self.seen: set[str] = set()

    def get(self, scope: str, key: str) -> str:
        """A secret's value; raises where it does not exist."""
        value = self._read().get(scope, {}).get(key)
        if value is None:
            raise ValueError(f"Secret does not exist with scope: {scope} and key: {key}")
        self.seen.add(value)
        return value

    def list(self, scope: str) -> Any:
        """The keys of a scope."""
        return sorted(self._read().get(scope, {}))

    def redact(self, text: str) -> str:
        """The text without the secrets that were read."""
        for value in self.seen:
            if value:
                text = text.replace(value, "[REDACTED]")
        return text


class TaskValues:
    """``dbutils.jobs.taskValues``."""

    def __init__(self, upstream: dict[str, dict[str, Any]]) -> None:
        self._upstream = upstream
        self.values: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> None:
        """Set a value for later tasks; at most 48 KiB as JSON."""
        if len(json.dumps(value)) > _TASK_VALUE_LIMIT:
            raise ValueError(f"the task value {key} is larger than 48 KiB")
        self.values[key] = value

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:  # noqa: N803
        """A value that an upstream task set."""
        found = self._upstream.get(taskKey, {})
        if key in found:
            return found[key]
        for fallback in (default, debugValue):
            if fallback is not None:
                return fallback
        raise ValueError(f"no task value {key} of task {taskKey}")


class Jobs:
    """``dbutils.jobs``."""

    def __init__(self, upstream: dict[str, dict[str, Any]]) -> None:
        self.taskValues = TaskValues(upstream)


class Library:
    """``dbutils.library``."""

    def restartPython(self) -> None:  # noqa: N802
        """Nothing to do: every run has a Python of its own."""


class _Context:
    """Answers ``notebook().getContext().notebookPath().get()`` and its kin."""

    def __init__(self, facts: dict[str, str]) -> None:
        self._facts = facts

    def getDbutils(self) -> _Context:  # noqa: N802
        return self

    def notebook(self) -> _Context:
        return self

    def getContext(self) -> _Context:  # noqa: N802
        return self

    def tags(self) -> _Context:
        return self

    def apply(self, name: str) -> str:
        return self._facts[name]

    def toJson(self) -> str:  # noqa: N802
        shown = {key: value for key, value in self._facts.items() if key != "apiToken"}
        return json.dumps({"tags": shown, "extraContext": {"notebook_path": shown["notebookPath"]}})

    def __getattr__(self, name: str) -> Callable[[], _Option]:
        if name not in self._facts:
            raise AttributeError(name)
        return lambda: _Option(self._facts[name])


@dataclass(frozen=True)
class _Option:
    """A value in the wrapping that Java gives it."""

    value: str

    def get(self) -> str:
        return self.value

    def getOrElse(self, _default: Any) -> str:  # noqa: N802
        return self.value
