"""How long a save in the workspace could go unseen: from a guard's look to the write's answer.

No request of the workspace API writes on a condition, so a save that falls between the last look
and the write is overwritten. The window is measured at the local workspace, beside one bare look;
what of it is brickloop's own is the time from the look's answer to the write's sending.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, write_seconds, write_table
from brickloop import launcher
from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.plan import PUSH
from brickloop.sync.remote import Content, Remote, RemoteEntry, WorkspaceRemote


class Timed:
    """A port that notes when each path was looked at and written."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._lock = threading.Lock()
        self._looked: dict[str, float] = {}
        self.looks: list[float] = []
        self.own: list[float] = []
        self.windows: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._remote, name)

    def status(self, path: str) -> RemoteEntry:
        begun = time.perf_counter()
        found = self._remote.status(path)
        with self._lock:
            self._looked[path] = time.perf_counter()
            self.looks.append(self._looked[path] - begun)
        return found

    def put(self, path: str, content: Content, *, overwrite: bool) -> None:
        begun = time.perf_counter()
        self._remote.put(path, content, overwrite=overwrite)
        if overwrite:
            with self._lock:
                self.own.append(begun - self._looked[path])
                self.windows.append(time.perf_counter() - self._looked[path])


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks guard", description=__doc__)
    parser.add_argument("--files", type=int, default=200, help="how many are updated each time")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        server = launcher.ensure_started(root / "workspace")
        try:
            for parallel in (1, 8):
                print(measure(server, root / str(parallel), parallel, given.files, given.repeats))
        finally:
            launcher.stop(root / "workspace")
    return 0


def measure(
    server: launcher.LocalServer, folder: Path, parallel: int, files: int, repeats: int
) -> str:
    """The window of updates with so many requests under way, as a table."""
    from databricks.sdk import WorkspaceClient

    client = WorkspaceClient(host=server.host, token=server.token, auth_type="pat")
    remote = Timed(WorkspaceRemote(client))
    workspace = f"/Workspace/Users/local@brickloop.test/guard-{parallel}"
    pair = Pair(folder / "p", workspace, folder / "state", "t")
    pair.local.mkdir(parents=True)
    sync = Synchronizer(pair, remote, parallel=parallel)
    mode = replace(PUSH, accepted_changes=files)
    for turn in range(repeats + 1):
        for number in range(files):
            (pair.local / f"f{number}").write_text(f"{turn} {number}")
        sync.run(mode)
        sync.run(mode)  # the stamps are known from here on
        if turn == 0:
            remote.looks.clear()
    sync.close()
    tail = statistics.quantiles(remote.windows, n=20)[-1]
    title = f"{len(remote.windows)} updates, {parallel} at once; window p95 {write_seconds(tail)}"
    return write_table(
        title,
        [
            Figure("look to write's answer", remote.windows, "one look", remote.looks),
            Figure("of it brickloop's own", remote.own, "one look", remote.looks),
        ],
    )
