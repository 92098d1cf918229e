"""Failures that others raise, in our words: of the SDK, the network, databases, files, memory.

What is asked is only what has been imported: an error of a library that is not loaded there is not.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys

from brickloop.errors import (
    BrickloopError,
    ConnectionFailed,
    StatementFailed,
    TimedOut,
    UsageError,
    WorkFailed,
)

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_TOO_MANY = frozenset({errno.EMFILE, errno.ENFILE})
_HINTS = {
    **dict.fromkeys(_FULL, "make room on the disk and try again; nothing half-written is kept"),
    **dict.fromkeys(_FORBIDDEN, "change its permissions or owner, or choose another place"),
    **dict.fromkeys(_TOO_MANY, "close programs, or raise the limit: ulimit -n 4096"),
    errno.ENOENT: "see whether the path is right, and whether the folder is still there",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EISDIR: "a folder stands where a file is needed",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "the disk or the network drive does not work as it should",
    getattr(errno, "ESTALE", errno.EIO): "the network drive was mounted anew; go there again",
}
_DATABASE = (
    ("locked", "another command works with it; wait for that, and try again"),
    ("busy", "another command works with it; wait for that, and try again"),
    ("readonly", "change the permissions of the file and of its folder"),
    ("unable to open", "change the permissions of its folder, or see whether the disk is full"),
    ("full", "make room on the disk and try again"),
    ("disk i/o", "see whether the disk is full; a network drive may not do for databases"),
    ("malformed", "move .brickloop/ledger.db away: what was sent is then compared anew"),
    ("not a database", "move .brickloop/ledger.db away: what was sent is then compared anew"),
)


def known_failure(error: BaseException) -> BrickloopError | None:
    """What a person is told of an error that is no fault of ours; None for one that may be.

    A failure of the workspace or of the network is named as ``clients.workspace`` names it, without
    a host where none is known. Never holds a secret.
    """
    if isinstance(error, BrickloopError):
        return error
    if isinstance(error, sqlite3.Error):
        return _of_database(error)
    if isinstance(error, MemoryError):
        return WorkFailed(
            "there is not enough memory for this",
            hint="ask for less at once (--limit, --select), or close programs",
        )
    return _of_libraries(error) or (_of_system(error) if isinstance(error, OSError) else None)


def _of_libraries(error: BaseException) -> BrickloopError | None:
    module = type(error).__module__.partition(".")[0]
    bases = {base.__module__.split(".", 1)[0] for base in type(error).__mro__}
    if not bases & {"databricks", "requests", "urllib3"} and not isinstance(
        error, ConnectionError | TimeoutError
    ):
        return None
    if isinstance(error, BrokenPipeError):
        return None
    if module == "databricks" and "databricks.sql" in type(error).__module__:
        return StatementFailed(_first_line(error))
    if "requests" in sys.modules or "databricks.sdk" in sys.modules:
        from brickloop.clients.workspace import in_our_words

        found = in_our_words(error, None) if isinstance(error, Exception) else None
        if found is not None:
            return found
    if isinstance(error, TimeoutError):
        return TimedOut(f"there was no answer in time: {_first_line(error)}")
    if isinstance(error, ConnectionError) or "urllib3" in bases:
        return ConnectionFailed(
            f"the connection failed: {_first_line(error)}", hint="check the network and try again"
        )
    return None


def _of_database(error: sqlite3.Error) -> BrickloopError | None:
    text = _first_line(error)
    hint = next((hint for sign, hint in _DATABASE if sign in text.lower()), None)
    if hint is None:
        return None
    return WorkFailed(f"the project's database (.brickloop/ledger.db): {text}", hint=hint)


def _of_system(error: OSError) -> BrickloopError | None:
    if error.errno not in _HINTS and getattr(error, "winerror", None) is None:
        return None
    what = os.strerror(error.errno).lower() if error.errno else _first_line(error)
    where = os.fspath(error.filename) if isinstance(error.filename, str | os.PathLike) else None
    if where is None and error.errno not in _FULL | _TOO_MANY | {errno.EIO}:
        if error.errno == errno.ENOENT and _is_nowhere():
            return UsageError(
                "the folder you are in is not there any more", hint="go to another: cd"
            )
        return None
    return WorkFailed(what, where=where, hint=_HINTS.get(error.errno or 0))


def _is_nowhere() -> bool:
    try:
        os.getcwd()  # noqa: PTH109  Path.cwd does the same
    except OSError:
        return True
    return False


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0].strip() or type(error).__name__
