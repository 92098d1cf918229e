"""Errors of others, named for people; what may be a fault of ours is not explained away."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
import requests
from databricks.sdk import errors as sdk
from databricks.sql import exc as connector

from brickloop.clients.failure import known_failure
from brickloop.errors import (
    ConnectionFailed,
    NotAuthenticated,
    StatementFailed,
    TimedOut,
    UsageError,
    WorkFailed,
)


def _os_error(number, path=None):
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "kind", "code", "said", "hint"),
    [
        (_os_error(errno.ENOSPC), WorkFailed, 1, "no space left", "make room"),
        (_os_error(errno.EACCES, "/x/y"), WorkFailed, 1, "/x/y: permission denied", "permissions"),
        (_os_error(errno.EROFS, "/x"), WorkFailed, 1, "/x: read-only", "permissions"),
        (_os_error(errno.ENOENT, "/x"), WorkFailed, 1, "/x: no such file", "path is right"),
        (_os_error(errno.EMFILE), WorkFailed, 1, "too many open files", "ulimit"),
        (_os_error(errno.ENAMETOOLONG, "n"), WorkFailed, 1, "name too long", "shorter"),
        (sqlite3.OperationalError("database is locked"), WorkFailed, 1, "locked", "another"),
        (sqlite3.DatabaseError("file is not a database"), WorkFailed, 1, "not a data", "away"),
        (sqlite3.OperationalError("database or disk is full"), WorkFailed, 1, "full", "room"),
        (MemoryError(), WorkFailed, 1, "not enough memory", "--limit"),
        (ConnectionResetError(104, "reset"), ConnectionFailed, 3, "connection failed", "network"),
        (TimeoutError("slow"), TimedOut, 4, "in time", None),
        (requests.ConnectTimeout("x"), ConnectionFailed, 3, "no connection within", "network"),
        (requests.exceptions.ProxyError("p"), ConnectionFailed, 3, "connection failed", "network"),
        (sdk.Unauthenticated("who are you"), NotAuthenticated, 3, "credentials", "auth login"),
        (sdk.PermissionDenied("no"), WorkFailed, 1, "not allowed: no", "administrator"),
        (sdk.NotFound("no such job"), WorkFailed, 1, "no such job", None),
        (sdk.InternalError("oops"), WorkFailed, 1, "the workspace answered: oops", None),
        (connector.ServerOperationError("bad"), StatementFailed, 1, "bad", None),
    ],
)
def test_a_known_error_is_named_with_its_code_and_what_to_do(error, kind, code, said, hint):
    found = known_failure(error)
    assert type(found) is kind
    assert found.exit_code == code
    assert said in str(found).lower()
    assert hint is None or hint in found.hint


def test_ours_stay_as_they_are():
    ours = UsageError("x")
    assert known_failure(ours) is ours


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        TypeError("x"),
        ValueError("x"),
        RecursionError(),
        sqlite3.IntegrityError("UNIQUE constraint failed"),
        sqlite3.ProgrammingError("Cannot operate on a closed database."),
        OSError(errno.EBADF, "Bad file descriptor"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
    ],
)
def test_what_may_be_a_fault_of_ours_is_not_explained_away(error):
    assert known_failure(error) is None


def test_a_folder_that_is_gone_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        Path.cwd()
    found = known_failure(caught.value)
    assert isinstance(found, UsageError)
    assert "not there any more" in str(found)
