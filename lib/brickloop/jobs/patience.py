"""Failures of the moment: which ones they are, and asking again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from brickloop.errors import BrickloopError, OutputUnavailable

T = TypeVar("T")
_PAUSES = (0.2, 1.0, 3.0)


def patiently(work: Callable[[], T]) -> T:
    """What ``work`` gives, which is done again after failures of the moment, four times at most.

    For what may be done twice without harm: reading, and requests with an idempotency token.
    """
    for pause in _PAUSES:
        try:
            return work()
        except Exception as error:
            if not is_passing(error):
                raise
        time.sleep(pause)
    return work()


def is_passing(error: Exception) -> bool:
    """Whether a failure is one of the moment: a lost connection, 429, 5xx."""
    import requests
    from databricks.sdk import errors as sdk
    from databricks.sdk.errors.base import DatabricksError

    if isinstance(error, OutputUnavailable):
        return False
    cause = error.__cause__ if isinstance(error, BrickloopError) and error.__cause__ else error
    passing = (
        requests.RequestException,
        ConnectionError,
        TimeoutError,
        sdk.TooManyRequests,
        sdk.InternalError,
        sdk.TemporarilyUnavailable,
        sdk.DeadlineExceeded,
    )
    # 502 has no class of its own
    return isinstance(cause, passing) or type(cause) is DatabricksError
