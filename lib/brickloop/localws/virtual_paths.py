"""Workspace paths in a notebook's own file calls: ``open("/Volumes/...")`` leads into the store.

A cluster mounts its stores as folders; a laptop cannot. In a kernel, which is a process of its own,
the few functions that all of Python's file access goes through are replaced.
"""

from __future__ import annotations

import builtins
import errno
import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brickloop.errors import PathError
from brickloop.localws.layout import StoreLayout

_PREFIXES = ("/Workspace/", "/Volumes/", "/dbfs/", "file:/Workspace/")
_ROOTS = ("/Workspace", "/Volumes", "/dbfs")
_ONE_PATH = (
    "stat", "lstat", "listdir", "scandir", "mkdir", "rmdir", "remove", "unlink", "access",
    "chmod", "utime", "open", "chdir", "truncate", "readlink",
)  # fmt: skip
_TWO_PATHS = ("rename", "replace", "link", "symlink")


def install(layout: StoreLayout) -> None:
    """Lead this process's file calls into the store; cannot be undone."""

    def lead(path: Any) -> Any:
        text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
        if not isinstance(text, str) or not (text.startswith(_PREFIXES) or text in _ROOTS):
            return path
        try:
            return str(layout.real(text if text != "/dbfs" else "dbfs:/"))
        except PathError as error:
            raise OSError(errno.EACCES, str(error), text) from None

    def one(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def led(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
            return function(lead(path), *args, **kwargs)

        return led

    def two(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def led(source: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            return function(lead(source), lead(target), *args, **kwargs)

        return led

    real_open = builtins.open

    @functools.wraps(real_open)
    def led_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        # volumes take whole files only, as on a cluster
        if str(file).startswith("/Volumes/") and ("a" in mode or "+" in mode):
            raise OSError(errno.ENOTSUP, "a volume takes no append or random write", str(file))
        return real_open(lead(file), mode, *args, **kwargs)

    builtins.open = led_open
    io.open = led_open
    for name in _ONE_PATH:
        setattr(os, name, one(getattr(os, name)))
    for name in _TWO_PATHS:
        setattr(os, name, two(getattr(os, name)))
    real_getcwd = os.getcwd

    @functools.wraps(real_getcwd)
    def getcwd() -> str:
        folder = real_getcwd()
        return layout.virtual(Path(folder)) or folder

    os.getcwd = getcwd
