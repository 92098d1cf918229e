"""Hearing of changes below a folder: watchdog's events as paths for an inbox."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog import events

from brickloop.sync.inbox import Inbox
from brickloop.sync.selection import ALWAYS_OUT
from brickloop.sync.tree import is_staged

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

_POLL_SECONDS = 2.0


class LocalEvents:
    """Puts the relative paths of what changes below ``root`` into an inbox."""

    def __init__(self, root: Path, inbox: Inbox) -> None:
        self._root = root
        self._inbox = inbox
        self._observer: BaseObserver | None = None
        self._identity: tuple[int, int] | None = None
        self.polls = False
        """Whether the system has no more room for watches, so that the folder is looked through."""

    def start(self) -> None:
        """Begin to listen; raises OSError when the folder cannot be watched."""
        from watchdog.observers import Observer
        from watchdog.observers.polling import PollingObserver

        self._identity = self._look()
        try:
            self._observer = self._begin(Observer())
        except OSError:
            # the system's limit of watches is reached; a missing folder fails once more
            self._observer = self._begin(PollingObserver(timeout=_POLL_SECONDS))
            self.polls = True

    def stop(self) -> None:
        """Listen no more."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def renew(self) -> bool:
        """Listen to the folder that stands there now; whether it is another one than before."""
        identity = self._look()
        if identity is None or identity == self._identity:
            return False
        self.stop()
        self.start()
        return True

    def _begin(self, observer: BaseObserver) -> BaseObserver:
        heard: list[type[events.FileSystemEvent]] = [
            events.FileCreatedEvent, events.FileModifiedEvent, events.FileClosedEvent,
            events.FileMovedEvent, events.FileDeletedEvent, events.DirCreatedEvent,
            events.DirMovedEvent, events.DirDeletedEvent,
        ]  # fmt: skip
        observer.schedule(
            _Handler(self._root, self._inbox), str(self._root), recursive=True, event_filter=heard
        )
        observer.start()
        return observer

    def _look(self) -> tuple[int, int] | None:
        try:
            status = self._root.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


class _Handler(events.FileSystemEventHandler):
    """What watchdog calls, in a thread of its own."""

    def __init__(self, root: Path, inbox: Inbox) -> None:
        self._root = os.path.join(root, "")  # noqa: PTH118  a prefix, with its last slash
        self._inbox = inbox

    def dispatch(self, event: events.FileSystemEvent) -> None:
        """Note where something happened."""
        paths = [
            path
            for path in (self._relative(event.src_path), self._relative(event.dest_path))
            if path is not None
        ]
        if not paths:
            return
        if event.is_directory:
            # what is in a folder that came or went is not told file by file
            self._inbox.put(whole=True)
        else:
            self._inbox.put(*paths)

    def _relative(self, given: bytes | str) -> str | None:
        path = os.fsdecode(given)
        if not path.startswith(self._root):
            return None
        relative = path[len(self._root) :].replace(os.sep, "/")
        parts = relative.split("/")
        if not relative or not ALWAYS_OUT.isdisjoint(parts) or is_staged(parts[-1]):
            return None
        try:
            relative.encode("utf-8")
        except UnicodeEncodeError:
            return None
        return relative
