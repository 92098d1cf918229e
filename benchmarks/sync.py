"""Pushing, pulling and watching at a distance: seconds and requests, each beside its floor.

The host is ``_slow_host``: it answers after the round trip and does nothing else. The floor of a
sync is round trips x its requests / connections; "bare" sends the same uploads with http.client
alone, by as many threads, in the same minute, which is what this machine can do at most.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks._slow_host import slow_host
from benchmarks.figures import Figure, write_seconds, write_table
from benchmarks.processes import clean_environment, run_process
from brickloop.sync.pace import DEFAULT_PARALLEL

ROOT = "/Workspace/Users/me/p"
_HEADER = "# Databricks notebook source\n"
_FOLDERS = 10
_SYNC = r"""
import json, sys, time
from pathlib import Path
from brickloop.clients.workspace import connect
from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.plan import PULL, PUSH
from brickloop.sync.remote import WorkspaceRemote

way, host, local, root = sys.argv[1:]
sync = Synchronizer(
    Pair(Path(local), root, Path(local).parent / "state", host),
    WorkspaceRemote(connect(host, token="none")),
)
begun = time.perf_counter()
report = sync.run({"push": PUSH, "pull": PULL}[way])
seconds = time.perf_counter() - begun
sync.close()
if not report.is_clean:
    raise SystemExit(json.dumps(report.as_json()))
print(json.dumps([seconds, report.sent, report.received]))
"""
_WATCH = r"""
import json, sys, threading, time
from pathlib import Path
from brickloop.clients.workspace import connect
from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.plan import SAFE
from brickloop.sync.remote import WorkspaceRemote
from brickloop.sync.watch import Watcher

host, local, root = sys.argv[1:]
remote = WorkspaceRemote(connect(host, token="none"))
put = remote.put
lock = threading.Lock()

def say(*found):
    with lock:
        print(json.dumps(found), flush=True)

def timed(path, content, *, overwrite):
    put(path, content, overwrite=overwrite)
    say("put", path, time.time())

remote.put = timed
sync = Synchronizer(Pair(Path(local), root, Path(local).parent / "state", host), remote)

def tell(event):
    sent = event.report.sent if event.report else 0
    say("event", event.kind, sent)

watcher = Watcher(sync, SAFE, on_event=tell)
watcher.start()
sys.stdin.readline()
watcher.stop()
watcher.join()
if watcher.failure:
    raise watcher.failure
"""


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sync", description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--latency-ms", type=int, default=30, help="round trip of the host")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--saves", type=int, default=40, help="single saves in a watch")
    parser.add_argument("--bursts", type=int, default=3, help="bursts of 200 saves")
    parser.add_argument("--idle-seconds", type=float, default=60.0)
    options = parser.parse_args(argv)
    if min(options.files, options.repeats, options.saves, options.bursts) < 1:
        parser.error("numbers must be 1 or more")
    if options.latency_ms < 1 or options.idle_seconds <= 0:
        parser.error("--latency-ms and --idle-seconds must be above 0")
    print(measure_syncs(options.files, options.latency_ms / 1000, options.repeats) + "\n")
    print(measure_watch(options.latency_ms / 1000, options.saves, options.bursts) + "\n")
    print(measure_idle(5000, options.idle_seconds))
    return 0


class Host:
    """The slow host's counters."""

    def __init__(self, address: str) -> None:
        self.address = address

    def reset(self) -> None:
        """Count from nought."""
        self._ask("reset")

    def requests(self) -> int:
        """How many requests came since then."""
        return sum(self._ask("count").values()) - 1

    def _ask(self, call: str) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.address}/{call}") as answer:
            found: dict[str, int] = json.loads(answer.read())
            return found


