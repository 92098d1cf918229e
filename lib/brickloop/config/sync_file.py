"""``.databricks_sync.json``: which folders are kept equal with which folders of the workspace.

Everything that is wrong is said with its file and line, and nothing is synced then. An editor that
reads ``$schema`` knows the same rules from ``databricks_sync.schema.json``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from brickloop.config.json_lines import Node, parse
from brickloop.errors import PathError, SettingsError, UsageError
from brickloop.model.paths import workspace_path

FILE_NAME = ".databricks_sync.json"
SCHEMA_NAME = "databricks_sync.schema.json"
HOME = "~"
"""How a pair's workspace folder begins that is meant for whoever is signed in."""
_KEYS = ("$schema", "sync_pairs", "exclude_patterns", "sync_on_save")
_PAIR_KEYS = ("local", "workspace", "patterns", "auto_sync", "direction")


class Direction(str, Enum):
    """Where changes of a pair may go."""

    PUSH = "push"
    PULL = "pull"
    BIDIRECTIONAL = "bidirectional"


@dataclass(frozen=True)
class SyncPair:
    """One entry of ``sync_pairs``."""

    local: str
    """Relative to the file, with slashes; ``.`` is the file's own folder."""
    workspace: str
    """``/Workspace/...``, or ``~/...`` for the folder of whoever is signed in."""
    patterns: tuple[str, ...] = ()
    """What takes part, in gitignore's language; empty means everything."""
    auto_sync: bool = True
    """Whether ``sync.watch`` takes the pair when none is named."""
    direction: Direction = Direction.BIDIRECTIONAL
    line: int = 0

    @property
    def name(self) -> str:
        """What the pair is called: the last folder of ``local``, else of ``workspace``."""
        return PurePosixPath(self.local).name or PurePosixPath(self.workspace).name


@dataclass(frozen=True)
class SyncFile:
    """The settings of a project's sync."""

    path: Path
    pairs: tuple[SyncPair, ...]
    exclude_patterns: tuple[str, ...] = ()
    sync_on_save: bool = True
    """Whether a watch sends a file when it is saved; else at its regular looks only."""
    schema: str = field(default="", compare=False)

    def folder_of(self, pair: SyncPair) -> Path:
        """The pair's local folder."""
        return self.path.parent.joinpath(*PurePosixPath(pair.local).parts)

    def choose(self, project: str | None) -> tuple[SyncPair, ...]:
        """The pairs that ``--project`` names: all for None.

        A name is a pair's last folder name or its whole local path. Raises UsageError where none
        or more than one has it.
        """
        if not project:
            return self.pairs
        wanted = project.strip("/").removeprefix("./") or "."
        exact = [pair for pair in self.pairs if pair.local == wanted]
        found = exact or [pair for pair in self.pairs if pair.name == wanted]
        if len(found) == 1:
            return (found[0],)
        if found:
            spelled = ", ".join(f"--project {pair.local}" for pair in found)
            raise UsageError(
                f"'{project}' is the name of {len(found)} pairs",
                where=str(self.path),
                hint=f"name one by its path: {spelled}",
            )
        names = ", ".join(dict.fromkeys(pair.name for pair in self.pairs))
        raise UsageError(
            f"there is no pair '{project}'", where=str(self.path), hint=f"the pairs are: {names}"
        )


def schema_text() -> str:
    """The JSON schema of the file, as it is shipped."""
    return Path(__file__).with_name(SCHEMA_NAME).read_text(encoding="utf-8")


def read_sync_file(root: Path) -> SyncFile:
    """The ``.databricks_sync.json`` of a project's folder.

    Raises UsageError where there is none, SettingsError with the line for anything that is wrong in
    it: no JSON, unknown or doubled keys, wrong types, no pairs, a path that is absolute or leads
    out, a pattern that cannot be understood, pairs that overlap.
    """
    path = root / FILE_NAME
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise UsageError(
            f"there is no {FILE_NAME}",
            where=str(root),
            hint="write one: invoke sync.init LOCAL WORKSPACE,"
            " such as: invoke sync.init notebooks '~/notebooks'",
        ) from None
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=str(path)) from None
    return parse_sync_file(path, data)


def parse_sync_file(path: Path, data: bytes) -> SyncFile:
    """As ``read_sync_file``, for content at hand."""
    reader = _Reader(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SettingsError("is not UTF-8 text", where=f"{path}:{line}") from None
    try:
        node = parse(text)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"is no JSON: {error.msg} (column {error.colno})", where=f"{path}:{error.lineno}"
        ) from None
    except RecursionError:
        raise SettingsError("is nested too deep", where=str(path)) from None
    return reader.file(node)


