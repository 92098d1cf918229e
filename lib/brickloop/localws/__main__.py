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
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from brickloop.errors import BrickloopError, ConnectionFailed
from brickloop.localws.layout import StoreLayout
from brickloop.localws.record import (
    FileLock,
    ServerRecord,
    keep_token,
    workspace_id,
    write_record,
)

if TYPE_CHECKING:
    import uvicorn

    from brickloop.localws.app import LocalWorkspaceApp

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
    return parser


def _serve(layout: StoreLayout, options: argparse.Namespace) -> int:
    from brickloop.localws.app import LocalWorkspaceApp
    from brickloop.localws.services import Identity, open_services

    listener = _listen(options.port)
    port = int(listener.getsockname()[1])
    root = layout.root
    identity = Identity(f"http://127.0.0.1:{port}", keep_token(root), workspace_id(root))
    services = open_services(layout, identity)
    services.compute.start(warm=not options.cold)
    if not options.cold:
        services.sql.warm()
    app = LocalWorkspaceApp(
        services, version=version("brickloop"), pid=os.getpid(), latency_ms=options.latency_ms
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
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises a signal once more after it has stopped; ours is the clean way out
        signal.signal(number, _ignore)
    try:
        asyncio.run(_answer(app, listener, lambda: write_record(root, record), options))
    finally:
        services.close()
        # last: who waits for this process learns from it which one to wait for
        (root / "server.json").unlink(missing_ok=True)
        _LOG.info("stopped")
    return 0


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the server was told already."""


def _listen(port: int) -> socket.socket:
    """A socket on the port that was asked for, or on a free one where that is taken."""
    # asyncio switches the 40 ms pauses of Nagle's algorithm off only where the protocol is named
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        # elsewhere this flag would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        if port == 0:
            raise ConnectionFailed(f"no port could be opened on 127.0.0.1: {error}") from None
        _LOG.warning("port %s is taken, choosing another: %s", port, error.strerror)
        listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


async def _answer(
    app: LocalWorkspaceApp,
    listener: socket.socket,
    announce: Callable[[], None],
    options: argparse.Namespace,
) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        # longer than a client keeps an idle connection, so that it is the client who closes it
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
        server_header=False,
        ws="none",
        http="h11",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    if server.started:
        announce()
        _LOG.info("ready on %s", app.services.identity.host)
    watching = asyncio.create_task(_watch_idle(app, server, options.idle_seconds))
    try:
        await serving
    finally:
        watching.cancel()


async def _watch_idle(app: LocalWorkspaceApp, server: uvicorn.Server, limit: float) -> None:
    while limit > 0:
        await asyncio.sleep(min(1.0, limit / 4))
        idle = time.monotonic() - app.last_request
        if idle > limit and app.services.active_count() == 0:
            _LOG.info("no request for %.0f s, stopping", idle)
            server.should_exit = True
            return


if __name__ == "__main__":
    sys.exit(main())
