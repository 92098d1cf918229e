"""Running a command as a process of its own and learning how long it took and how large it grew."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finished:
    """A process that has ended well."""

    seconds: float
    peak_bytes: int
    """0 where the system does not tell. On Linux never less than this process held at the start of
    the other one, so a benchmark of memory stays small itself."""
    text: str
    """What it wrote to stdout."""


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without what could lead a benchmark to a real workspace."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DATABRICKS_", "BRICKLOOP_"))
        # without compiled modules every start is three times as long
        and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, "DATABRICKS_CONFIG_FILE": os.devnull, **more}


def run_process(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Finished:
    """How a command went; raises RuntimeError with what it wrote when it fails."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment or clean_environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    text = process.stdout.read()
    peak = _wait(process)
    seconds = time.perf_counter() - begun
    process.stdout.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{text}")
    return Finished(seconds, peak, text)


def _wait(process: subprocess.Popen[str]) -> int:
    """Wait for the end; the most memory the process held, in bytes."""
    if not hasattr(os, "wait4"):
        process.wait()
        return 0
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # Linux counts in kilobytes, macOS in bytes
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