def measure_syncs(files: int, latency: float, repeats: int) -> str:
    """A table of whole syncs beside their floors, with their requests."""
    times: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    bare: list[float] = []
    for _ in range(repeats):
        with (
            tempfile.TemporaryDirectory(prefix="brickloop-sync-") as name,
            slow_host(round(latency * 1000)) as address,
        ):
            host = Host(address)
            local, copy = Path(name) / "here" / "p", Path(name) / "there" / "p"
            write_files(local, files)
            copy.mkdir(parents=True)
            bare.append(push_bare(address, local))

            def run(what: str, way: str, folder: Path, wanted: tuple[int, int]) -> None:
                host.reset()  # noqa: B023  used in this round only
                seconds, *done = sync_once(way, address, folder)
                if tuple(done) != wanted:
                    raise RuntimeError(f"{what}: sent and received {done}, not {wanted}")
                times.setdefault(what, []).append(seconds)
                counts[what] = host.requests()  # noqa: B023

            run("first push", "push", local, (files, 0))
            run("push, read back", "push", local, (0, 0))
            run("push, nothing changed", "push", local, (0, 0))
            (local / "d0" / "n0.py").write_text(f"{_HEADER}print('changed')\n")
            run("push, one file changed", "push", local, (1, 0))
            run("first pull", "pull", copy, (0, files))
            run("pull, nothing changed", "pull", copy, (0, 0))
    figures = [
        Figure(
            f"{what}, {counts[what]:,} requests",
            seconds,
            "round trips",
            [floor(counts[what], latency)],
            budget="ratio 1.11" if what == "first push" else "",
        )
        for what, seconds in times.items()
    ]
    figures.insert(1, Figure("first push", times["first push"], "bare uploads", bare))
    title = (
        f"{files:,} notebooks in {_FOLDERS} folders, {latency * 1000:.0f} ms round trip,"
        f" {DEFAULT_PARALLEL} connections"
    )
    return write_table(title, figures)


def floor(requests: int, latency: float) -> float:
    """Seconds that requests take at least; never less than two steps down the folders."""
    return max(requests / DEFAULT_PARALLEL, 2.0) * latency


def write_files(local: Path, count: int) -> None:
    """Notebooks, spread over folders."""
    for number in range(count):
        path = local / f"d{number % _FOLDERS}" / f"n{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{_HEADER}print({number})\n" + "# a line of it\n" * 40)


def sync_once(way: str, address: str, local: Path) -> tuple[float, int, int]:
    """Seconds of one sync in a process of its own, and how much it sent and received."""
    command = [sys.executable, "-W", "ignore", "-c", _SYNC, way, address, str(local), ROOT]
    text = run_process(command, local.parent).text
    seconds, sent, received = json.loads(text.splitlines()[-1])
    return seconds, sent, received


