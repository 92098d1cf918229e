"""Threads for calls that wait: they must not take those that answer everything else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_WAITING = 200
_limiter: anyio.CapacityLimiter | None = None


async def run_waiting(
    function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """What the function gives, from a thread of those that are kept for waiting."""
    global _limiter
    if _limiter is None:
        # a limiter belongs to the event loop, which is not there when this is imported
        _limiter = anyio.CapacityLimiter(_WAITING)
    called = functools.partial(function, *args, **kwargs)
    return await anyio.to_thread.run_sync(called, limiter=_limiter)
