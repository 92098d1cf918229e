"""A process that has imported what notebooks need and forks a child for each run.

It must stay single-threaded and open no channel: a fork copies neither.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path

from brickloop.localws.kernel_job import KernelJob


def serve(address: str, parent: int) -> None:
    """Answer each connection with a child that runs the job it sends; ends with its parent."""
    _preload()
    # children are reaped by the system
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    unfinished = address + ".new"
    listener.bind(unfinished)
    Path(unfinished).chmod(0o600)
    listener.listen(64)
    listener.settimeout(1.0)
    Path(unfinished).rename(address)
    while os.getppid() == parent:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            _child(connection)
        connection.close()


def _preload() -> None:
    import matplotlib.pyplot
    import numpy
    import pandas
    import pyarrow
    import pyspark.sql.connect.session
    import pyspark.sql.functions
    import pyspark.sql.types

    import brickloop.localws.kernel
    import brickloop.localws.session

    del matplotlib, numpy, pandas, pyarrow, pyspark, brickloop


def _child(connection: socket.socket) -> None:
    """Run one job and end the process; what the socket's other end is not told is in the log."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        connection.setblocking(True)
        stream = connection.makefile("rwb")
        job = KernelJob.from_json(json.loads(stream.readline()))
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()

        from brickloop.localws.kernel import run_job

        def send(event: dict[str, object]) -> None:
            stream.write(json.dumps(event, default=str).encode() + b"\n")
            stream.flush()

        send({"kind": "started", "pid": os.getpid()})
        run_job(job, send)
        code = 0
    except BaseException:  # noqa: BLE001  nothing may reach the forkserver's own loop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _end_with(connection: socket.socket) -> None:
    """End this process and what it started when the server is gone, however it went."""
    with contextlib.suppress(OSError):
        # the server says nothing after the job, so this returns only when its end is closed
        connection.recv(1)
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
