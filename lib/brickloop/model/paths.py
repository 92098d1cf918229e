"""Paths on the workspace's side: which store a path belongs to, and how it is joined safely."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from brickloop.errors import PathError

_STORES = "Workspace|Volumes|Users|Repos|Shared|dbfs"
_REWRITTEN = re.compile(rf"[A-Za-z]:[/\\].*[/\\]({_STORES})([/\\]|$)")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")


class Store(str, Enum):
    """The three places a workspace keeps files in, each behind its own API."""

    DBFS = "dbfs"
    VOLUME = "volume"
    WORKSPACE = "workspace"


@dataclass(frozen=True)
class RemotePath:
    """An absolute path in one of the workspace's stores."""

    store: Store
    path: str
    """As the store's API takes it: ``/tmp/x``, ``/Volumes/c/s/v/x``, ``/Workspace/Users/me``."""

    def __str__(self) -> str:
        return f"dbfs:{self.path}" if self.store is Store.DBFS else self.path

    def joined(self, relative: str) -> RemotePath:
        """The path ``relative`` below this one; raises PathError when it would lead out."""
        return RemotePath(self.store, join_remote(self.path, relative))


def parse_remote_path(text: str) -> RemotePath:
    """The store and the path that ``text`` names, by the rules of notebooks and the CLI.

    ``dbfs:/x``, ``/dbfs/x`` and a bare ``/x`` are DBFS; ``/Volumes/...`` and ``dbfs:/Volumes/...``
    are volumes; ``/Workspace/...``, ``/Users/...``, ``/Repos/...``, ``/Shared/...`` are workspace
    files. Raises PathError for a relative path, an unknown scheme or a ``..`` step.
    """
    path = text
    if path.startswith("dbfs:"):
        path = path[len("dbfs:") :]
        path = "/" + path.lstrip("/")
    elif path.startswith("file:/Workspace/"):
        path = path[len("file:") :]
    elif path.startswith("/dbfs/"):
        path = path[len("/dbfs") :]
    elif _SCHEME.match(path):
        raise PathError(
            f"'{text}' names no DBFS, volume or workspace path",
            hint=_hint(text, "write dbfs:/..., /Volumes/... or /Workspace/..."),
        )
    if not path.startswith("/"):
        raise PathError(
            f"'{text}' is not absolute", hint=_hint(text, "begin the path with a slash")
        )
    path = _collapse(path, text)
    first = path.split("/", 2)[1] if len(path) > 1 else ""
    if first == "Volumes":
        return RemotePath(Store.VOLUME, path)
    if first == "Workspace":
        return RemotePath(Store.WORKSPACE, path)
    if first in {"Users", "Repos", "Shared"} and not text.startswith(("dbfs:", "/dbfs/")):
        return RemotePath(Store.WORKSPACE, "/Workspace" + path)
    return RemotePath(Store.DBFS, path)


def workspace_path(text: str) -> str:
    """The one spelling of a workspace path: ``/Workspace/...``, no doubled or trailing slash.

    ``/Users/me/x`` and ``/Workspace/Users/me/x`` are the same object. Raises PathError for a
    relative path or a ``..`` step.
    """
    if not text.startswith("/"):
        raise PathError(
            f"'{text}' is not absolute", hint=_hint(text, "begin the path with a slash")
        )
    path = _collapse(text, text)
    if path == "/Workspace" or path.startswith("/Workspace/"):
        return path
    return "/Workspace" if path == "/" else "/Workspace" + path


def join_remote(folder: str, relative: str) -> str:
    """``relative`` below ``folder``; raises PathError when a step would lead out of it."""
    parts = [part for part in relative.split("/") if part not in {"", "."}]
    if relative.startswith("/") or ".." in parts or "\x00" in relative:
        raise PathError(f"'{relative}' leads outside '{folder}'")
    return "/".join([folder.rstrip("/"), *parts]) or "/"


def _not_absolute(text: str) -> PathError:
    hint = _hint(text, "begin the path with a slash")
    return PathError(f"'{text}' is not absolute", hint=hint)


def _hint(text: str, otherwise: str) -> str:
    """What to do about a path that is none of a workspace; those of Windows are met most."""
    if _REWRITTEN.match(text):
        return "Git Bash made a Windows path of it: set MSYS_NO_PATHCONV=1 and try again"
    if "\\" in text:
        return "write it with slashes, as the workspace does"
    return otherwise


def _collapse(path: str, shown: str) -> str:
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts or "\x00" in path:
        raise PathError(
            f"'{shown}' has a step that leads upwards", hint="write the path without '..'"
        )
    return "/" + "/".join(parts)
