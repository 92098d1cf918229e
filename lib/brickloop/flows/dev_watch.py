"""The dev loop: what a save affects is run and shown, again and again, until it is stopped.

One thread looks what changed, another runs. No failure of a notebook, a file or a workspace ends
it; it is shown, and the next save is waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from brickloop.display import diagnostics
from brickloop.errors import BrickloopError, UsageError
from brickloop.flows.affected import Choice, Look
from brickloop.model.job_result import JobResult
from brickloop.sync.inbox import Inbox
from brickloop.sync.ledger import Ledger
from brickloop.sync.local_events import LocalEvents

_LOOKS = 5
_PAUSE_SECONDS = 0.1


class Cut:
    """Cancels one run: at once, or as soon as it is known how."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None
        self._wanted = False

    def cancel(self) -> None:
        """End the run; once is enough."""
        with self._lock:
            end = None if self._wanted else self._end
            self._wanted = True
        if end is not None:
            end()

    def on_cancel(self, end: Callable[[], None]) -> None:
        """Say how the run is ended; that is done at once where it was cancelled already."""
        with self._lock:
            self._end = end
            wanted = self._wanted
        if wanted:
            end()


class Executor(Protocol):
    """What a watch runs notebooks with."""

    def run(self, path: Path, cut: Cut) -> JobResult:
        """The result of a notebook whose output is shown; ``cut`` is told how to end it."""


class DevWatch:
    """Runs what a save affects; ``start``, ``stop`` and ``join`` as watchdog's observers have.

    ``queue`` lets a run end before what was saved meanwhile is run; otherwise a save that affects
    the running notebook cancels it. ``now`` runs everything once at the start. ``on_result`` is
    called after each run, from the watch's own thread.
    """

    def __init__(
        self,
        choice: Choice,
        executor: Executor,
        ledger: Path,
        *,
        queue: bool = False,
        now: bool = False,
        on_result: Callable[[Path, JobResult], None] = lambda _path, _result: None,
    ) -> None:
        self._choice = choice
        self._executor = executor
        self._ledger_path = ledger
        self._queue = queue
        self._now = now
        self._on_result = on_result
        self._inbox = Inbox()
        self._events: LocalEvents | None = None
        self._folder = Path()
        self._look = Look()
        self._told: set[str] = set()
        self._turn = threading.Condition()
        self._pending: list[Path] = []
        self._running: tuple[Path, Cut] | None = None
        self._failed: dict[Path, int] = {}
        self._stopping = False
        self.ready = threading.Event()
        """Set when saves are heard from now on."""
        self._threads = [
            threading.Thread(target=self._watch, name="brickloop-dev-watch", daemon=True),
            threading.Thread(target=self._work, name="brickloop-dev-run", daemon=True),
        ]
        self.failure: Exception | None = None
        """Why it ended by itself."""

    def start(self) -> None:
        """Begin to watch; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask it to end; a run that goes on is cancelled."""
        with self._turn:
            self._stopping = True
            self._pending.clear()
            running = self._running
            self._turn.notify_all()
        self._inbox.close()
        if running is not None:
            running[1].cancel()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            if thread.ident is not None:
                thread.join(left)

    def is_alive(self) -> bool:
        """Whether it watches or runs."""
        return any(thread.is_alive() for thread in self._threads)

    def _watch(self) -> None:
        ledger = Ledger(self._ledger_path)
        try:
            self._listen(ledger)
            self._begin(ledger)
            self.ready.set()
            while not self._stopping:
                self._inbox.take(None)
                if not self._stopping:
                    self._take_in(ledger)
        except Exception as error:  # noqa: BLE001  the one who waits is told
            self.failure = error
            self.stop()
        finally:
            self.ready.set()
            if self._events is not None:
                self._events.stop()
            ledger.close()

    def _listen(self, ledger: Ledger) -> None:
        """Hear of all that the notebooks are made of, which may have become more."""
        folder = self._choice.folder(ledger)
        before = self._events
        if before is not None and folder.is_relative_to(self._folder):
            return
        events = LocalEvents(folder, self._inbox)
        try:
            events.start()
        except OSError as error:
            if before is None:
                raise UsageError(f"it cannot be watched: {error}", where=str(folder)) from None
            diagnostics.warn(f"{folder} cannot be watched: {error}")
            return
        self._events, self._folder = events, folder
        if before is not None:
            before.stop()

    def _begin(self, ledger: Ledger) -> None:
        look = self._look_patiently(ledger)
        if look is None:
            return
        self._look = look
        count = len(look.prints)
        names = "1 notebook" if count == 1 else f"{count} notebooks"
        diagnostics.note(f"watching {names}; save to run, Ctrl-C stops")
        if self._now:
            self._hand_over(list(look.prints))

    def _take_in(self, ledger: Ledger) -> None:
        """Look what the last saves affect, and have it run."""
        look = self._look_patiently(ledger)
        if look is None:
            return
        before = self._look.prints
        changed = [path for path, value in look.prints.items() if before.get(path) != value]
        changed += [
            path
            for path, modified in list(self._failed.items())
            if path not in changed and path in look.prints and _modified(path) != modified
        ]
        if changed:
            self._listen(ledger)
        # what cannot be read now is as it was when it could be read last
        self._look = Look({**before, **look.prints}, look.upstream, look.errors)
        affected = look.affected(changed)
        if affected:
            self._hand_over(affected)

    def _look_patiently(self, ledger: Ledger) -> Look | None:
        """A look, again where a file vanishes under it; None where that does not end."""
        for _ in range(_LOOKS):
            try:
                look = self._choice.look(ledger)
            except OSError:
                time.sleep(_PAUSE_SECONDS)
                continue
            except BrickloopError as error:
                look = Look(errors=(error,))
            for problem in look.errors:
                if str(problem) not in self._told:
                    diagnostics.report_error(problem)
            self._told = {str(problem) for problem in look.errors}
            return look
        return None

    def _hand_over(self, affected: list[Path]) -> None:
        with self._turn:
            wanted = {*self._pending, *affected}
            running = self._running
            self._pending = [path for path in self._look.prints if path in wanted]
            self._turn.notify_all()
        if running is not None and running[0] in affected and not self._queue:
            name = running[0].name
            diagnostics.note(f"{name}: saved meanwhile; the run is cancelled and starts anew")
            running[1].cancel()

    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._pending or self._stopping)
                if self._stopping:
                    return
                path, cut = self._pending.pop(0), Cut()
                self._running = (path, cut)
            try:
                self._run(path, cut)
            finally:
                with self._turn:
                    self._running = None

    def _run(self, path: Path, cut: Cut) -> None:
        modified = _modified(path)
        diagnostics.note(f"{time.strftime('%H:%M:%S')} {path.name}")
        try:
            result = self._executor.run(path, cut)
        except BrickloopError as error:
            self._failed[path] = modified
            diagnostics.report_error(error)
        except OSError as error:
            # it was there when it was looked at
            diagnostics.warn(f"{path.name}: {error}")
        except Exception as error:  # noqa: BLE001  a fault of ours must not end the watch
            self._failed[path] = modified
            diagnostics.warn(f"a fault of brickloop: {type(error).__name__}: {error}")
        else:
            self._failed.pop(path, None)
            if not result.success:
                self._failed[path] = modified
            self._on_result(path, result)


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
