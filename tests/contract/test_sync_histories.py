"""Random histories on a real disk and the real local workspace, through the real client."""

from __future__ import annotations

from tests.fakes.real import RealTree, RealWorkspace
from tests.fakes.world import World
from tests.property.histories import live

UNABLE = frozenset({"opaque", "save at once", "move"})


def test_nothing_is_lost_on_a_disk_and_in_the_local_workspace(client, tmp_path) -> None:
    for seed in range(1000, 1012):
        tree = RealTree(tmp_path / str(seed))
        live(World(tree=tree, fake=RealWorkspace(client), seed=seed), seed, unable=UNABLE)
