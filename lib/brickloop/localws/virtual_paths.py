"""Workspace paths in a notebook's own file calls: ``open("/Volumes/...")`` leads into the store.

A cluster mounts its stores as folders; a laptop cannot. In a kernel, which is a process of its own,
the functions that Python's file access goes through are replaced. What stays outside: native code
that is handed a path as text (pyarrow is seen to), and programs that a notebook starts, whose
arguments are translated when they are paths of the store.
"""

from __future__ import annotations

import builtins
import errno
import functools
import glob
import io
import os
import pathlib
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brickloop.errors import PathError
from brickloop.localws.layout import StoreLayout

_ROOTS = ("/Workspace", "/Volumes", "/dbfs")
_PREFIXES = tuple(f"{root}/" for root in _ROOTS)
_IN_TEXT = re.compile(
    r"(?<![\w./:-])(/Workspace|/Volumes|/dbfs)(?=/|$|[\s'\";|&)])([\w./@%+=,~-]*)"
)
_ONE_PATH = (
    "access", "chdir", "chmod", "chown", "getxattr", "lchown", "listdir", "listxattr", "lstat",
    "mkdir", "mkfifo", "open", "pathconf", "readlink", "remove", "removexattr", "rmdir", "scandir",
    "setxattr", "stat", "statvfs", "truncate", "unlink", "utime",
)  # fmt: skip
_TWO_PATHS = ("link", "rename", "replace")
_SUPPORTS = ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids")


class VirtualPaths:
    """Translates between workspace paths and the store's real ones."""

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout
        self.on_use: Callable[[Any], None] | None = None
        """Told of each path that a file call is about."""
        self.on_write: Callable[[Any], None] | None = None
        """Told of each file of a volume that is written."""

    def lead(self, path: Any) -> Any:
        """The real path for a path of the store; anything else as it is.

        Raises OSError for one that leads out of the store.
        """
        if self.on_use is not None:
            self.on_use(path)
        if isinstance(path, (str, os.PathLike)):
            text = os.fspath(path)
        else:
            text = path
        if isinstance(text, bytes):
            led = self.lead(os.fsdecode(text))
            return os.fsencode(led)
        if not isinstance(text, str) or not text.startswith(_ROOTS):
            return path
        if text not in _ROOTS and not text.startswith(_PREFIXES):
            return path
        normal = os.path.normpath(text)
        if normal == "/dbfs":
            return str(self._layout.dbfs)
        if not normal.startswith(_PREFIXES) and normal not in _ROOTS:
            return normal
        try:
            real = str(self._layout.real(normal))
        except PathError as error:
            raise OSError(errno.EACCES, str(error), text) from None
        return real + "/" if text.endswith("/") else real

    def new_draft(self) -> Path:
        """The place of a file that is not complete yet, out of sight."""
        return self._layout.root / "tmp" / f"draft-{uuid.uuid4().hex}"

    def present(self, real: str) -> str:
        """The workspace path of a real one, or the path as it is."""
        shown = self._layout.virtual(Path(real))
        if shown is None:
            return real
        return "/dbfs" + shown.removeprefix("dbfs:") if shown.startswith("dbfs:") else shown

    def translate_text(self, script: str) -> str:
        """A shell script with the store's paths in it made real."""

        def replace(found: re.Match[str]) -> str:
            real = str(self.lead(found.group()))
            return real if shlex.quote(real) == real else real.replace(" ", "\\ ")

        return _IN_TEXT.sub(replace, script)

    def is_volume(self, path: Any) -> bool:
        """Whether a file call means a file in a volume."""
        try:
            text = os.fspath(path)
        except TypeError:
            return False
        if not isinstance(text, str):
            return False
        if text.startswith("/Volumes/"):
            return True
        # a relative path, or a real one that was made from a workspace path before
        real = os.path.abspath(text)  # noqa: PTH100 - links stay as they are
        return real.startswith((str(self._layout.volumes) + os.sep, "/Volumes/"))


class _VolumeFile(io.FileIO):
    """A file in a volume that is being written, once and from its beginning to its end.

    It appears whole when it is closed, as on a real volume.
    """

    def __init__(self, target: Path, draft: Path, mode: str) -> None:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        if mode == "x" and target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target))
        draft.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(draft, "w")
        self._target = target
        self._draft = draft

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._draft.replace(self._target)

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        before = super().tell()
        after = super().seek(position, whence)
        if self.writable() and after != before:
            super().seek(before)
            raise _refused(self._target)
        return after

    def truncate(self, size: int | None = None, /) -> int:
        if size is not None and size != super().tell():
            raise _refused(self._target)
        return super().truncate(size)


class _Entry:
    """An entry of a folder of the store, under the path by which the folder was asked for."""

    def __init__(self, entry: os.DirEntry[Any], folder: str) -> None:
        self._entry = entry
        self.name = entry.name
        self.path = os.path.join(folder, entry.name)  # noqa: PTH118 - as os.scandir does

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)


class _Entries:
    """What ``os.scandir`` gives for a folder of the store."""

    def __init__(self, entries: Any, folder: str) -> None:
        self._entries = entries
        self._folder = folder

    def __iter__(self) -> _Entries:
        return self

    def __next__(self) -> _Entry:
        return _Entry(next(self._entries), self._folder)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_args: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        self._entries.close()


