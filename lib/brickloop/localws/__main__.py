"""``python -m brickloop.localws --root DIR``: serve the local workspace until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from brickloop.errors import BrickloopError, ConnectionFailed
from brickloop.localws.layout import StoreLayout
from brickloop.localws.record import (
    ENGINE_VARIABLE,
    ServerRecord,
    keep_token,
    workspace_id,
    write_record,
)
from brickloop.model.locking import FileLock

if TYPE_CHECKING:
    from brickloop.localws.tls import TlsFiles

_LOG = logging.getLogger("brickloop.localws")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or the idle limit; the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    root = Path(options.root).resolve()
    layout = StoreLayout(root)
    layout.make()
    try:
        with FileLock(root / "server.lock", wait_seconds=0):
            return _serve(layout, options)
    except TimeoutError:
        sys.stderr.write(f"{root}: another server works with this folder\n")
        return ConnectionFailed.exit_code
    except BrickloopError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m brickloop.localws", description=__doc__)
    parser.add_argument("--root", required=True, help="the folder that holds the workspace's data")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 picks a free one")
    parser.add_argument(
        "--idle-seconds", type=float, default=0, help="end after so long without a request; 0 never"
    )
    parser.add_argument(
        "--cold", action="store_true", help="start the engine when the first run needs it"
    )
    parser.add_argument(
        "--latency-ms", type=int, default=0, help="wait before each answer, as a distant host would"
    )
    parser.add_argument(
        "--tls-port", type=int, help="serve https too, on this port; 0 picks a free one"
    )
    return parser


def _serve(layout: StoreLayout, options: argparse.Namespace) -> int:
    from brickloop.localws.app import LocalWorkspaceApp
    from brickloop.localws.services import Identity, open_services
    from brickloop.localws.serving import answer, listen

    listener = listen(options.port)
    port = int(listener.getsockname()[1])
    root = layout.root
    identity = Identity(f"http://127.0.0.1:{port}", keep_token(root), workspace_id(root))
    engine = os.environ.pop(ENGINE_VARIABLE, "")
    services = open_services(layout, identity, engine)
    services.compute.start(warm=not options.cold)
    if not options.cold:
        services.sql.warm()
    secure = _open_tls(root, options.tls_port)
    tls_port = int(secure[0].getsockname()[1]) if secure else 0
    app = LocalWorkspaceApp(
        services,
        version=version("brickloop"),
        pid=os.getpid(),
        ports=(port, tls_port),
        latency_ms=options.latency_ms,
    )
    record = ServerRecord(
        host="127.0.0.1",
        port=port,
        token=identity.token,
        http_path=identity.http_path,
        pid=os.getpid(),
        started=time.time(),
        workspace_id=identity.workspace_id,
        version=version("brickloop"),
        tls_port=tls_port,
        engine=engine,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises a signal once more after it has stopped; ours is the clean way out
        signal.signal(number, _ignore)
    try:
        asyncio.run(
            answer(
                app,
                listener,
                secure,
                lambda: write_record(root, record),
                idle_seconds=options.idle_seconds,
            )
        )
    finally:
        services.close()
        # last: who waits for this process learns from it which one to wait for
        (root / "server.json").unlink(missing_ok=True)
        _LOG.info("stopped")
    return 0


def _open_tls(root: Path, port: int | None) -> tuple[socket.socket, TlsFiles] | None:
    """The https listener with its certificate, None where https is not wanted."""
    if port is None:
        return None
    from brickloop.localws.serving import listen
    from brickloop.localws.tls import TlsFiles, ensure_certificate

    return listen(port), ensure_certificate(TlsFiles(root / "tls"))


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the server was told already."""


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stderr.flush()
    # at once: clients that ask an engine which is gone would hold the process up for minutes
    os._exit(code)
