"""diskcache's door to the disk, without pickle and without a way out of the directory.

diskcache unpickles what a row of its database says is a pickle (CVE-2025-69872), and opens and
removes whatever file name a row holds. Here a key is a string, a value is bytes, a file name is one
that we made; anything else is refused on write and on read.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import IO, Any

from diskcache import Disk
from diskcache.core import MODE_BINARY, MODE_RAW, UNKNOWN

_KEY = re.compile(r"[0-9a-z]{64}")
_FILE = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")


class Refused(Exception):
    """Something in the cache, or meant for it, is not of the one kind that is allowed there."""


class BytesDisk(Disk):  # type: ignore[misc]  # diskcache has no types
    """Keys of 64 letters and digits, values of bytes; everything else raises Refused."""

    def put(self, key: Any) -> tuple[str, bool]:
        """The key as it is kept."""
        if type(key) is not str or not _KEY.fullmatch(key):
            raise Refused(f"no key of this cache: {key!r:.80}")
        return key, True

    def get(self, key: Any, raw: bool) -> str:
        """The key as it was given."""
        if not raw or type(key) is not str or not _KEY.fullmatch(key):
            raise Refused("a key in the cache is none of ours")
        return key

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> Any:
        """Size, mode, file name and value, as diskcache keeps them."""
        if type(value) is not bytes or read:
            raise Refused(f"only bytes are kept, not {type(value).__name__}")
        return super().store(value, False, key=key)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> bytes | IO[bytes]:
        """The bytes, or an open file of them."""
        if mode == MODE_RAW and type(value) is bytes:
            return value
        if mode == MODE_BINARY and filename is not None and _FILE.fullmatch(filename):
            found: bytes | IO[bytes] = super().fetch(mode, filename, None, read)
            return found
        raise Refused(f"an entry of kind {mode} is not read")

    def _write(self, full_path: str, iterator: Any, mode: str, encoding: str | None = None) -> int:
        """Write a file whole or not at all: a full disk leaves no rest."""
        try:
            size: int = super()._write(full_path, iterator, mode, encoding)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(full_path).unlink()
            raise
        return size

    def remove(self, file_path: str) -> None:
        """Remove a file of ours; a name that is not one we made is left alone."""
        if _FILE.fullmatch(file_path):
            super().remove(file_path)