def push_bare(address: str, local: Path) -> float:
    """Seconds for the same uploads with nothing around them, to a folder of their own."""
    host = urlsplit(address).netloc
    paths = sorted(local.rglob("*.py"))
    for folder in sorted({path.parent.name for path in paths}):
        _post(http.client.HTTPConnection(host), "mkdirs", f"/Workspace/bare/{folder}", b"")

    def send(share: list[Path]) -> None:
        connection = http.client.HTTPConnection(host)
        for path in share:
            remote = f"/Workspace/bare/{path.parent.name}/{path.stem}"
            _post(connection, "import", remote, path.read_bytes())
        connection.close()

    shares = [paths[number::DEFAULT_PARALLEL] for number in range(DEFAULT_PARALLEL)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(DEFAULT_PARALLEL) as pool:
        list(pool.map(send, shares))
    return time.perf_counter() - begun


def _post(connection: http.client.HTTPConnection, call: str, path: str, data: bytes) -> None:
    fields = {"path": path, "language": "PYTHON", "text": data.decode()}
    connection.request("POST", f"/api/2.0/workspace/{call}", json.dumps(fields).encode())
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(answer.read().decode())
    answer.read()


class Watching:
    """A watch in a process of its own, over a folder that has been synced."""

    def __init__(self, address: str, local: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _WATCH, address, str(local), ROOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        self.batches: list[int] = []

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Return when the watch listens."""
        self._read()

    def wait_for_puts(self, paths: set[str]) -> list[float]:
        """When each of some objects was written; the batches told meanwhile are noted."""
        moments: dict[str, float] = {}
        while paths - moments.keys():
            found = self._read()
            if found[0] == "put":
                moments[str(found[1])] = float(found[2])
        return list(moments.values())

    def wait_for_batch(self) -> int:
        """How many files the next batch sent that sent any."""
        while True:
            found = self._read()
            if found[0] == "event" and found[1] == "synced" and found[2]:
                return int(found[2])

    def stop(self) -> None:
        """End the watch; raises RuntimeError when it did not go well."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.read()
        self._process.stdout.close()
        if self._process.wait():
            raise RuntimeError("the watch failed")

    def _read(self) -> list[object]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the watch has ended")
        found: list[object] = json.loads(line)
        return found


def measure_watch(latency: float, saves: int, bursts: int) -> str:
    """A table of how long a save takes to the workspace, singly and 200 at once."""
    single: list[float] = []
    burst: list[float] = []
    batches: list[int] = []
    with (
        tempfile.TemporaryDirectory(prefix="brickloop-watch-") as name,
        slow_host(round(latency * 1000)) as address,
    ):
        local = Path(name) / "p"
        write_files(local, 200)
        for _ in range(2):
            sync_once("push", address, local)
        watching = Watching(address, local)
        try:
            watching.wait_until_ready()
            time.sleep(2.0)
            for number in range(saves):
                path = local / f"d{number % _FOLDERS}" / f"n{number % 200}.py"
                begun = time.time()
                path.write_text(f"{_HEADER}print('save {number}')\n")
                (moment,) = watching.wait_for_puts({remote_name(path)})
                single.append(moment - begun)
                time.sleep(0.8)
            for number in range(bursts):
                time.sleep(4.0)
                paths = sorted(local.rglob("*.py"))
                begun = time.time()
                for path in paths:
                    path.write_text(f"{_HEADER}print('burst {number}')\n")
                moments = watching.wait_for_puts({remote_name(path) for path in paths})
                burst.append(max(moments) - begun)
                batches.append(watching.wait_for_batch())
        finally:
            watching.stop()
    pieces = statistics.quantiles(single, n=20)
    floor_burst = floor(2 * 200, latency)
    figures = [
        Figure("one save, p50", single, "2 round trips", [2 * latency],
               budget=f"150 ms + {latency * 1000:.0f} ms"),
        Figure("one save, p95", [pieces[18]], "2 round trips", [2 * latency]),
        Figure("200 saves at once, the last one", burst, "400 requests", [floor_burst]),
    ]  # fmt: skip
    told = ", ".join(str(count) for count in batches)
    table = write_table(
        f"from a save to the workspace, {latency * 1000:.0f} ms round trip", figures
    )
    return f"{table}\nfiles in the batch of each burst: {told}"


def remote_name(path: Path) -> str:
    """Where a notebook of the benchmark stands in the workspace."""
    return f"{ROOT}/{path.parent.name}/{path.stem}"


def measure_idle(files: int, seconds: float) -> str:
    """One line: how much of a processor a watch takes that has nothing to do."""
    with (
        tempfile.TemporaryDirectory(prefix="brickloop-idle-") as name,
        slow_host(1) as address,
    ):
        local = Path(name) / "p"
        write_files(local, files)
        for _ in range(2):
            sync_once("push", address, local)
        watching = Watching(address, local)
        try:
            watching.wait_until_ready()
            time.sleep(5.0)
            before, begun = processor_seconds(watching.pid), time.perf_counter()
            time.sleep(seconds)
            used = processor_seconds(watching.pid) - before
            share = used / (time.perf_counter() - begun)
        finally:
            watching.stop()
    return (
        f"an idle watch over {files:,} files for {seconds:.0f} s:"
        f" {write_seconds(used)} of processor time, {share * 100:.2f} % of one"
    )


def _linux_processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ps_processor_seconds(pid: int) -> float:
    text = subprocess.run(
        ["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout.strip()
    seconds = 0.0
    for part in text.replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


processor_seconds: Callable[[int], float] = (
    _linux_processor_seconds if sys.platform.startswith("linux") else _ps_processor_seconds
)
"""User and system time of a process so far."""
