"""The local side of a sync: files below one root, changed so that no version is ever lost.

Every change is made of steps that each happen entirely or not at all: a new version is staged
beside its place and flushed, then published where there is nothing, or exchanged with what is
there. What was displaced can be looked at before it is thrown away, so an editor that saved in
between is noticed and its version put back.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from brickloop.errors import PathError
from brickloop.model.file_names import windows_problem

_STAGED = re.compile(r"^\.brickloop-[0-9a-f]{32}\.tmp$")
_TRASH_SECONDS = 600
_READ_TRIES = 3
_IS_WINDOWS = os.name == "nt"


@dataclass(frozen=True)
class Found:
    """One name in the tree."""

    path: str
    """Relative to the root, with slashes."""
    is_folder: bool
    signature: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Size, mtime and ctime in ns, inode: what a changed content cannot leave all alike."""
    problem: str = ""
    """Why it cannot be synced; empty when it can."""


class Vanished(Exception):
    """A file was not there any more, or kept changing while it was read."""


class Taken(Exception):
    """There is something at the place that was to be empty."""


def is_staged(name: str) -> bool:
    """Whether a name is one that sync itself gives to versions on their way."""
    return _STAGED.match(name) is not None


class DiskTree:
    """The files below ``root``; ``trash`` keeps displaced versions for ten minutes."""

    def __init__(self, root: Path, trash: Path, *, durable: bool = True) -> None:
        self.root = root
        self._trash = trash
        self._durable = durable
        self._exchange = _exchange_call()
        self.leftovers: list[str] = []
        """Staged versions that the last walk met: a killed sync left them behind."""

    def exists(self) -> bool:
        """Whether the root is there."""
        return self.root.is_dir()

    def make_root(self) -> None:
        """Make the root and its parents."""
        self.root.mkdir(parents=True, exist_ok=True)

    def walk(self, skip: Callable[[str, bool], bool]) -> Iterator[Found]:
        """Every file and folder below the root that ``skip(path, is_folder)`` does not leave out.

        A folder that cannot be listed is found with its problem. Links to files inside the root
        are files; other links are found with their problem.
        """
        pending = [""]
        self.leftovers = []
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(self.root / folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                yield Found(folder, True, problem=f"cannot be listed: {error.strerror}")
                continue
            for entry in listed:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if is_staged(entry.name):
                    self.leftovers.append(path)
                    continue
                found = self._look(entry, path)
                if found is None or skip(path, found.is_folder):
                    continue
                yield found
                if found.is_folder and not found.problem:
                    pending.append(path)

    def look(self, path: str) -> Found | None:
        """One name of the tree, None where there is nothing."""
        real = self._inside(path)
        if real.is_symlink():
            return self._look_at_link(path)
        try:
            status = real.lstat()
        except OSError:
            return None
        if stat.S_ISDIR(status.st_mode):
            return Found(path, True)
        return Found(path, False, _signature(status))

    def holds(self, path: str) -> bool:
        """Whether a folder holds anything."""
        try:
            with os.scandir(self._inside(path)) as entries:
                return any(not is_staged(entry.name) for entry in entries)
        except OSError:
            return True

    def minds_case(self) -> bool:
        """Whether the file system tells names apart that differ in case only."""
        name = self.stage("probe", b"")
        try:
            return not self._inside(name.upper()).exists()
        finally:
            self._inside(name).unlink(missing_ok=True)

    def read(self, path: str) -> bytes:
        """A file's content as it was at one moment; raises Vanished or OSError."""
        real = self._file(path)
        for _ in range(_READ_TRIES):
            try:
                with real.open("rb") as file:
                    before = os.fstat(file.fileno())
                    data = file.read()
                    after = os.fstat(file.fileno())
            except FileNotFoundError:
                raise Vanished(f"'{path}' vanished while it was read") from None
            if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, len(data)):
                return data
        raise Vanished(f"'{path}' kept changing while it was read")

    def peek(self, path: str) -> bytes | None:
        """A file's content, None where there is no file."""
        try:
            return self.read(path)
        except (Vanished, OSError):
            return None

    def same(self, one: str, other: str) -> bool:
        """Whether two names are one file."""
        try:
            return self._inside(one).samefile(self._inside(other))
        except OSError:
            return False

    def staged_name(self, path: str) -> str:
        """A new name beside ``path`` for a version on its way."""
        folder = str(PurePosixPath(path).parent)
        name = f".brickloop-{uuid.uuid4().hex}.tmp"
        return name if folder == "." else f"{folder}/{name}"

    def folder_of(self, path: str) -> int:
        """The inode of the folder a name is in; 0 where there is none."""
        try:
            return self._inside(path).parent.stat().st_ino
        except OSError:
            return 0

    def stage(self, path: str, data: bytes, *, like: str | None = None) -> str:
        """The name of a new file beside ``path`` that holds ``data``, flushed to the disk.

        It has the permissions of ``like``. Raises OSError, or PathError for a path that cannot be;
        then nothing is left behind.
        """
        self._inside(path)
        self.make_folder(str(PurePosixPath(path).parent))
        name = self.staged_name(path)
        real = self._inside(name)
        try:
            with real.open("xb") as file:
                file.write(data)
                if like is not None:
                    # Windows has no permissions of this kind
                    with contextlib.suppress(OSError, AttributeError):
                        os.fchmod(file.fileno(), stat.S_IMODE(self._file(like).stat().st_mode))
                file.flush()
                if self._durable:
                    os.fsync(file.fileno())
        except OSError:
            real.unlink(missing_ok=True)
            raise
        return name

    def publish(self, staged: str, path: str) -> None:
        """Give a staged file its name; raises Taken when the name is in use.

        Raises Vanished when the staged file or the folder is gone.
        """
        source, target = self._inside(staged), self._inside(path)
        try:
            _link(source, target)
        except FileExistsError:
            raise Taken(path) from None
        except FileNotFoundError:
            raise Vanished(staged) from None
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}:
                raise
            # a file system without links
            if os.path.lexists(target):
                raise Taken(path) from None
            source.rename(target)
        else:
            self.unlink(staged)
        self._flush_folder(target.parent)

    def followed(self, path: str) -> str:
        """The path of the file that a link inside the root means; of a file, its own."""
        if not self._inside(path).is_symlink():
            return path
        return self._file(path).relative_to(os.path.realpath(self.root)).as_posix()

    def exchange(self, staged: str, path: str) -> bool:
        """Swap a staged file with the one at ``path``; False where the file system cannot.

        Raises Vanished when there is nothing at ``path``.
        """
        if self._exchange is None:
            return False
        target = self._inside(path)
        code = self._exchange(os.fsencode(self._inside(staged)), os.fsencode(target))
        if code == errno.ENOENT:
            raise Vanished(path)
        if code:
            return False
        self._flush_folder(target.parent)
        return True

    def retire(self, path: str, staged: str) -> None:
        """Move what is at ``path`` to a staged name; raises Vanished when nothing is there."""
        target = self._inside(path)
        try:
            target.rename(self._inside(staged))
        except FileNotFoundError:
            raise Vanished(path) from None
        self._flush_folder(target.parent)

    def unlink(self, staged: str) -> None:
        """Remove a staged name; the file lives on if it has another."""
        with contextlib.suppress(FileNotFoundError):
            self._inside(staged).unlink()

    def discard(self, staged: str) -> None:
        """Throw a staged file away; a program that has it open may still finish for ten minutes."""
        source = self._inside(staged)
        try:
            self._trash.mkdir(parents=True, exist_ok=True)
            source.rename(self._trash / source.name)
            os.utime(self._trash / source.name, follow_symlinks=False)
        except FileNotFoundError:
            return
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                source.unlink()

    def empty_trash(self) -> None:
        """Remove what was displaced more than ten minutes ago."""
        oldest = time.time() - _TRASH_SECONDS
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(self._trash)):
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    Path(entry.path).unlink(missing_ok=True)

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents; raises Taken when a file is in the way."""
        try:
            self._inside("" if path == "." else path).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise Taken(path) from None

    def remove_folder(self, path: str) -> bool:
        """Remove an empty folder; False when it is not empty or no folder."""
        try:
            self._inside(path).rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _look(self, entry: os.DirEntry[str], path: str) -> Found | None:
        try:
            entry.name.encode("utf-8")
        except UnicodeEncodeError:
            shown = path.encode("utf-8", "backslashreplace").decode()
            return Found(shown, False, problem="its name is not UTF-8")
        try:
            if entry.is_symlink():
                return self._look_at_link(path)
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Found(path, False, problem=f"cannot be read: {error.strerror}")
        if stat.S_ISDIR(status.st_mode):
            return Found(path, True)
        if not stat.S_ISREG(status.st_mode):
            return Found(path, False, problem="is neither a file nor a folder")
        return Found(path, False, _signature(status))

    def _look_at_link(self, path: str) -> Found:
        real = Path(os.path.realpath(self.root / path))
        if not real.is_relative_to(os.path.realpath(self.root)):
            return Found(path, False, problem="is a link that leads out of the folder")
        if real.is_dir():
            return Found(path, False, problem="is a link to a folder, which is not followed")
        if not real.is_file():
            return Found(path, False, problem="is a link to nothing")
        return Found(path, False, _signature(real.stat()))

    def _file(self, path: str) -> Path:
        """The file a path means, links inside the root followed."""
        real = self._inside(path)
        if real.is_symlink():
            followed = Path(os.path.realpath(real))
            if not followed.is_relative_to(os.path.realpath(self.root)):
                raise PathError(f"'{path}' is a link that leads out of {self.root}")
            return followed
        return real

    def _inside(self, path: str) -> Path:
        """The real path; raises PathError when a step leads upwards or through a link."""
        parts = PurePosixPath(path).parts
        if path.startswith("/") or ".." in parts or "\x00" in path:
            raise PathError(f"'{path}' leads outside {self.root}")
        if _IS_WINDOWS and (problem := windows_problem(path)):
            raise PathError(problem, where=path, hint="rename it in the workspace")
        real = self.root
        for part in parts[:-1]:
            real = real / part
            if real.is_symlink():
                raise PathError(f"'{path}' leads through the link '{real}'")
        return self.root.joinpath(*parts)

    def _flush_folder(self, folder: Path) -> None:
        if not self._durable or _IS_WINDOWS:
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _link(source: Path, target: Path) -> None:
    if os.link in os.supports_follow_symlinks:
        os.link(source, target, follow_symlinks=False)
    else:
        os.link(source, target)


def _signature(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _exchange_call() -> Callable[[bytes, bytes], int] | None:
    """A function that swaps two files in one step and returns an errno, None where there is none.

    Sources: renameat2(2) of Linux, renamex_np(2) of macOS.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            call, at_cwd, swap = libc.renameat2, -100, 2
        elif sys.platform == "darwin":
            call, at_cwd, swap = libc.renamex_np, None, 2
        else:
            return None
    except (OSError, AttributeError, TypeError):
        return None

    def exchange(one: bytes, other: bytes) -> int:
        if at_cwd is None:
            failed = call(one, other, swap)
        else:
            failed = call(at_cwd, one, at_cwd, other, swap)
        return ctypes.get_errno() if failed else 0

    return exchange
