"""Writing real files so that a reader sees the old or the new one, never half of it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_NAME_BYTES = 255


class Disk:
    """Temporary files on the same volume as the store, and their moves into place."""

    def __init__(self, temporary: Path) -> None:
        self._temporary = temporary
        temporary.mkdir(parents=True, exist_ok=True)
        # what a killed server left half written
        for rest in temporary.iterdir():
            self.discard(rest)

    def new_path(self) -> Path:
        """A path that no file has, for a file on its way into the store."""
        return self._temporary / secrets.token_hex(12)

    @contextmanager
    def draft(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A new temporary file open for writing; removed at the end unless it was moved away."""
        path = self.new_path()
        with path.open("xb") as file:
            try:
                yield path, file
            finally:
                file.close()
                path.unlink(missing_ok=True)

    @contextmanager
    def finished(self, content: bytes | Path) -> Iterator[Path]:
        """A temporary file that holds ``content``, or is it; removed unless it was moved away."""
        path = content if isinstance(content, Path) else self.new_path()
        try:
            if not isinstance(content, Path):
                with path.open("xb") as file:
                    file.write(content)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def place(self, content: bytes | Path, target: Path) -> None:
        """Make ``content`` (bytes, or a finished temporary file) the file at ``target``."""
        with self.finished(content) as path:
            path.replace(target)

    def discard(self, path: Path) -> None:
        """Remove a file or a folder with all in it."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def name_problem(path: str) -> str | None:
    """Why no file system would keep this path, None for a good one."""
    for part in path.split("/"):
        if len(part.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
            return f"A name in the path is longer than {_NAME_BYTES} bytes: {part[:40]}..."
        if any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in part):
            return "The path holds a control character."
    return None