@dataclass(frozen=True)
class _Reader:
    path: Path

    def file(self, node: Node) -> SyncFile:
        fields = self._fields(node, "the file", _KEYS)
        if "sync_pairs" not in fields:
            raise self._wrong(node, "'sync_pairs' is missing", _PAIR_HINT)
        pairs = self._list(fields["sync_pairs"], "sync_pairs")
        if not pairs:
            raise self._wrong(fields["sync_pairs"], "'sync_pairs' is empty", _PAIR_HINT)
        found = tuple(self._pair(pair) for pair in pairs)
        self._check_overlaps(found)
        return SyncFile(
            self.path,
            found,
            self._patterns(fields, "exclude_patterns"),
            self._flag(fields, "sync_on_save", default=True),
            self._text(fields["$schema"], "$schema") if "$schema" in fields else "",
        )

    def _pair(self, node: Node) -> SyncPair:
        fields = self._fields(node, "a pair", _PAIR_KEYS)
        for name in ("local", "workspace"):
            if name not in fields:
                raise self._wrong(node, f"'{name}' is missing in this pair", _PAIR_HINT)
        return SyncPair(
            self._local(fields["local"]),
            self._workspace(fields["workspace"]),
            self._patterns(fields, "patterns"),
            self._flag(fields, "auto_sync", default=True),
            self._direction(fields),
            node.line,
        )

    def _fields(self, node: Node, what: str, known: tuple[str, ...]) -> Mapping[str, Node]:
        if not isinstance(node.value, dict):
            raise self._wrong(node, f"{what} is no JSON object")
        for key, line in node.doubled:
            raise self._wrong(line, f"'{key}' is given twice")
        for key, value in node.value.items():
            if key not in known:
                raise self._wrong(
                    node.key_lines.get(key, value.line),
                    f"unknown key '{key}' in {what}",
                    f"the keys are: {', '.join(known)}",
                )
        return node.value

    def _local(self, node: Node) -> str:
        text = self._text(node, "local")
        shown = f"'local' is '{text}'"
        if "\\" in text:
            raise self._wrong(node, f"{shown}: write it with slashes")
        path = PurePosixPath(text)
        drive = len(text) > 1 and text[1] == ":" and text[0].isalpha()
        if path.is_absolute() or drive or text.startswith("~"):
            raise self._wrong(
                node, f"{shown}, which is absolute", f"write it relative to {self.path.parent}"
            )
        if ".." in path.parts or "\x00" in text:
            raise self._wrong(node, f"{shown}, which leads out of {self.path.parent}")
        real = Path(os.path.realpath(self.path.parent.joinpath(*path.parts)))
        if not real.is_relative_to(os.path.realpath(self.path.parent)):
            raise self._wrong(node, f"{shown}, a link that leads out of {self.path.parent}")
        return path.as_posix()

    def _workspace(self, node: Node) -> str:
        text = self._text(node, "workspace")
        try:
            if text == HOME or text.startswith(f"{HOME}/"):
                rest = workspace_path(text[1:] or "/").removeprefix("/Workspace")
                return HOME + rest
            path = workspace_path(text)
        except PathError as error:
            raise self._wrong(
                node, f"'workspace': {error.message}", "write it as /Workspace/... or ~/..."
            ) from None
        if path == "/Workspace":
            raise self._wrong(node, "'workspace' is the whole workspace", "name a folder in it")
        return path

    def _direction(self, fields: Mapping[str, Node]) -> Direction:
        if "direction" not in fields:
            return Direction.BIDIRECTIONAL
        text = self._text(fields["direction"], "direction")
        try:
            return Direction(text)
        except ValueError:
            names = ", ".join(one.value for one in Direction)
            raise self._wrong(
                fields["direction"], f"'direction' is '{text}'", f"it is one of: {names}"
            ) from None

    def _patterns(self, fields: Mapping[str, Node], name: str) -> tuple[str, ...]:
        if name not in fields:
            return ()
        nodes = self._list(fields[name], name)
        if not nodes and name == "patterns":
            raise self._wrong(
                fields[name], "'patterns' is empty", "leave it out to have everything take part"
            )
        return tuple(self._pattern(node, name) for node in nodes)

    def _pattern(self, node: Node, name: str) -> str:
        from pathspec import GitIgnoreSpec

        text = self._text(node, name)
        try:
            GitIgnoreSpec.from_lines([text])
        except ValueError:
            raise self._wrong(node, f"'{text}' in '{name}' is no gitignore pattern") from None
        return text

    def _list(self, node: Node, name: str) -> list[Node]:
        if not isinstance(node.value, list):
            raise self._wrong(node, f"'{name}' is {_kind(node.value)}, not a list")
        return node.value

    def _text(self, node: Node, name: str) -> str:
        if not isinstance(node.value, str):
            raise self._wrong(node, f"'{name}' is {_kind(node.value)}, not text")
        if not node.value.strip():
            raise self._wrong(node, f"'{name}' is empty")
        return node.value

    def _flag(self, fields: Mapping[str, Node], name: str, *, default: bool) -> bool:
        if name not in fields:
            return default
        value = fields[name].value
        if not isinstance(value, bool):
            raise self._wrong(fields[name], f"'{name}' is {_kind(value)}, not true or false")
        return value

    def _check_overlaps(self, pairs: tuple[SyncPair, ...]) -> None:
        root = self.path.parent
        real = [Path(os.path.realpath(root / pair.local)).as_posix() for pair in pairs]
        for number, pair in enumerate(pairs):
            for before, other in enumerate(pairs[:number]):
                for what, one, two in (
                    ("local", real[number], real[before]),
                    ("workspace", pair.workspace, other.workspace),
                ):
                    if overlaps(one, two):
                        mine, theirs = getattr(pair, what), getattr(other, what)
                        raise self._wrong(
                            pair.line,
                            f"'{what}' is '{mine}', which overlaps '{theirs}' of line {other.line}",
                            "no folder may be part of two pairs",
                        )

    def _wrong(self, where: Node | int, message: str, hint: str | None = None) -> SettingsError:
        line = where if isinstance(where, int) else where.line
        return SettingsError(message, where=f"{self.path}:{line}", hint=hint)


_PAIR_HINT = 'a pair is {"local": "notebooks", "workspace": "/Workspace/Users/<you>/notebooks"}'


def overlaps(one: str, two: str) -> bool:
    """Whether two folders are the same, or one lies in the other."""
    parts, others = PurePosixPath(one).parts, PurePosixPath(two).parts
    shared = min(len(parts), len(others))
    return parts[:shared] == others[:shared]


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"the number {value}" if isinstance(value, int | float) else "text"
