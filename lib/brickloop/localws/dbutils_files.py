"""``dbutils.fs`` on the store: DBFS, volumes and workspace files by their paths."""

from __future__ import annotations

import errno
import os
import shutil
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple

from brickloop.errors import PathError
from brickloop.localws.layout import StoreLayout
from brickloop.model.paths import RemotePath, Store, parse_remote_path

_HEAD_BYTES = 65_536


class FileInfo(NamedTuple):
    """One entry of ``dbutils.fs.ls``."""

    path: str
    name: str
    """Ends with a slash for a folder."""
    size: int
    modificationTime: int  # noqa: N815 - the API's name
    """Milliseconds since 1970."""

    def isDir(self) -> bool:  # noqa: N802 - the API's name
        """Whether it is a folder."""
        return self.name.endswith("/")

    def isFile(self) -> bool:  # noqa: N802 - the API's name
        """Whether it is a file."""
        return not self.isDir()


class MountInfo(NamedTuple):
    """One entry of ``dbutils.fs.mounts``."""

    mountPoint: str  # noqa: N815 - the API's name
    source: str
    encryptionType: str  # noqa: N815 - the API's name


class FileSystem:
    """``dbutils.fs``."""

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout

    def ls(self, path: str) -> list[FileInfo]:
        """The entries of a folder by name, or the one of a file."""
        remote, real = self._existing(path)
        if real.is_dir():
            with os.scandir(real) as entries:
                names = sorted(entry.name for entry in entries)
            return [_describe(remote.joined(name), real / name) for name in names]
        return [_describe(remote, real)]

    def head(self, file: str, max_bytes: int = _HEAD_BYTES, *, maxBytes: int = 0) -> str:  # noqa: N803
        """The first bytes of a file as text."""
        wanted = int(maxBytes or max_bytes)
        _, real = self._existing(file)
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Cannot head a directory", file)
        with real.open("rb") as opened:
            data = opened.read(wanted)
        if real.stat().st_size > wanted:
            print(f"[Truncated to first {wanted} bytes]")  # noqa: T201
        return data.decode("utf-8", "replace")

    def put(self, file: str, contents: str, overwrite: bool = False) -> bool:
        """Write a text file and its missing folders.

        Raises FileExistsError when it is there and ``overwrite`` is not given.
        """
        remote, real = self._find(file)
        if real.exists() and not overwrite:
            raise FileExistsError(errno.EEXIST, "the file already exists", str(remote))
        real.parent.mkdir(parents=True, exist_ok=True)
        data = str(contents).encode()
        unfinished = real.with_name(f".{real.name}.{os.getpid()}")
        unfinished.write_bytes(data)
        unfinished.replace(real)
        print(f"Wrote {len(data)} bytes.")  # noqa: T201
        return True

    def mkdirs(self, dir: str) -> bool:
        """Make a folder and its parents."""
        self._find(dir)[1].mkdir(parents=True, exist_ok=True)
        return True

    def rm(self, dir: str, recurse: bool = False) -> bool:
        """Delete; False where nothing was there. A folder with content needs ``recurse``."""
        remote, real = self._find(dir)
        if not os.path.lexists(real):
            return False
        if real.is_dir() and not real.is_symlink():
            if not recurse and any(real.iterdir()):
                raise OSError(
                    errno.ENOTEMPTY, "the folder is not empty; pass recurse=True", str(remote)
                )
            shutil.rmtree(real)
        else:
            real.unlink()
        return True

    def cp(self, source: str, to: str, recurse: bool = False) -> bool:
        """Copy a file, or a folder with ``recurse``."""
        _, origin = self._existing(source)
        target = self._target(origin, to, recurse)
        if origin.is_dir():
            shutil.copytree(origin, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, target)
        return True

    def mv(self, source: str, to: str, recurse: bool = False) -> bool:
        """Move a file, or a folder with ``recurse``."""
        self.cp(source, to, recurse)
        return self.rm(source, recurse)

    def mounts(self) -> list[MountInfo]:
        """The mount points; the local workspace has the DBFS root only."""
        return [
            MountInfo("/", "DatabricksRoot", ""),
            MountInfo("/Volumes", "UnityCatalogVolumes", ""),
        ]

    def refreshMounts(self) -> bool:  # noqa: N802 - the API's name
        """Nothing to refresh."""
        return True

    def mount(self, source: str, mount_point: str, *args: Any, **kwargs: Any) -> bool:
        """Not possible here; raises NotImplementedError."""
        raise NotImplementedError(
            f"UNSUPPORTED: the local workspace mounts no cloud storage ({source} at {mount_point});"
            " copy the data to a volume"
        )

    def unmount(self, mount_point: str) -> bool:
        """Not possible here; raises NotImplementedError."""
        raise NotImplementedError(f"UNSUPPORTED: nothing is mounted at {mount_point}")

    def _find(self, path: str) -> tuple[RemotePath, Path]:
        text = os.fspath(path)
        if text.startswith("file:") and not text.startswith("file:/Workspace"):
            # the driver's own disk
            plain = Path(urllib.parse.urlsplit(text).path)
            return RemotePath(Store.DBFS, str(plain)), plain
        if "://" in text and not text.startswith("dbfs://"):
            raise PathError(
                f"'{text}' is on cloud storage, which the local workspace does not reach"
            )
        remote = parse_remote_path(text)
        return remote, self._layout.real(remote)

    def _existing(self, path: str) -> tuple[RemotePath, Path]:
        remote, real = self._find(path)
        if not real.exists():
            # the words that notebooks look for when they test whether a path is there
            raise FileNotFoundError(
                errno.ENOENT,
                f"java.io.FileNotFoundException: No such file or directory {remote.path}",
                str(remote),
            )
        return remote, real

    def _target(self, origin: Path, to: str, recurse: bool) -> Path:
        _, target = self._find(to)
        if origin.is_dir() and not recurse:
            raise IsADirectoryError(errno.EISDIR, "a folder needs recurse=True", str(to))
        if not origin.is_dir() and (target.is_dir() or to.endswith("/")):
            return target / origin.name
        return target


def _describe(remote: RemotePath, real: Path) -> FileInfo:
    stat = real.stat()
    slash = "/" if real.is_dir() else ""
    shown = f"dbfs:{remote.path}" if remote.store is not Store.WORKSPACE else f"file:{remote.path}"
    size = 0 if slash else stat.st_size
    return FileInfo(shown + slash, real.name + slash, size, int(stat.st_mtime * 1000))
