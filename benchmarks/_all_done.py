"""Brings the project in the working directory to "all done" without a workspace.

doit runs every task and remembers it as ever; only what would cross the network is replaced, with
``--sending`` all but the uploads.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from brickloop.flows.deploy import Deployment
from brickloop.sync.ledger import RemoteObject

_USER = "local@brickloop.test"


class OfflineDeployment(Deployment):
    """Remembers each upload, run and fetch as done."""

    def upload(self, path: Path, name: str) -> dict[str, Any]:
        """As if the file had been sent."""
        self._ledger.record_fact("user", self._key, _USER)
        remote = f"{self._known_folder()}/{name}"
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self._ledger.record_remote_object(
            self._key, RemoteObject(remote, sha256, "NOTEBOOK", None, None)
        )
        return {"path": remote}

    def run(self, name: str, fingerprint: str, parameters: Any, **_how: Any) -> dict[str, Any]:
        """As if the notebook had run well."""
        print(f"ran {name}")
        return {"fingerprint": fingerprint, "run_id": 1}

    def fetch(self, name: str, fingerprint: str, **_how: Any) -> dict[str, Any]:
        """As if there had been output."""
        for path in self.outputs.files(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("done\n")
        return {"fingerprint": fingerprint}

    def observed(self, name: str, **_how: Any) -> None:
        """Nobody looked."""

    def table_digests(self, tables: Any) -> dict[str, str]:
        """There is no warehouse."""
        return {}

    def strayed(self) -> dict[str, str]:
        """All is as it was sent."""
        return {}


class SendingDeployment(OfflineDeployment):
    """Sends files as ever, and looks after them."""

    upload = Deployment.upload
    strayed = Deployment.strayed


def main() -> int:
    """Run doit on everything, with ``--plain`` as a person types it; its exit code."""
    from doit.doit_cmd import DoitMain

    from brickloop.graph import notebook_graph, session

    kind = SendingDeployment if "--sending" in sys.argv[1:] else OfflineDeployment
    vars(notebook_graph)["Deployment"] = kind
    if "--plain" in sys.argv[1:]:
        with session.of_arguments([]):
            return int(DoitMain().run([]))
    return int(DoitMain().run([]))


if __name__ == "__main__":
    sys.exit(main())
