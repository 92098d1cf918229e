"""Random histories of two sides, their users, syncs and faults, for hypothesis to draw."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from tests.fakes.tree import SteppedMemoryTree
from tests.fakes.world import FAULTS, Fault, MemorySynchronizer, Op, World

from brickloop.sync.holds import Keep
from brickloop.sync.plan import PULL, PUSH, SAFE, Mode
from brickloop.sync.versions import Side

LOCAL_DOINGS = ("save", "save", "save plain", "alike", "delete", "move", "mkdir", "touch")
REMOTE_DOINGS = (
    "save file", "save python", "save python", "save sql", "save jupyter", "save at once",
    "delete", "recreate", "move", "mkdir", "opaque",
)  # fmt: skip


@dataclass(frozen=True)
class Universe:
    """The paths in which everything happens."""

    name: str
    local: tuple[str, ...]
    remote: tuple[str, ...]


ONE = Universe("one slot", ("n.py", "n.py", "n.sql", "n", "n/x.py"), ("n", "n", "n/x"))
EIGHT = Universe(
    "eight slots",
    ("b", "b.py", "b.sql", "d", "d.py", "d/x", "d/x.py", "d/e/z.txt", "k.ipynb", "e/f/g"),
    ("b", "b.py", "d", "d/x", "d/x.py", "d/e", "d/e/z.txt", "k", "e/f/g"),
)


def operations(universe: Universe) -> st.SearchStrategy[Op]:
    """What users do."""
    local, remote = st.sampled_from(universe.local), st.sampled_from(universe.remote)
    return st.one_of(
        st.builds(Op, st.just(Side.LOCAL), st.sampled_from(LOCAL_DOINGS), local, local),
        st.builds(Op, st.just(Side.REMOTE), st.sampled_from(REMOTE_DOINGS), remote, remote),
    )


def faults(universe: Universe) -> st.SearchStrategy[list[Fault]]:
    """What happens during a sync."""
    what = st.one_of(st.sampled_from(FAULTS), operations(universe))
    return st.lists(st.builds(Fault, st.integers(1, 70), what), max_size=3)


MODES = {
    "safe": SAFE,
    "push": PUSH,
    "pull": PULL,
    "prefer local": Mode(prefer=Side.LOCAL),
    "prefer remote": Mode(prefer=Side.REMOTE),
    "mirror push": replace(PUSH, prefer=Side.LOCAL, overrides=True, removes_extra=True),
    "mirror pull": replace(PULL, prefer=Side.REMOTE, overrides=True, removes_extra=True),
}
LOSSLESS = ("safe", "safe", "safe", "push", "pull")
LOSSY = tuple(MODES)


def machine(
    universe: Universe,
    *,
    modes: tuple[str, ...] = LOSSLESS,
    synchronizer: type[MemorySynchronizer] = MemorySynchronizer,
) -> type[RuleBasedStateMachine]:
    """A machine whose runs are histories in a universe."""

    class Histories(RuleBasedStateMachine):
        strict: ClassVar[bool] = modes is LOSSLESS
        runs: ClassVar[int] = 0

        @initialize(seed=st.integers(0, 3), keeps_ids=st.booleans(), exchanges=st.booleans())
        def begin(self, seed: int, keeps_ids: bool, exchanges: bool) -> None:
            tree = SteppedMemoryTree(exchanges=exchanges)
            self.world = World(synchronizer, tree, seed, keeps_ids, self.strict)
            self.copy: Any = None

        @rule(op=operations(universe))
        def act(self, op: Op) -> None:
            self.world.act(op)

        @rule(ops=st.lists(operations(universe), min_size=2, max_size=4))
        def act_often(self, ops: list[Op]) -> None:
            for op in ops:
                self.world.act(op)

        @rule(faults=faults(universe), mode=st.sampled_from(modes))
        def sync(self, faults: list[Fault], mode: str) -> None:
            self.world.sync(faults, MODES[mode])

        @rule(
            faults=faults(universe),
            path=st.sampled_from(universe.local),
            mode=st.sampled_from(modes),
        )
        def save_and_push(self, faults: list[Fault], path: str, mode: str) -> None:
            self.world.act(Op(Side.LOCAL, "save", path))
            self.world.sync(faults, MODES[mode], paths=[path])

        @rule(
            faults=faults(universe),
            slot=st.sampled_from(universe.remote),
            keep=st.sampled_from(Keep),
        )
        def resolve(self, faults: list[Fault], slot: str, keep: Keep) -> None:
            self.world.resolve(slot, keep, faults)

        @rule()
        def quiesce(self) -> None:
            self.world.quiesce()

        @rule(lose=st.booleans())
        def disturb_state(self, lose: bool) -> None:
            if lose:
                self.world.forget_state()
            elif self.copy is None:
                self.copy = self.world.copy_state()
            else:
                self.world.restore_state(self.copy)
                self.copy = None

        def teardown(self) -> None:
            type(self).runs += 1
            if hasattr(self, "world"):
                self.world.quiesce()

    Histories.__name__ = Histories.__qualname__ = f"Histories of {universe.name}"
    return Histories


def live(
    world: World,
    seed: int,
    universe: Universe = EIGHT,
    *,
    unable: frozenset[str] = frozenset(),
    rules: int = 12,
) -> None:
    """Let a world live through one history, the same for the same seed.

    ``unable`` are doings that its workspace does not know.
    """
    dice = random.Random(seed)
    remote = [doing for doing in REMOTE_DOINGS if doing not in unable]

    def draw() -> Op:
        local = dice.random() < 0.5
        paths = universe.local if local else universe.remote
        doing = dice.choice(LOCAL_DOINGS if local else remote)
        side = Side.LOCAL if local else Side.REMOTE
        return Op(side, doing, dice.choice(paths), dice.choice(paths))

    def faults() -> list[Fault]:
        what = [
            draw() if dice.random() < 0.4 else dice.choice(FAULTS)
            for _ in range(dice.randint(0, 3))
        ]
        return [Fault(dice.randint(1, 60), one) for one in what]

    for _ in range(rules):
        number = dice.random()
        if number < 0.55:
            world.act(draw())
        elif number < 0.8:
            world.sync(faults(), MODES[dice.choice(LOSSLESS)])
        elif number < 0.88:
            path = dice.choice(universe.local)
            world.act(Op(Side.LOCAL, "save", path))
            world.sync(faults(), paths=[path])
        elif number < 0.94:
            world.resolve(dice.choice(universe.remote), dice.choice(list(Keep)), faults())
        elif number < 0.98:
            world.quiesce()
        else:
            world.forget_state()
    world.quiesce()


__all__ = ["EIGHT", "LOSSLESS", "LOSSY", "ONE", "Universe", "live", "machine"]
