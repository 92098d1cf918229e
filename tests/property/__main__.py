"""Run as many random histories as wanted: ``python -m tests.property --runs 100000``.

Each thousand has a seed of its own that is printed; ``--seed`` repeats one of them.
"""

from __future__ import annotations

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.fakes.tree import SteppedMemoryTree
from tests.fakes.world import World
from tests.property.histories import EIGHT, LOSSLESS, LOSSY, ONE, live, machine

_EACH = 500
_UNIVERSES = {"one": ONE, "eight": EIGHT}


def main() -> int:
    """0 when every history held, 1 with the shortest one that did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.property", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="how many histories")
    parser.add_argument("--universe", choices=[*_UNIVERSES, "both"], default="both")
    parser.add_argument("--lossy", action="store_true", help="modes that let one side win, too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--plain", action="store_true", help="drawn without hypothesis: faster, not shortened"
    )
    given = parser.parse_args()
    names = list(_UNIVERSES) if given.universe == "both" else [given.universe]
    if given.plain:
        return _run_plain(names, given.seed, given.runs)
    for name in names:
        done, begun, number = 0, time.perf_counter(), given.seed
        while done < given.runs:
            kind = machine(_UNIVERSES[name], modes=LOSSY if given.lossy else LOSSLESS)
            seed(number)(kind)
            run_state_machine_as_test(
                kind,
                settings=settings(
                    max_examples=min(_EACH, given.runs - done),
                    stateful_step_count=25,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate, Phase.shrink],
                    suppress_health_check=list(HealthCheck),
                ),
            )
            done += kind.runs
            rate = done / (time.perf_counter() - begun)
            print(f"{name}: seed {number}, {done} histories held, {rate:.0f}/s", flush=True)
            number += 1
    return 0


def _run_plain(names: list[str], first: int, runs: int) -> int:
    for name in names:
        begun = time.perf_counter()
        for number in range(first, first + runs):
            tree = SteppedMemoryTree(exchanges=number % 2 == 0)
            world = World(tree=tree, seed=number, keeps_ids=number % 3 > 0)
            try:
                live(world, number, _UNIVERSES[name], rules=20)
            except BaseException:
                print(f"{name}: seed {number}", "\n".join(world.trace), sep="\n", flush=True)
                raise
            if (number - first + 1) % 1000 == 0:
                rate = (number - first + 1) / (time.perf_counter() - begun)
                print(f"{name}: {number - first + 1} histories held, {rate:.0f}/s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
