"""Replaces an engine that goes on computing when nobody has it compute anything any more.

A statement that was told to stop may go on in the engine (a task of it that never yields), and a
few of them take the processor for good. So an engine is looked at after each stop: whether it comes
to rest while nothing is under way on it. When it does not, the sessions that open from then on go
to a fresh one, those that are open are moved as soon as they are quiet, and the old engine is ended
when nobody is left on it. What runs on it is never touched.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_LOG = logging.getLogger("brickloop.localws")
_WINDOW_SECONDS = 0.5
_AT_REST = 0.15
"""The part of a processor that an engine may take which does nothing."""
_AFTER_FAILURE_SECONDS = 10.0
_WINDOWS_AT_REST = 2
_WINDOWS_RESTLESS = 6


@dataclass(frozen=True)
class Standing:
    """What an engine is doing at one moment."""

    is_used: bool
    begun: int
    """How much was begun on it so far."""
    processor_seconds: float | None
    """None where the engine is gone, or where the system does not tell."""


class Engines(Protocol):
    """The engines and who uses them."""

    def standing(self, endpoint: str) -> Standing:
        """What the engine at this address is doing."""

    def supersede(self, endpoint: str) -> None:
        """Have others take what comes from now on."""

    def vacate(self, endpoint: str) -> bool:
        """Move what can be moved off it; whether it is ended, for nobody is left on it."""


class EngineWatch:
    """Looks at engines after something was stopped on them; safe to share between threads."""

    def __init__(self, engines: Engines, *, window_seconds: float = _WINDOW_SECONDS) -> None:
        self._engines = engines
        self._window = window_seconds
        self._lock = threading.Lock()
        self._watched: set[str] = set()
        self._again: set[str] = set()
        self._closed = threading.Event()

    def look_at(self, endpoint: str) -> None:
        """Begin to look whether an engine comes to rest; returns at once."""
        with self._lock:
            if self._closed.is_set() or not endpoint:
                return
            self._again.add(endpoint)
            if endpoint in self._watched:
                return
            self._watched.add(endpoint)
        threading.Thread(
            target=self._follow, args=(endpoint,), name="engine-watch", daemon=True
        ).start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def _follow(self, endpoint: str) -> None:
        while not self._closed.is_set():
            with self._lock:
                if endpoint not in self._again:
                    self._watched.discard(endpoint)
                    return
                self._again.discard(endpoint)
            if self._comes_to_rest(endpoint):
                continue
            _LOG.warning("the engine does not come to rest after a cancel; another takes its place")
            superseded = self._try(lambda: self._engines.supersede(endpoint))
            if superseded:
                self._empty(endpoint)
            with self._lock:
                self._again.discard(endpoint)
                if not superseded:
                    self._again.add(endpoint)
            self._closed.wait(0 if superseded else _AFTER_FAILURE_SECONDS)

    def _comes_to_rest(self, endpoint: str) -> bool:
        """Whether it rests while it is not used; waits until one or the other is sure."""
        rested = restless = 0
        while rested < _WINDOWS_AT_REST and restless < _WINDOWS_RESTLESS:
            before = self._engines.standing(endpoint)
            if self._closed.wait(self._window):
                return True
            after = self._engines.standing(endpoint)
            if before.processor_seconds is None or after.processor_seconds is None:
                return True
            if before.is_used or after.is_used or before.begun != after.begun:
                # what it uses now may be what it is asked for
                continue
            used = after.processor_seconds - before.processor_seconds
            if used > self._window * _AT_REST:
                rested, restless = 0, restless + 1
            else:
                rested, restless = rested + 1, 0
        return restless < _WINDOWS_RESTLESS

    def _empty(self, endpoint: str) -> None:
        ended = False

        def vacate() -> None:
            nonlocal ended
            ended = self._engines.vacate(endpoint)

        while not self._closed.is_set():
            self._try(vacate)
            if ended:
                return
            self._closed.wait(self._window)

    def _try(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except Exception:  # noqa: BLE001 - an engine that does not start may start later
            _LOG.exception("the engine could not be replaced; it is tried again")
            return False
        return True
