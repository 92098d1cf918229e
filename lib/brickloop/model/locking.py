"""A lock between processes on an open file, on any system; it goes when its holder does.

Only the standard library is used, and of that what the system has.
"""

from __future__ import annotations

import os
import sys

# Windows forbids others to read what is locked: a byte far behind the content is
_FAR = 1 << 30


def try_lock(handle: int) -> bool:
    """Whether the lock on this open file is ours now; never waits."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, _FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def unlock(handle: int) -> None:
    """Give the lock back; closing the file does so too."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_UN)
