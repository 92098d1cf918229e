"""The cells of a run as they come in: kept in order, and on disk so that pages can show them."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from brickloop.localws.disk import Disk

_PAUSE_SECONDS = 0.3


class CommandLog:
    """Collects ``command`` events of one task run into its ``commands.json``."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._path = folder / "commands.json"
        self._disk = disk
        self._commands: dict[float, dict[str, Any]] = {}
        self._written = 0.0
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def record(self, event: dict[str, Any]) -> None:
        """Take one event of a kernel; what stands at the same position is replaced."""
        if event.get("kind") != "command":
            return
        command = event["command"]
        with self._lock:
            self._commands[float(command["position"])] = command
            # a loop that prints must not write the file a thousand times a second
            if time.monotonic() - self._written >= _PAUSE_SECONDS:
                self._write()

    def finish(self) -> None:
        """Write what is not written yet; a cell still running was cut off."""
        with self._lock:
            for command in self._commands.values():
                if command.get("state") == "running":
                    command["state"] = "canceled"
            self._write()

    def _write(self) -> None:
        ordered = [self._commands[position] for position in sorted(self._commands)]
        self._disk.place(json.dumps(ordered).encode(), self._path)
        self._written = time.monotonic()


def read_commands(folder: Path) -> list[dict[str, Any]]:
    """The commands of a task run, empty where none has come in."""
    try:
        found: list[dict[str, Any]] = json.loads((folder / "commands.json").read_bytes())
    except FileNotFoundError:
        return []
    return found
