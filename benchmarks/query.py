"""Queries: a cached one as a process, hits beside the raw file, pooled against unpooled, 8 at once.

Everything runs against a local workspace of its own in a folder that is taken away again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure, write_table
from benchmarks.processes import Finished, clean_environment, run_process

_TASKS = "from brickloop.tasks import namespace\n\nns = namespace()\n"
_QUERY = "SELECT id AS n, id * id AS square, concat('row ', id) AS name FROM range(20) ORDER BY id"
_SIZES = {"1 KB": 1_000, "1 MB": 1_000_000, "50 MB": 50_000_000}
_MOST_HITS = 1000


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks query", description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="processes of each kind")
    parser.add_argument("--queries", type=int, default=60, help="pooled and unpooled queries")
    parser.add_argument("--hits", type=int, default=2000, help="hits of each of the 8 processes")
    options = parser.parse_args(argv)
    if min(options.repeats, options.queries, options.hits) < 1:
        parser.error("numbers must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="brickloop-query-") as folder:
        root = Path(folder)
        (root / "tasks.py").write_text(_TASKS)
        try:
            print(write_table("as a process", whole_process(root, options.repeats)))
            print()
            print(write_table("in one process", pooled(root, options.queries)))
        finally:
            from brickloop import launcher

            launcher.stop(root / ".brickloop" / "local")
        print()
        print(write_table("a hit in one process", hits(root / "hits")))
        print()
        print(write_table("hits of 1 KB by processes at once", together(root, options.hits)))
    return 0


def whole_process(root: Path, repeats: int) -> list[Figure]:
    """The times of a cached `invoke query` and of `invoke --list`, taken in turns.

    Raises RuntimeError where an answer was not cached, or is another than the live one.
    """
    invoke = [sys.executable, "-m", "invoke"]
    asking = [*invoke, "query", _QUERY, "--format", "csv"]
    live = _stdout(asking, root)
    ours: list[Finished] = []
    floor: list[Finished] = []
    tables: list[Finished] = []
    for _ in range(repeats):
        floor.append(run_process([*invoke, "--list"], root))
        ours.append(run_process([*asking, "--ttl", "1d"], root))
        tables.append(run_process([*invoke, "query", _QUERY, "--ttl", "1d"], root))
        if "cached" not in ours[-1].text or live not in ours[-1].text:
            raise RuntimeError(f"not the cached result:\n{ours[-1].text}")
        if "cached" not in tables[-1].text:
            raise RuntimeError(f"not from the cache:\n{tables[-1].text}")
    listing = [done.seconds for done in floor]
    return [
        Figure(
            f"cached query, 20 rows, {form}",
            [done.seconds for done in runs],
            "invoke --list",
            listing,
            peak_bytes=max(done.peak_bytes for done in runs),
            budget="ratio 2",
        )
        for form, runs in (("csv", ours), ("table", tables))
    ]


def hits(folder: Path) -> list[Figure]:
    """The times of a hit, with its table read and verified, beside reading a file of its size."""
    import pyarrow as pa

    from brickloop.sql.cache import ResultCache
    from brickloop.sql.entry import Head
    from brickloop.sql.result import describe_columns, first_rows, read_stream, write_stream

    figures = []
    cache = ResultCache(folder)
    for number, (name, size) in enumerate(_SIZES.items()):
        column = pa.array(os.urandom(8) for _ in range(max(size // 12, 1)))
        table = pa.table({"value": column})
        data = write_stream(table)
        head = Head(
            "SELECT 1", "h", "u", time.time(), 1.0, "q", describe_columns(table), table.num_rows,
            False, first_rows(table), (),
        )  # fmt: skip
        key = f"{number:064x}"
        if not cache.put(key, head, data):
            raise RuntimeError("the entry was not kept")
        raw = folder / f"raw-{number}"
        raw.write_bytes(data)

        def hit(key: str = key, rows: int = table.num_rows) -> None:
            entry = cache.get(key)
            if entry is None or read_stream(entry.table()).num_rows != rows:
                raise RuntimeError("no hit")
            entry.close()

        def first(key: str = key) -> None:
            entry = cache.get(key)
            if entry is None or not entry.head.rows:
                raise RuntimeError("no hit")
            entry.close()

        repeats = max(min(_MOST_HITS, 200_000_000 // size), 5)
        ours, shown, floor = [], [], []
        for _ in range(repeats):
            floor.append(_timed(lambda raw=raw: raw.read_bytes()))
            ours.append(_timed(hit))
            shown.append(_timed(first))
        figures.append(Figure(f"{name}, whole and verified", ours, "read the raw file", floor))
        figures.append(Figure(f"{name}, first rows", shown, "read the raw file", floor))
    cache.close()
    return figures


def pooled(root: Path, queries: int) -> list[Figure]:
    """The times of a small query on pooled connections, and on one opened for each query."""
    from brickloop import ConnectionManager

    with ConnectionManager(root=root) as manager:
        manager.execute("SELECT 1")

        def pool() -> None:
            manager.execute("SELECT 1")

        def alone() -> None:
            session = manager.warehouse.open_session()
            session.execute("SELECT 1")
            session.close()

        ours, peer = [], []
        for _ in range(queries):
            ours.append(_timed(pool))
            peer.append(_timed(alone))
        if manager.stats().opened != 1:
            raise RuntimeError("the pool opened more than one connection")
    return [Figure("pooled SELECT 1", ours, "a connection for each", peer)]


_HITTING = """
import sys, time
from pathlib import Path
from brickloop.sql.cache import ResultCache
cache = ResultCache(Path(sys.argv[1]))
key, count = f"{0:064x}", int(sys.argv[2])
cache.get(key).close()
begun = time.perf_counter()
for _ in range(count):
    entry = cache.get(key)
    entry.table()
    entry.close()
print(time.perf_counter() - begun)
"""


def together(root: Path, count: int) -> list[Figure]:
    """The time of a hit while 8 processes share one cache, beside one process alone."""
    cores = os.cpu_count() or 1

    def run(processes: int) -> list[float]:
        command = [sys.executable, "-c", _HITTING, str(root / "hits"), str(count)]
        started = [
            subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]
        outs = [process.communicate()[0] for process in started]
        if any(process.returncode for process in started):
            raise RuntimeError("a process failed")
        return [float(out) / count for out in outs]

    alone, shared = [], []
    for _ in range(3):
        alone += run(1)
        # what each of 8 took, as if it had a core to itself
        shared += [seconds / max(8 / cores, 1.0) for seconds in run(8)]
    return [Figure(f"8 processes, for each of {cores} cores", shared, "1 process", alone)]


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _stdout(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
