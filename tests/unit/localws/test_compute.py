"""An engine is ended when nobody is left on it: no lease, no session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from brickloop.localws.compute import Compute
from brickloop.localws.layout import StoreLayout


class Engines:
    """Engines without processes: each start after an ``outdate`` is another."""

    def __init__(self, _layout: StoreLayout) -> None:
        self.number = 1
        self.ended: list[str] = []

    def start(self) -> str:
        return f"sc://{self.number}"

    def outdate(self, endpoint: str) -> None:
        self.number += endpoint == f"sc://{self.number}"

    def end(self, endpoint: str) -> None:
        self.ended.append(endpoint)

    def processor_seconds(self, endpoint: str) -> float | None:
        return None if endpoint in self.ended else 1.0

    def stop(self) -> None:
        """Nothing runs."""


class Pool:
    """A pool that is only there."""

    def __init__(self, _layout: StoreLayout) -> None:
        """Nothing to keep."""

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""


class Sessions:
    """Sessions on the first engine, of which one may be busy."""

    def __init__(self) -> None:
        self.places = ["sc://1", "sc://1"]
        self.busy = True

    def begun_on(self, endpoint: str) -> int:
        return self.places.count(endpoint)

    def are_quiet_on(self, endpoint: str) -> bool:
        return not (self.busy and endpoint in self.places)

    def move(self, endpoint: str, fresh: str) -> bool:
        self.places = [fresh, self.places[1] if self.busy else fresh]
        return endpoint not in self.places


@pytest.fixture
def compute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compute]:
    """Compute over those engines."""
    monkeypatch.setattr("brickloop.localws.engine.Engine", Engines)
    monkeypatch.setattr("brickloop.localws.kernel_pool.KernelPool", Pool)
    made = Compute(StoreLayout(tmp_path))
    made.start(warm=False)
    yield made
    made.stop()


def ended(compute: Compute) -> list[str]:
    """The engines that were ended."""
    engine = compute._engine
    assert isinstance(engine, Engines)
    return engine.ended


def test_a_lease_keeps_an_engine_that_was_superseded(compute: Compute) -> None:
    with compute.lease() as (old, _pool):
        assert old == "sc://1" and compute.standing(old).is_used
        compute.supersede(old)
        with compute.lease() as (fresh, _pool):
            assert fresh == "sc://2"
        assert compute.vacate(old) is False and ended(compute) == []
    assert not compute.standing(old).is_used
    assert compute.vacate(old) is True and ended(compute) == [old]
    assert compute.standing(old).processor_seconds is None


def test_a_busy_session_keeps_it_and_the_quiet_ones_are_moved(compute: Compute) -> None:
    sessions = Sessions()
    compute.add_tenants(sessions)
    assert compute.ready()[0] == "sc://1" and compute.standing("sc://1").is_used
    compute.supersede("sc://1")
    assert compute.vacate("sc://1") is False and ended(compute) == []
    assert sessions.places == ["sc://2", "sc://1"]
    sessions.busy = False
    assert compute.vacate("sc://1") is True and ended(compute) == ["sc://1"]
    assert sessions.places == ["sc://2", "sc://2"]


def test_what_is_begun_is_counted(compute: Compute) -> None:
    before = compute.standing("sc://1").begun
    with compute.lease():
        assert compute.standing("sc://1").begun == before + 1
    assert compute.standing("sc://1").begun == before + 1
