"""What a local workspace says of itself on disk: its id, its token, where its server listens.

Read by the launcher in a process of its own, so nothing heavy is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from brickloop.model.locking import FileLock
from brickloop.model.whole_file import write_whole

ENGINE_VARIABLE = "BRICKLOOP_ENGINE_ADDRESS"
"""How a server and a warm kernel are told of the engine they run on: it may hold a token."""


@dataclass(frozen=True)
class ServerRecord:
    """Where a server listens and what opens it; written when it is ready."""

    host: str
    port: int
    token: str
    http_path: str
    pid: int
    started: float
    workspace_id: str
    version: str
    tls_port: int = 0
    """Where https is served; 0 where it is not."""
    engine: str = ""
    """The Spark Connect server that it runs on; empty for an engine of its own."""

    @property
    def tls_url(self) -> str:
        """The host for clients that insist on https, empty where that is not served."""
        port = "" if self.tls_port == 443 else f":{self.tls_port}"
        return f"https://{self.host}{port}" if self.tls_port else ""

    @property
    def url(self) -> str:
        """The host as clients are given it."""
        return f"http://{self.host}:{self.port}"


def write_record(root: Path, record: ServerRecord) -> None:
    """Say where the server listens; only the owner may read it."""
    write_private(root / "server.json", json.dumps(asdict(record), indent=1))


def read_record(root: Path) -> ServerRecord | None:
    """What was said last, None where nothing was or it cannot be understood."""
    try:
        record = ServerRecord(**json.loads((root / "server.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    numbers = isinstance(record.port, int) and isinstance(record.pid, int)
    return record if numbers and 0 < record.port < 65536 and record.pid > 0 else None


def workspace_id(root: Path) -> str:
    """The id of the workspace in ``root``, made where there is none; it survives restarts."""
    path = root / "workspace_id"
    with contextlib.suppress(OSError):
        known = path.read_text(encoding="utf-8").strip()
        if known.isdecimal():
            return known
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(root / "id.lock", wait_seconds=10):
        with contextlib.suppress(FileNotFoundError):
            known = path.read_text(encoding="utf-8").strip()
            if known.isdecimal():
                return known
        made = str(10**15 + int.from_bytes(os.urandom(8), "big") % (9 * 10**15))
        write_private(path, made)
        return made


def keep_token(root: Path) -> str:
    """The token of this workspace: made once, kept, so that exported settings stay good."""
    path = root / "token"
    token = ""
    with contextlib.suppress(FileNotFoundError):
        token = path.read_text(encoding="utf-8").strip()
    if len(token) < 20:
        token = f"dapi{os.urandom(16).hex()}"
        write_private(path, token)
    return token


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    write_whole(path, text, private=True, durable=True)
