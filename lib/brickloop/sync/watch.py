"""Watching a pair: what is saved goes up at once, what moves in the workspace comes down.

One thread does all the syncing, so that nothing here runs twice at a time. No failure ends it: what
did not work is tried again, later and later, while the rest goes on.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from brickloop.errors import BrickloopError, UsageError
from brickloop.sync.engine import Synchronizer
from brickloop.sync.inbox import QUIET_SECONDS, Batch, Inbox
from brickloop.sync.local_events import LocalEvents
from brickloop.sync.plan import SAFE, Mode
from brickloop.sync.report import SyncReport
from brickloop.sync.saves import Snapshot, learn_stamps, push_saved, take_snapshot
from brickloop.sync.versions import Side

_LEARN_AT_ONCE = 16
_MOST_PENDING = 4096


@dataclass(frozen=True)
class Pauses:
    """How long a watch waits for what, in seconds."""

    quiet: float = QUIET_SECONDS
    gone: float = 0.5
    """Until a file that vanished or was emptied is believed to stay so."""
    poll_first: float = 5.0
    """Between two looks at the workspace while somebody is at work."""
    poll_longest: float = 60.0
    retry_first: float = 1.0
    retry_longest: float = 60.0
    whole: float = 600.0
    """Between two looks at everything, for what no event has told."""


@dataclass(frozen=True)
class WatchEvent:
    """Something a watch has to tell."""

    kind: str
    """``watching``, ``synced``, ``waiting`` (something failed) or ``stopped``."""
    report: SyncReport | None = None
    message: str = ""
    retry_in: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The event in JSON types."""
        found: dict[str, Any] = {"event": self.kind}
        if self.message:
            found["message"] = self.message
        if self.retry_in is not None:
            found["retry_in"] = self.retry_in
        return {**found, **(self.report.as_json() if self.report else {})}


@dataclass
class _Due:
    """When something is tried again, and how often it has failed."""

    at: float
    failures: int = 0


@dataclass
class _Plans:
    """What the watch has to do, beside what the inbox brings."""

    saved: dict[str, None] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    retries: dict[str, _Due] = field(default_factory=dict)
    whole: bool = True
    unlearnt: set[str] = field(default_factory=set)