def install(paths: VirtualPaths) -> None:
    """Lead this process's file calls into the store; cannot be undone."""
    replaced = _replace_os_functions(paths)
    _replace_open(paths)
    _replace_cwd(paths)
    _replace_popen(paths)
    # these keep functions of os that they took when they were imported
    for owner in (getattr(pathlib, "_NormalAccessor", None), getattr(glob, "_StringGlobber", None)):
        for name, (old, new) in replaced.items():
            if owner is not None and getattr(owner, name, None) is old:
                setattr(owner, name, staticmethod(new))
    accessor = getattr(pathlib, "_NormalAccessor", None)
    if accessor is not None:
        accessor.open = staticmethod(io.open)
        accessor.getcwd = staticmethod(os.getcwd)
    lead_pyarrow(paths)


def lead_pyarrow(paths: VirtualPaths) -> None:
    """Make the parts of pyarrow that are loaded open the store's files; the rest follow them."""
    util = sys.modules.get("pyarrow.util")
    if util is None:
        return
    real = util._stringify_path

    @functools.wraps(real)
    def stringify(path: Any) -> Any:
        return paths.lead(real(path))

    for name, module in list(sys.modules.items()):
        if name.startswith("pyarrow") and getattr(module, "_stringify_path", None) is real:
            module._stringify_path = stringify  # type: ignore[attr-defined]


def _replace_os_functions(
    paths: VirtualPaths,
) -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    replaced: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}
    for name in (*_ONE_PATH, *_TWO_PATHS):
        old = getattr(os, name, None)
        if old is None or name in replaced:
            continue
        if name in _TWO_PATHS:
            new = _leading_two(old, paths)
        elif name == "open":
            new = _leading_open(old, paths)
        elif name == "scandir":
            new = _leading_scandir(old, paths)
        else:
            new = _leading_one(old, paths)
        setattr(os, name, new)
        replaced[name] = (old, new)
    old_symlink = os.symlink
    os.symlink = _leading_two(old_symlink, paths)
    for kind in _SUPPORTS:
        supported: set[Any] = getattr(os, kind)
        supported |= {new for old, new in replaced.values() if old in supported}
    return replaced


def _leading_one(function: Callable[..., Any], paths: VirtualPaths) -> Callable[..., Any]:
    @functools.wraps(function)
    def led(*args: Any, **kwargs: Any) -> Any:
        if args:
            return function(paths.lead(args[0]), *args[1:], **kwargs)
        if "path" in kwargs:
            kwargs["path"] = paths.lead(kwargs["path"])
        return function(**kwargs)

    return led


def _leading_two(function: Callable[..., Any], paths: VirtualPaths) -> Callable[..., Any]:
    @functools.wraps(function)
    def led(src: Any, dst: Any, *args: Any, **kwargs: Any) -> Any:
        return function(paths.lead(src), paths.lead(dst), *args, **kwargs)

    return led


def _leading_open(function: Callable[..., Any], paths: VirtualPaths) -> Callable[..., Any]:
    @functools.wraps(function)
    def led(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
        if flags & (os.O_APPEND | os.O_RDWR) and paths.is_volume(path):
            raise _refused(path)
        return function(paths.lead(path), flags, *args, **kwargs)

    return led


def _leading_scandir(function: Callable[..., Any], paths: VirtualPaths) -> Callable[..., Any]:
    @functools.wraps(function)
    def led(path: Any = None) -> Any:
        if path is None or isinstance(path, int):
            return function(path)
        real = paths.lead(path)
        if real is path or isinstance(real, bytes):
            return function(real)
        return _Entries(function(real), os.fspath(path))

    return led


def _replace_open(paths: VirtualPaths) -> None:
    real_open = builtins.open

    @functools.wraps(real_open)
    def led_open(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, int):
            return real_open(file, mode, buffering, *args, **kwargs)
        writes = isinstance(mode, str) and any(flag in mode for flag in "wax+")
        if not writes or not paths.is_volume(file):
            return real_open(paths.lead(file), mode, buffering, *args, **kwargs)
        if "a" in mode or "+" in mode:
            raise _refused(file)
        if paths.on_write is not None:
            paths.on_write(file)
        raw = _VolumeFile(Path(paths.lead(file)), paths.new_draft(), "x" if "x" in mode else "w")
        return _wrap(raw, mode, buffering, *args, **kwargs)

    builtins.open = led_open
    io.open = led_open
    real_open_code = io.open_code
    io.open_code = lambda path: real_open_code(paths.lead(path))
    # it took the function when it was imported; linecache reads through it
    tokenize: Any = sys.modules.get("tokenize")
    if tokenize is not None:
        tokenize._builtin_open = led_open


def _wrap(
    raw: io.FileIO,
    mode: str,
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    if buffering == 0:
        if "b" not in mode:
            raise ValueError("can't have unbuffered text I/O")
        return raw
    buffered = io.BufferedWriter(raw, buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE)
    if "b" in mode:
        return buffered
    return io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)


def _replace_cwd(paths: VirtualPaths) -> None:
    real_getcwd = os.getcwd

    @functools.wraps(real_getcwd)
    def getcwd() -> str:
        return paths.present(real_getcwd())

    os.getcwd = getcwd
    os.getcwdb = lambda: os.fsencode(getcwd())


def _replace_popen(paths: VirtualPaths) -> None:
    real_init = subprocess.Popen.__init__

    @functools.wraps(real_init)
    def init(self: Any, args: Any, *rest: Any, **kwargs: Any) -> None:
        if kwargs.get("cwd") is not None:
            kwargs["cwd"] = paths.lead(kwargs["cwd"])
        if isinstance(args, str) and kwargs.get("shell"):
            args = paths.translate_text(args)
        elif isinstance(args, (list, tuple)):
            args = [paths.lead(word) for word in args]
        real_init(self, args, *rest, **kwargs)

    subprocess.Popen.__init__ = init  # type: ignore[method-assign]


def _refused(path: Any) -> OSError:
    return OSError(errno.ENOTSUP, "Volumes take no append and no random write", str(path))
