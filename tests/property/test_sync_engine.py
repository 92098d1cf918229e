"""No history of edits, faults and deaths loses a version: the engine's invariants, at random.

``python -m tests.property --runs 100000`` does the same for longer.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.fakes.world import FAULTS, Fault, Op, World
from tests.property.histories import (
    EIGHT,
    LOCAL_DOINGS,
    LOSSY,
    ONE,
    REMOTE_DOINGS,
    Universe,
    machine,
)

from brickloop.sync.versions import Side

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


def draw(dice: random.Random, universe: Universe) -> Op:
    side = dice.choice(list(Side))
    doings, paths = (
        (LOCAL_DOINGS, universe.local) if side is Side.LOCAL else (REMOTE_DOINGS, universe.remote)
    )
    return Op(side, dice.choice(doings), dice.choice(paths), dice.choice(paths))


def trace(seed: int) -> list[Any]:
    dice = random.Random(seed)
    world = World(seed=seed)
    for _ in range(12):
        if dice.random() < 0.6:
            world.act(draw(dice, EIGHT))
        else:
            faults = [Fault(dice.randint(1, 60), dice.choice(FAULTS)) for _ in range(2)]
            world.sync(faults)
    world.quiesce()
    return [world.trace, world.fake.calls]


def test_the_same_seed_takes_the_same_way() -> None:
    for seed in range(20):
        assert trace(seed) == trace(seed)
