"""Files that are there whole or not at all: written beside their place, then moved into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path, *, private: bool = False, durable: bool = False) -> Iterator[BinaryIO]:
    """A file open for writing that is ``path`` when the block ends; where it fails nothing changed.

    A file that was there keeps its mode; ``private`` lets only the owner read it. ``durable`` has
    it outlive a loss of power. The folder must be there.
    """
    draft = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}")
    mode = 0o600 if private else 0o666
    kept = None if private else _mode(path)
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if kept is not None:
            draft.chmod(kept)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_whole(
    path: Path, content: bytes | str, *, private: bool = False, durable: bool = False
) -> None:
    """Make ``content`` the file at ``path``, as ``whole_file`` does.

    Text is written as UTF-8; halves of characters become ``?``.
    """
    with whole_file(path, private=private, durable=durable) as file:
        file.write(content.encode("utf-8", "replace") if isinstance(content, str) else content)


def _mode(path: Path) -> int | None:
    """The permissions of a file, None where there is none."""
    try:
        return path.stat().st_mode & 0o7777
    except OSError:
        return None
