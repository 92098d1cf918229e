"""Wheels attached to a run: unpacked once by content, then put on the path."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

from brickloop.errors import UsageError


def unpack(wheel: Path, cache: Path) -> Path:
    """The folder that holds the wheel's packages; raises UsageError for a file that is no wheel."""
    if not wheel.is_file():
        raise UsageError("the library does not exist", where=str(wheel))
    target = cache / hashlib.sha256(wheel.read_bytes()).hexdigest()[:32]
    if target.is_dir():
        return target
    unfinished = cache / f"{target.name}.{os.getpid()}"
    try:
        with zipfile.ZipFile(wheel) as archive:
            # extract() drops absolute and upward steps by itself
            archive.extractall(unfinished)
    except zipfile.BadZipFile:
        raise UsageError("the library is no wheel", where=str(wheel)) from None
    try:
        unfinished.rename(target)
    except OSError:
        # another run was faster; its folder has the same content
        if not target.is_dir():
            raise
    return target
