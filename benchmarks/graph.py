"""The graph: one change and none, beside make and ninja; what finding dependencies costs.

The projects are those of ``noop``. make and ninja are given the same graph as files: a stamp for
each notebook, made of the notebook, its group's module and the stamp before it. For the one change
only what would cross the network is replaced (``_all_done``), as it is for the stamps: a `touch`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks import noop
from benchmarks._slow_host import slow_host
from benchmarks.figures import Figure, write_table
from benchmarks.processes import Finished, clean_environment, run_process

_ROUND_TRIP = 0.03
_MOST_SENT = 1000
_PEERS = {"make": ["make", "-rs"], "ninja": ["ninja", "--quiet"]}


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    sizes, repeats = noop.read_sizes("graph", __doc__, argv, repeats=5)
    figures: list[Figure] = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="brickloop-graph-") as folder:
            root = Path(folder)
            noop.make_project(root, size)
            noop.prepare(root)
            write_peers(root, size)
            figures += measure(root, size, repeats)
    print(write_table("one change and none", figures))
    told: list[str] = []
    looks = [look(size, repeats, told) for size in sizes if size <= _MOST_SENT]
    print()
    print(write_table("no change, with the look at the workspace, 30 ms round trip", looks))
    print("\n".join(told))
    return 0


def look(size: int, repeats: int, told: list[str]) -> Figure:
    """The time of a no-op that looks at a distant workspace; its requests are told in a line."""
    with (
        tempfile.TemporaryDirectory(prefix="brickloop-look-") as folder,
        slow_host(round(_ROUND_TRIP * 1000)) as address,
    ):
        root = Path(folder)
        noop.make_project(root, size)
        there = {"DATABRICKS_HOST": address, "DATABRICKS_TOKEN": "t"}
        noop.prepare(root, "--sending", **there)
        counts, times = [], []
        for offline in [*[""] * repeats, "1"]:
            _ask(address, "reset")
            environment = clean_environment(BRICKLOOP_OFFLINE=offline, **there)
            done = run_process([sys.executable, "-m", "doit"], root, environment)
            if f"nothing to do: {size} notebook" not in done.text:
                raise RuntimeError(f"doit had something to do:\n{done.text[:2000]}")
            times.append(done)
            calls = _ask(address, "count")
            counts.append(sum(calls.values()) - calls["count"])
    *looked, spared = counts
    folders = -(-size // noop.GROUP)
    told.append(
        f"requests of a no-op, {size:,} notebooks in {folders} folders: {max(looked)} with the"
        f" look, {spared} with BRICKLOOP_OFFLINE=1"
    )
    return Figure(
        f"{size:,} notebooks, {max(looked)} requests",
        [done.seconds for done in times[:-1]],
        "round trips, 8 at a time",
        [_ROUND_TRIP * -(-folders // 8)],
        peak_bytes=max(done.peak_bytes for done in times),
    )


def _ask(address: str, call: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{address}/{call}") as answer:
        found: dict[str, int] = json.load(answer)
    return found


def write_peers(root: Path, size: int) -> None:
    """Write the graph as a Makefile and a build.ninja, and bring both to "all done"."""
    rules = ["rule touch", "  command = touch $out"]
    lines = [".PHONY: all", f"all: {' '.join(_stamp('make', number) for number in range(size))}"]
    for name in _PEERS:
        (root / name).mkdir()
    for number in range(size):
        needs = _needs(number)
        before = [] if number % noop.GROUP == 0 else [number - 1]
        made = " ".join([*needs, *(_stamp("make", one) for one in before)])
        lines += [f"{_stamp('make', number)}: {made}", "\ttouch $@"]
        built = " ".join([*needs, *(_stamp("ninja", one) for one in before)])
        rules.append(f"build {_stamp('ninja', number)}: touch {built}")
    (root / "Makefile").write_text("\n".join(lines) + "\n")
    (root / "build.ninja").write_text("\n".join(rules) + "\n")
    for name in _found_peers():
        run_process(_PEERS[name], root)


def measure(root: Path, size: int, repeats: int) -> list[Figure]:
    """Times with one change and with none, ours and those of the peers, taken in turns."""
    peers = _found_peers()
    none: dict[str, list[Finished]] = {name: [] for name in ["doit", *peers]}
    one: dict[str, list[Finished]] = {name: [] for name in ["doit", *peers]}
    # the last of a chain: nothing comes after it
    changed = root / _needs(noop.GROUP - 1 if size >= noop.GROUP else size - 1)[0]
    for number in range(repeats):
        none["doit"].append(run_process([sys.executable, "-m", "doit"], root))
        if f"nothing to do: {size} notebook" not in none["doit"][-1].text:
            raise RuntimeError(f"doit had something to do:\n{none['doit'][-1].text[:2000]}")
        for name in peers:
            none[name].append(run_process(_PEERS[name], root))
        changed.write_text(f"{changed.read_text()}\nx = {number}\n")
        one["doit"].append(_run_ours(root))
        for name in peers:
            one[name].append(run_process(_PEERS[name], root))
        time.sleep(2.1)
        run_process([sys.executable, "-m", "doit"], root)
    figures = [
        _figure(f"{size:,} notebooks, {what}", times, peer)
        for what, times in (("no change", none), ("one change", one))
        for peer in peers or [""]
    ]
    return [*figures, _scan(root, size)]


def _scan(root: Path, size: int) -> Figure:
    """What it costs to read a notebook for the first time, beside hashing its bytes."""
    import hashlib

    from brickloop.flows.project import read_project
    from brickloop.sync.ledger import Ledger

    with tempfile.TemporaryDirectory(prefix="brickloop-scan-") as folder:
        ledger = Ledger(Path(folder) / "ledger.db")
        begun = time.perf_counter()
        read_project(root / "notebooks", ledger)
        ours = (time.perf_counter() - begun) / size
        ledger.close()
    begun = time.perf_counter()
    for path in (root / "notebooks").rglob("*.py"):
        hashlib.sha256(path.read_bytes()).digest()
    plain = (time.perf_counter() - begun) / size
    return Figure(f"{size:,} notebooks, a notebook's first scan", [ours], "hash it", [plain])


def _figure(what: str, times: dict[str, list[Finished]], peer: str) -> Figure:
    return Figure(
        what,
        [done.seconds for done in times["doit"]],
        peer,
        [done.seconds for done in times[peer]] if peer else [],
        peak_bytes=max(done.peak_bytes for done in times["doit"]),
    )


def _run_ours(root: Path) -> Finished:
    searched = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "benchmarks._all_done", "--plain"]
    done = run_process(command, root, clean_environment(PYTHONPATH=searched.rstrip(os.pathsep)))
    if done.text.count("ran ") != 1:
        raise RuntimeError(f"doit should have run one notebook:\n{done.text[:2000]}")
    return done


def _needs(number: int) -> list[str]:
    group = number // noop.GROUP
    folder = f"notebooks/group_{group:04}"
    return [f"{folder}/n{number:05}.py", f"{folder}/rules_{group}.py"]


def _stamp(peer: str, number: int) -> str:
    return f"{peer}/n{number:05}"


def _found_peers() -> list[str]:
    return [name for name in _PEERS if shutil.which(name)]
