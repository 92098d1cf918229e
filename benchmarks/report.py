"""Writing the page of a large run: seconds, size and memory, beside writing its JSON alone.

Each page is made in a process of its own. The figures of memory are what the process grew by.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, write_table
from benchmarks.processes import run_process

_BUDGET = "30 MB page"
_LARGEST = 30 * 1000 * 1000
_WRITE = r"""
import json, re, sys, time
from pathlib import Path
from brickloop.model.document import Document, Section
from brickloop.model.run import (
    CellResult, LifeCycle, ResultState, RunResult, RunStatus, TableOutput, TextOutput,
)
from brickloop.report.html import render_page
from brickloop.report.saved import as_json, write_whole


def most_memory():
    if sys.platform == "linux":
        with open("/proc/self/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024
    import resource
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024


def run_of(kind):
    status = RunStatus(1, 2, LifeCycle.TERMINATED, ResultState.SUCCESS, "", "https://h/1", 1, 2)
    columns = (("day", "date"), ("flights", "bigint"), ("carrier", "string"))
    table = tuple(
        (f"2013-02-{n % 28 + 1:02d}", n * 7919 % 10_007, f"carrier {n}") for n in range(100)
    )
    if kind == "cell":
        text = TextOutput("0123456789abcde\n" * 3_276_800)
        cell = CellResult(0, "loop()", None, "finished", (text,))
        return RunResult(status, cells=(cell,))
    if kind == "table":
        cell = CellResult(0, "all()", None, "finished", (TableOutput(columns, table * 1000),))
        return RunResult(status, cells=(cell,))
    count = 10_000 if kind == "sections" else 200
    sections = tuple(
        Section("query", f"section {n}", query=f"SELECT * FROM t WHERE n = {n}", columns=columns,
                rows=table[: 10 if kind == "sections" else 100], ms=1.0)
        for n in range(count)
    )
    return RunResult(status, document=Document(sections, complete=True))


kind, folder = sys.argv[1:]
result = run_of(kind)
before = most_memory()
begun = time.perf_counter()
page = write_whole(Path(folder) / "page.html", render_page(result, "page"))
seconds = time.perf_counter() - begun
held = most_memory() - before
begun = time.perf_counter()
data = write_whole(Path(folder) / "page.json", json.dumps(as_json(result, "page")))
json_seconds = time.perf_counter() - begun
print(json.dumps([seconds, json_seconds, held, page.stat().st_size, data.stat().st_size]))
"""
_RUNS = {
    "usual": "200 sections with tables of 100 rows",
    "sections": "10,000 sections with tables of 10 rows",
    "cell": "a cell of 50 MB",
    "table": "a table of 100,000 rows",
}


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(argv)
    if options.repeats < 1:
        parser.error("numbers must be 1 or more")
    figures, sizes = [], []
    for kind, what in _RUNS.items():
        measured = [_measure(kind) for _ in range(options.repeats)]
        page, data = measured[0][3:]
        if page > _LARGEST:
            print(f"the page of {what} has {page:,} bytes", file=sys.stderr)
            return 1
        sizes.append(f"  {what}: page {page / 1e6:.1f} MB, JSON {data / 1e6:.1f} MB")
        figures.append(
            Figure(
                what,
                [each[0] for each in measured],
                "its JSON",
                [each[1] for each in measured],
                peak_bytes=int(max(each[2] for each in measured)),
                budget=_BUDGET,
            )
        )
    print(write_table("Writing the page of a run", figures))
    print("\n".join(["", *sizes]))
    return 0


def _measure(kind: str) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="brickloop-report-") as folder:
        done = run_process([sys.executable, "-c", _WRITE, kind, folder], Path(folder))
    measured: list[float] = json.loads(done.text)
    return measured
