"""From a save to the line on the screen in `invoke dev.watch`: in the local kernel, and deployed.

The notebook has one cell, which asks the engine; each save changes it. "The run's own time" is what
the same runs say they took, from the kernel's start of work to its outcome: nothing that looks at
files or shows results can save that.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, write_table
from benchmarks.processes import clean_environment
from brickloop import launcher

_TASKS = "from brickloop.tasks import namespace\n\nns = namespace()\n"
_LIMIT_SECONDS = 120.0
_IDLE_SECONDS = 0.3
_COMMAND = [sys.executable, "-c", "from invoke.main import program; program.run()"]


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks dev", description=__doc__)
    parser.add_argument("--saves", type=int, default=20, help="saves in each way")
    parser.add_argument("--cold", type=int, default=3, help="kernels that are started anew")
    options = parser.parse_args(argv)
    if options.saves < 1 or options.cold < 1:
        parser.error("numbers must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="brickloop-dev-") as folder:
        root = Path(folder)
        (root / "tasks.py").write_text(_TASKS)
        try:
            cold = [time_cold(root, number) for number in range(options.cold)]
            local, local_own = time_saves(root, options.saves, "--local")
            remote, remote_own = time_saves(root, options.saves, "--profile", "local")
            whole = time_last_cell(root, options.cold, "--local")
            kept = time_last_cell(root, options.cold, "--local", "--from-changed")
        finally:
            launcher.stop(root / ".brickloop" / "local")
    own = "the run's own time"
    print(
        write_table(
            "from a save to the line on the screen, one cell",
            [
                Figure("warm local kernel, p50", local, own, local_own, budget="1 s"),
                Figure("warm local kernel, the slowest", [max(local)], budget="1 s"),
                Figure("deployed to the local workspace, p50", remote, own, remote_own),
                Figure("dev.run --local, a new kernel, whole command", cold),
                Figure("the last of 4 cells, the first takes 2 s", whole),
                Figure("the same with --from-changed", kept, "all cells run", whole),
            ],
        )
    )
    return 0


def time_cold(root: Path, number: int) -> float:
    """Seconds for a whole ``dev.run --local``, engine and kernel started for it."""
    expected = write_cell(root, f"cold {number}")
    begun = time.perf_counter()
    done = subprocess.run(
        [*_COMMAND, "dev.run", "one.py", "--local"],
        cwd=root,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
    )
    seconds = time.perf_counter() - begun
    if expected not in done.stdout:
        raise RuntimeError(f"dev.run said: {done.stdout}{done.stderr}")
    return seconds


def time_saves(root: Path, saves: int, *words: str) -> tuple[list[float], list[float]]:
    """Seconds from each save to its line, and what each run says that it took."""
    seconds: list[float] = []
    own: list[float] = []
    write_cell(root, "not run")
    with watching(root, *words) as shown:
        # the first one warms up
        for number in range(saves + 1):
            expected = write_cell(root, f"{words[0].strip('-')} {number}")
            begun = time.perf_counter()
            shown.wait_for(f"\n{expected}\n")
            took = time.perf_counter() - begun
            shown.wait_for("saved outputs/one.txt", number + 1)
            run = json.loads((root / "outputs" / "one.json").read_text())["run"]
            if number:
                seconds.append(took)
                own.append((run["ended_ms"] - run["started_ms"]) / 1000)
            time.sleep(_IDLE_SECONDS)
    return seconds, own


def time_last_cell(root: Path, saves: int, *words: str) -> list[float]:
    """Seconds from a save of the last of four cells to its line; the first one takes 2 s."""
    seconds: list[float] = []
    with watching(root, *words) as shown:
        for number in range(saves + 1):
            expected = f"{words[-1].strip('-')} last {number}: [0, 1, 2] 10"
            begun = time.perf_counter()
            write_cells(
                root,
                "import time\ntime.sleep(2)\nrows = [0]",
                "rows.append(1)\nspark.range(10).createOrReplaceTempView('v')",
                "rows.append(2)\ncount = spark.table('v').count()",
                f"print('{words[-1].strip('-')} last {number}:', rows, count)",
            )
            shown.wait_for(f"\n{expected}\n")
            if number:
                seconds.append(time.perf_counter() - begun)
            time.sleep(_IDLE_SECONDS)
    return seconds


def write_cells(root: Path, *cells: str) -> None:
    """Save the notebook with these cells."""
    body = "\n\n# COMMAND ----------\n\n".join(cells)
    (root / "one.py").write_text(f"# Databricks notebook source\n{body}\n")


def write_cell(root: Path, word: str) -> str:
    """Save the notebook with another cell; the line that it prints."""
    cell = f"print('{word}: the answer is', spark.sql('SELECT 6 * 7').collect()[0][0])\n"
    (root / "one.py").write_text(f"# Databricks notebook source\n{cell}")
    return f"{word}: the answer is 42"


@dataclass
class Shown:
    """What a command writes, as it comes."""

    process: subprocess.Popen[bytes]
    text: str = ""

    def wait_for(self, wanted: str, times: int = 1) -> None:
        """Read until a text has come so often; raises RuntimeError where it does not."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + _LIMIT_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while self.text.count(wanted) < times:
                ready = selector.select(max(deadline - time.monotonic(), 0))
                data = self.process.stdout.read1(65536) if ready else b""  # type: ignore[attr-defined]
                if not data:
                    raise RuntimeError(f"no {wanted!r} in: {self.text}")
                self.text += data.decode("utf-8", "replace")


@contextlib.contextmanager
def watching(root: Path, *words: str) -> Iterator[Shown]:
    """A watch that hears of saves; ended by what Ctrl-C sends."""
    process = subprocess.Popen(
        [*_COMMAND, "dev.watch", "one.py", *words],
        cwd=root,
        env=clean_environment(PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    shown = Shown(process)
    try:
        shown.wait_for("watching 1 notebook")
        yield shown
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
