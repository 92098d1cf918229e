"""``sync.watch``: every pair that joins is kept in sync until Ctrl-C."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from brickloop.config.sync_file import Direction, SyncPair
from brickloop.display import console, diagnostics
from brickloop.display.plan_view import PlanView
from brickloop.errors import UsageError
from brickloop.flows.protection import refuse_watch
from brickloop.flows.sync import PAIR_MODES, listeners, show_leftovers
from brickloop.flows.sync_session import SyncSession
from brickloop.sync.watch import Watcher, WatchEvent, stop_all


def watch(root: Path, *, project: str | None, profile: str | None, as_json: bool) -> None:
    """Watch the pairs until interrupted; raises KeyboardInterrupt when the file in hand is done.

    Without ``project`` the pairs whose ``auto_sync`` is true; raises UsageError for none.
    """
    session = SyncSession(root, profile=profile)
    with ExitStack() as stack:
        stack.callback(session.close)
        pairs = session.file.choose(project)
        if not project:
            pairs = tuple(pair for pair in pairs if pair.auto_sync)
        if not pairs:
            raise UsageError(
                "no pair has auto_sync",
                where=str(session.file.path),
                hint="set auto_sync to true, or name a pair: --project NAME",
            )
        if any(pair.direction is not Direction.PULL for pair in pairs):
            refuse_watch(session.settings)
        session.open()
        ended = threading.Event()
        watchers = [_watcher(session, pair, ended, as_json=as_json) for pair in pairs]
        try:
            for watcher in watchers:
                watcher.start()
            ended.wait()
        except KeyboardInterrupt:
            diagnostics.note("stopping after the files in hand; Ctrl-C again stops at once")
            stop_all(watchers)
            raise
        finally:
            stop_all(each for each in watchers if each.is_alive())
        for watcher in watchers:
            if watcher.failure is not None:
                raise watcher.failure


def _watcher(
    session: SyncSession, pair: SyncPair, ended: threading.Event, *, as_json: bool
) -> Watcher:
    view = PlanView(pair.name, quiet=as_json)
    sync = session.synchronizer(pair, listeners(view))

    def on_event(event: WatchEvent) -> None:
        if as_json:
            line = {"project": pair.name, "at": round(time.time(), 3), **event.as_json()}
            console.write(json.dumps(line, ensure_ascii=False))
        else:
            _show(view, pair, sync.root, event)
        if event.kind == "stopped":
            ended.set()

    return Watcher(
        sync, PAIR_MODES[pair.direction], on_save=session.file.sync_on_save, on_event=on_event
    )


def _show(view: PlanView, pair: SyncPair, workspace: str, event: WatchEvent) -> None:
    view.end()
    if event.kind == "watching":
        view.begin(pair.local, workspace, pair.direction.value, looks=False)
        diagnostics.note(f"{pair.name}: watching; Ctrl-C stops")
        if event.message:
            diagnostics.warn(f"{pair.name}: {event.message}")
    elif event.kind == "waiting":
        diagnostics.warn(
            f"{pair.name}: {event.message}",
            hint=f"tried again in {event.retry_in or 0:.0f} s, then more seldom",
        )
    elif event.report is not None:
        show_leftovers(view, event.report, every=pair.direction is not Direction.BIDIRECTIONAL)
        stamp = time.strftime("%H:%M:%S")
        view.summary(f"{stamp} {event.report.summary()}")
