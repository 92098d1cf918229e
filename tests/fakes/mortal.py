"""Syncs in processes that kill themselves: ``python -m tests.fakes.mortal HOST TOKEN``.

Reads lines of JSON: a pair of folders, a step, and a file to note sent paths in. Each forks a
process that syncs the pair and is killed with SIGKILL right after that step, be it a request, a
file's write or a commit of the state. Answers each with a line: the number of the signal, or 0
when the sync came to its end before.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from databricks.sdk import WorkspaceClient
from tests.fakes.stepped_remote import SteppedRemote
from tests.fakes.tree import SteppedDiskTree

from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.remote import WorkspaceRemote
from brickloop.sync.state import SyncState

_WRITES = {
    "stage", "publish", "exchange", "retire", "unlink", "discard", "make_folder", "remove_folder",
}  # fmt: skip


def sync_until(client: WorkspaceClient, order: dict[str, Any]) -> None:
    """Sync a pair, and die after a step."""
    left = int(order["step"])

    def hook(phase: str, call: str, path: str) -> None:
        nonlocal left
        if phase == "before":
            return
        if call == "put":
            with Path(order["sent"]).open("a") as file:
                file.write(f"{path}\n")
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    class State(SyncState):
        def _commit(self, batch: Any) -> None:
            super()._commit(batch)
            hook("after", "commit", "")

    pair = Pair(Path(order["local"]), order["workspace"], Path(order["state"]), "t")
    remote = SteppedRemote(WorkspaceRemote(client), hook)
    sync = Synchronizer(pair, remote, parallel=1)
    tree = SteppedDiskTree(pair.local, pair.folder / "trash")
    tree.after = lambda call, path: hook("after", call, path) if call in _WRITES else None
    sync.tree = tree
    sync._state = State(pair.folder / "state.db")
    sync.run()
    sync.close()


def main() -> None:
    """Serve orders until there are no more."""
    host, token = sys.argv[1:]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            client = WorkspaceClient(host=host, token=token, auth_type="pat")
            try:
                sync_until(client, json.loads(line))
            except BaseException as error:  # noqa: BLE001  a child must not read on
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(3)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
