"""Listening and answering: the application over http and, where that is wanted, over https."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import uvicorn

from brickloop.errors import ConnectionFailed

if TYPE_CHECKING:
    from brickloop.localws.app import LocalWorkspaceApp
    from brickloop.localws.tls import TlsFiles

_LOG = logging.getLogger("brickloop.localws")


def listen(port: int) -> socket.socket:
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


async def answer(
    app: LocalWorkspaceApp,
    plain: socket.socket,
    secure: tuple[socket.socket, TlsFiles] | None,
    announce: Callable[[], None],
    *,
    idle_seconds: float,
) -> None:
    """Serve until a signal or the idle limit; ``announce`` is called when clients are answered."""
    main = uvicorn.Server(_config(app))
    serving = [asyncio.create_task(main.serve(sockets=[plain]))]
    servers = [main]
    if secure is not None:
        listener, files = secure
        servers.append(_Follower(_config(app, files)))
        serving.append(asyncio.create_task(servers[1].serve(sockets=[listener])))
    while not all(each.started for each in servers) and not any(each.done() for each in serving):
        await asyncio.sleep(0.005)
    if all(each.started for each in servers):
        announce()
        _LOG.info("ready on %s", app.services.identity.host)
    watching = asyncio.create_task(_watch_idle(app, main, idle_seconds))
    try:
        await serving[0]
    finally:
        watching.cancel()
        for each in servers:
            each.should_exit = True
        await asyncio.gather(*serving)


class _Follower(uvicorn.Server):
    """A second server in the process: signals are the first one's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: LocalWorkspaceApp, files: TlsFiles | None = None) -> uvicorn.Config:
    return uvicorn.Config(
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
        ssl_certfile=str(files.certificate) if files else None,
        ssl_keyfile=str(files.key) if files else None,
    )


async def _watch_idle(app: LocalWorkspaceApp, server: uvicorn.Server, limit: float) -> None:
    while limit > 0:
        await asyncio.sleep(min(1.0, limit / 4))
        idle = time.monotonic() - app.last_request
        if idle > limit and app.services.active_count() == 0:
            _LOG.info("no request for %.0f s, stopping", idle)
            server.should_exit = True
            return