class Watcher:
    """Keeps a pair in sync until it is stopped; ``start``, ``stop`` and ``join`` as a thread has.

    ``on_event`` is called from the watch's own thread.
    """

    def __init__(
        self,
        sync: Synchronizer,
        mode: Mode = SAFE,
        *,
        on_save: bool = True,
        on_event: Callable[[WatchEvent], None] = lambda _event: None,
        pauses: Pauses | None = None,
    ) -> None:
        self._sync = sync
        self._mode = mode
        self._on_event = on_event
        self._pauses = pauses or Pauses()
        self._pushes = on_save and Side.REMOTE in mode.changes
        self._polls = Side.LOCAL in mode.changes or not on_save
        self._inbox = Inbox(self._pauses.quiet)
        self._events = LocalEvents(sync.pair.local, self._inbox)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="brickloop-watch", daemon=True)
        self._plans = _Plans()
        self._snapshot: Snapshot | None = None
        self._poll_pause = self._pauses.poll_first
        self._poll_at = self._whole_at = 0.0
        self._outage: _Due | None = None
        self._outage_told = ""
        self._waiting: tuple[tuple[str, ...], ...] | None = None
        self.failure: BaseException | None = None
        """What ended the watch though it was not stopped: a fault of brickloop."""

    def start(self) -> None:
        """Begin to listen, then to sync; raises UsageError where there is no folder to watch."""
        folder = self._sync.pair.local
        if not folder.is_dir():
            if Side.LOCAL not in self._mode.changes:
                raise UsageError("there is no such folder", where=str(folder))
            folder.mkdir(parents=True, exist_ok=True)
        if self._pushes:
            try:
                self._events.start()
            except OSError as error:
                raise UsageError(
                    f"cannot be watched: {error.strerror or error}", where=str(folder)
                ) from None
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand and end; returns at once."""
        self._stopping.set()
        self._sync.finish_soon.set()
        self._inbox.close()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the watch has ended."""
        self._thread.join(timeout)

    def is_alive(self) -> bool:
        """Whether the watch goes on."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            polled = "the system has no room for more watches: the folder is looked through instead"
            self._tell(WatchEvent("watching", message=polled if self._events.polls else ""))
            self._tend()
            while not self._stopping.is_set():
                self._sort(self._inbox.take(self._deadline()))
                if not self._stopping.is_set():
                    self._tend()
        except BaseException as error:  # noqa: BLE001  handed to whoever joins
            self.failure = error
        finally:
            self._events.stop()
            self._sync.close()
            self._tell(WatchEvent("stopped"))

    def _deadline(self) -> float | None:
        """When something is to be done though nothing happens."""
        plans = self._plans
        if self._outage is not None:
            return self._outage.at
        if plans.gone:
            return min(plans.gone.values())
        moments = [self._whole_at]
        moments += [due.at for due in plans.retries.values()]
        if self._polls:
            moments.append(self._poll_at)
        if plans.unlearnt or plans.saved:
            moments.append(0.0)
        return min(moments)

    def _sort(self, batch: Batch) -> None:
        """Take a batch in: what is gone or empty has to stay so for a moment."""
        now = time.monotonic()
        plans = self._plans
        for path in batch.paths:
            plans.retries.pop(path, None)
            if self._is_there(path):
                plans.gone.pop(path, None)
                plans.saved[path] = None
            else:
                plans.gone.setdefault(path, now + self._pauses.gone)
        plans.whole = plans.whole or batch.whole
        for path, at in list(plans.gone.items()):
            if at <= now:
                del plans.gone[path]
                plans.saved[path] = None
        for path, due in plans.retries.items():
            if due.at > now:
                continue
            due.at = math.inf  # until it has failed again
            if path:
                plans.saved[path] = None
            else:
                plans.whole = True
        if len(plans.saved) > _MOST_PENDING:
            plans.saved, plans.whole = {}, True
        if batch:
            self._poll_soon()

    def _tend(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._outage is not None and self._outage.at > now:
            return
        if self._pushes and (self._events.renew() or not self._sync.tree.exists()):
            self._plans.whole = True
        if now >= self._whole_at:
            self._plans.whole = True
        try:
            self._push()
            if self._plans.whole and not self._plans.gone:
                self._look_at_whole()
            elif self._polls and now >= self._poll_at:
                self._poll()
            self._learn()
        except (BrickloopError, OSError, sqlite3.Error) as error:
            self._note_outage(error)
        else:
            self._outage, self._outage_told = None, ""

    def _push(self) -> None:
        paths = list(self._plans.saved)
        if not paths:
            return
        report = push_saved(self._sync, paths)
        # only now: an outage leaves them to be sent later
        for path in paths:
            self._plans.saved.pop(path, None)
        if report is None:
            self._plans.whole = True
            return
        self._take_in(report, paths)
        if report.changes or report.failures:
            self._tell(WatchEvent("synced", report))

    def _look_at_whole(self) -> SyncReport:
        now = time.monotonic()
        before = None
        if self._snapshot is None and self._polls and self._pushes:
            before = take_snapshot(self._sync)
        report = self._sync.run(self._mode)
        if not report.changes:
            self._snapshot = self._snapshot or before
        self._plans.whole = False
        self._whole_at = now + self._pauses.whole
        self._take_in(report, list(self._plans.retries))
        waiting = (
            tuple(hold.slot for hold in report.conflicts),
            tuple(one.slot for one in report.held if one.counts),
        )
        if report.changes or report.failures or waiting != self._waiting:
            self._tell(WatchEvent("synced", report))
        self._waiting = waiting
        if report.changes:
            self._poll_pause = self._pauses.poll_first
        self._poll_at = time.monotonic() + self._poll_pause
        return report

    def _poll(self) -> None:
        """Look whether anything moved in the workspace, more seldom the longer nothing does."""
        if self._pushes:
            snapshot = take_snapshot(self._sync)
            self._plans.whole = self._plans.whole or snapshot != self._snapshot
            self._snapshot = snapshot
        else:
            # nothing tells of local changes here: they are found by looking
            self._plans.whole = True
        self._poll_pause = min(self._poll_pause * 1.5, self._pauses.poll_longest)
        if self._plans.whole and not self._plans.gone:
            self._look_at_whole()
        self._poll_at = time.monotonic() + self._poll_pause

    def _poll_soon(self) -> None:
        self._poll_pause = self._pauses.poll_first
        self._poll_at = min(self._poll_at, time.monotonic() + self._poll_pause)

    def _learn(self) -> None:
        """Read back what was sent while nothing else is to be done."""
        unlearnt = self._plans.unlearnt
        while unlearnt and self._inbox.is_empty and not self._stopping.is_set():
            some = sorted(unlearnt)[:_LEARN_AT_ONCE]
            unlearnt.difference_update(some)
            learn_stamps(self._sync, some)

    def _take_in(self, report: SyncReport, tried: Iterable[str]) -> None:
        """Have what failed tried again, and what was sent read back."""
        failed = {failure.name for failure in report.failures}
        for path in tried:
            if path not in failed:
                self._plans.retries.pop(path, None)
        for path in failed:
            self._retry(path)
        self._plans.unlearnt.update(
            change.path for change in report.changes if change.side == Side.REMOTE.value
        )

    def _retry(self, path: str) -> None:
        """Have a path tried again after a while; an empty one stands for a look at the whole."""
        due = self._plans.retries.setdefault(path, _Due(0.0))
        due.at = time.monotonic() + self._pause_after(due.failures)
        due.failures += 1

    def _note_outage(self, error: Exception) -> None:
        failures = self._outage.failures if self._outage else 0
        pause = self._pause_after(failures)
        self._outage = _Due(time.monotonic() + pause, failures + 1)
        if str(error) != self._outage_told:
            self._outage_told = str(error)
            self._tell(WatchEvent("waiting", message=str(error), retry_in=pause))

    def _pause_after(self, failures: int) -> float:
        # beyond some doublings it is the longest anyway
        return min(self._pauses.retry_first * 2.0 ** min(failures, 30), self._pauses.retry_longest)

    def _is_there(self, path: str) -> bool:
        """Whether a file stands there with something in it."""
        try:
            return (self._sync.pair.local / path).lstat().st_size > 0
        except OSError:
            return False

    def _tell(self, event: WatchEvent) -> None:
        self._on_event(event)


def stop_all(watchers: Iterable[Watcher]) -> None:
    """Stop several watches and wait for each."""
    found = list(watchers)
    for watcher in found:
        watcher.stop()
    for watcher in found:
        watcher.join()
