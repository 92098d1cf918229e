"""Fetching a large output over a slow line, and the delay from add_section to the line on screen.

A fetch is timed in a process of its own, to a file, after a first small request, so that neither
imports nor signing in count; memory is what the process grew by.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, write_table
from benchmarks.processes import clean_environment, run_process
from brickloop import launcher

_REMOTE = "dbfs:/tmp/brickloop-benchmark.txt"
_MEGABYTE = 1024 * 1024
_FETCH = r"""
import json, re, resource, sys, time
from pathlib import Path
from databricks.sdk import WorkspaceClient
from brickloop.clients.files import RemoteFiles


def most_memory():
    # what Linux tells of resources counts the parent's memory in
    if sys.platform == "linux":
        with open("/proc/self/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024


way, host, remote, target = sys.argv[1:]
client = WorkspaceClient(host=host)
client.dbfs.get_status(remote)
before = most_memory()
begun = time.perf_counter()
if way == "brickloop":
    RemoteFiles(client, host).copy(remote, Path(target))
else:
    with open(target, "wb") as file, client.dbfs.download(remote) as source:
        while block := source.read(1024 * 1024):
            file.write(block)
seconds = time.perf_counter() - begun
print(json.dumps([seconds, most_memory() - before]))
"""
_MARK = "added at "
_SENDER = """# Databricks notebook source
import time

from brickloop import NotebookOutput

output = NotebookOutput()
for number in range({count}):
    # pauses that are no multiple of any poll interval
    time.sleep(0.3 + 0.137 * (number % 7))
    output.add_section(f"section {{number}}", f"{mark}{{time.time()}}")
output.close()
"""


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks output", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--latency-ms", type=int, default=30, help="round trip of the host")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sections", type=int, default=20)
    options = parser.parse_args(argv)
    if min(options.megabytes, options.repeats, options.sections) < 1 or options.latency_ms < 0:
        parser.error("numbers must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="brickloop-output-") as folder:
        figures = measure_fetch(
            Path(folder), options.megabytes, options.latency_ms, options.repeats
        )
        title = f"{options.megabytes} MB from DBFS to a file, {options.latency_ms} ms round trip"
        print(write_table(title, figures) + "\n")
    with tempfile.TemporaryDirectory(prefix="brickloop-live-") as folder:
        delays = measure_delays(Path(folder), options.sections)
        figure = Figure(
            "from add_section to the line",
            delays,
            "poll interval",
            [poll_seconds()],
        )
        print(write_table(f"{len(delays)} sections while a notebook runs", [figure]))
    return 0


def measure_fetch(folder: Path, megabytes: int, latency_ms: int, repeats: int) -> list[Figure]:
    """Our times beside the SDK's, and the SDK's own memory in a row of its own."""
    root = folder / "local"
    digest = upload(launcher.ensure_started(root), megabytes)
    launcher.stop(root)
    server = launcher.ensure_started(root, latency_ms=latency_ms)
    times: dict[str, list[float]] = {"brickloop": [], "sdk": []}
    peaks = {"brickloop": 0, "sdk": 0}
    try:
        for _ in range(repeats):
            for way in times:
                seconds, grown = fetch(way, server, folder / "fetched", digest)
                times[way].append(seconds)
                peaks[way] = max(peaks[way], grown)
    finally:
        launcher.stop(root)
    sdk = times["sdk"]
    return [
        Figure(
            "brickloop",
            times["brickloop"],
            "SDK's dbfs.download",
            sdk,
            peak_bytes=peaks["brickloop"],
            budget="ratio 0.2, 64 MB",
        ),
        Figure("SDK's dbfs.download", sdk, peak_bytes=peaks["sdk"]),
    ]


def upload(server: launcher.LocalServer, megabytes: int) -> str:
    """Put a file of text into DBFS; its SHA-256."""
    from databricks.sdk import WorkspaceClient

    digest = hashlib.sha256()
    client = WorkspaceClient(host=server.host, token=server.token)
    with client.dbfs.open(_REMOTE, write=True, overwrite=True) as file:
        for number in range(megabytes):
            block = (f"line of block {number:6}\n" * _MEGABYTE)[:_MEGABYTE].encode()
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def fetch(way: str, server: launcher.LocalServer, target: Path, digest: str) -> tuple[float, int]:
    """Seconds and memory of one fetch; raises RuntimeError when other bytes came than were sent."""
    environment = clean_environment(DATABRICKS_TOKEN=server.token)
    command = [sys.executable, "-c", _FETCH, way, server.host, _REMOTE, str(target)]
    done = run_process(command, target.parent, environment)
    with target.open("rb") as file:
        found = hashlib.sha256()
        while block := file.read(_MEGABYTE):
            found.update(block)
    if found.hexdigest() != digest:
        raise RuntimeError(f"{way} fetched other bytes than were sent")
    seconds, grown = json.loads(done.text.splitlines()[-1])
    return float(seconds), int(grown)


def measure_delays(root: Path, count: int) -> list[float]:
    """Seconds from each add_section until `doit` has written the line; both by one clock."""
    (root / "dodo.py").write_text(
        "from brickloop.graph import doit_config, notebook_tasks\n\n"
        "DOIT_CONFIG = doit_config()\n\n\n"
        'def task_notebooks():\n    yield from notebook_tasks("notebooks")\n'
    )
    (root / "pyproject.toml").write_text("[tool.brickloop]\n")
    (root / "notebooks").mkdir()
    (root / "notebooks" / "sender.py").write_text(_SENDER.format(count=count, mark=_MARK))
    process = subprocess.Popen(
        [sys.executable, "-m", "doit"],
        cwd=root,
        env=clean_environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    delays: list[float] = []
    assert process.stdout is not None
    for line in process.stdout:
        now = time.time()
        lines.append(line)
        if line.startswith(_MARK) and len(delays) < count:
            delays.append(now - float(line.removeprefix(_MARK)))
    code = process.wait()
    launcher.stop(root / ".brickloop" / "local")
    if code or len(delays) != count:
        raise RuntimeError(f"doit showed {len(delays)} of {count} sections:\n{''.join(lines)}")
    return delays


def poll_seconds() -> float:
    """How long brickloop waits between two looks at a run on this machine."""
    from brickloop.jobs.follow import Pace

    return Pace.of("http://127.0.0.1").first
