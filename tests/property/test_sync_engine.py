"""No history of edits, faults and deaths loses a version: the engine's invariants, at random.

``python -m tests.property --runs 100000`` does the same for longer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.fakes.real import RealTree
from tests.fakes.world import World
from tests.property.histories import EIGHT, LOSSY, ONE, Universe, live, machine

AT_CI = settings(
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


def run(kind: Any, count: int) -> None:
    run_state_machine_as_test(kind, settings=settings(AT_CI, max_examples=count))
    assert kind.runs >= count


def test_nothing_is_lost_in_one_slot() -> None:
    run(machine(ONE), 1000)


def test_nothing_is_lost_in_eight_slots() -> None:
    run(machine(EIGHT), 1000)


@pytest.mark.parametrize("universe", [ONE, EIGHT], ids=lambda universe: universe.name)
def test_modes_that_let_one_side_win_keep_the_other_version(universe: Universe) -> None:
    run(machine(universe, modes=LOSSY), 150)


def trace_of(seed: int) -> list[Any]:
    world = World(seed=seed)
    live(world, seed)
    return [world.trace, world.fake.calls]


def test_nothing_is_lost_on_a_disk(tmp_path: Path) -> None:
    for seed in range(100):
        live(World(tree=RealTree(tmp_path / str(seed)), seed=seed), seed)


def test_the_same_seed_takes_the_same_way() -> None:
    for seed in range(20):
        assert trace_of(seed) == trace_of(seed)
