"""What a failing statement says: condition, SQLSTATE, place and hint, as Databricks tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors.exceptions.base import PySparkException

_PLACE = re.compile(r"(?:\(|SQLSTATE: \w{5}; )line (\d+),? pos (\d+)")


class StatementError(Exception):
    """A statement that failed, with what Databricks tells of it."""

    def __init__(
        self,
        message: str,
        *,
        condition: str = "INTERNAL_ERROR",
        sqlstate: str = "XX000",
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.condition = condition
        self.sqlstate = sqlstate
        self.line = line
        self.column = column
        self.hint = hint


@contextmanager
def as_statement_errors() -> Iterator[None]:
    """Raise what fails in here as a StatementError."""
    try:
        yield
    except StatementError:
        raise
    except Exception as error:
        raise _statement_error(error) from error


def _statement_error(error: Exception) -> StatementError:
    """Any error of a statement, with its class and SQLSTATE where they are known."""
    message = str(error).strip()
    if not isinstance(error, PySparkException):
        return StatementError(f"[INTERNAL_ERROR] {message} SQLSTATE: XX000")
    condition = _asked(error, "getCondition") or _asked(error, "getErrorClass") or "INTERNAL_ERROR"
    sqlstate = _asked(error, "getSqlState") or "XX000"
    if "SQLSTATE:" not in message:
        message = message if message.startswith("[") else f"[{condition}] {message}"
        message += f" SQLSTATE: {sqlstate}"
    place = _PLACE.search(message)
    line, column = (int(place[1]), int(place[2]) + 1) if place else (None, None)
    hint = str(getattr(error, "hint", ""))
    return StatementError(
        message, condition=condition, sqlstate=sqlstate, line=line, column=column, hint=hint
    )


def _asked(error: Exception, method: str) -> str:
    try:
        return str(getattr(error, method)() or "")
    except Exception:  # noqa: BLE001 - an exception that does not know its class
        return ""
