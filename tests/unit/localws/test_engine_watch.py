"""An engine is replaced when it does not rest while nobody uses it, and at no other time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brickloop.localws.engine import processor_seconds, read_processor_time
from brickloop.localws.engine_watch import EngineWatch, Standing

WINDOW = 0.005


class Engines:
    """Engines that do what a test says, and what was asked of them."""

    def __init__(self) -> None:
        self.used = False
        self.restless = False
        self.gone = False
        self.begins_at_each_look = False
        self.failures = 0
        self.tenants = 0
        self.looks = 0
        self.done: list[str] = []

    def standing(self, endpoint: str) -> Standing:
        self.looks += 1
        begun = self.looks if self.begins_at_each_look else 0
        seconds = float(self.looks) if self.restless else 0.0
        return Standing(self.used, begun, None if self.gone else seconds)

    def supersede(self, endpoint: str) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("no memory")
        self.done.append(f"superseded {endpoint}")

    def vacate(self, endpoint: str) -> bool:
        if self.tenants:
            self.tenants -= 1
            return False
        self.done.append(f"ended {endpoint}")
        return True


@pytest.fixture
def engines() -> Engines:
    """Engines at rest."""
    return Engines()


@pytest.fixture
def watch(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineWatch]:
    """A watch that looks often."""
    monkeypatch.setattr("brickloop.localws.engine_watch._AFTER_FAILURE_SECONDS", WINDOW)
    made = EngineWatch(engines, window_seconds=WINDOW)
    yield made
    made.close()


def until(holds: Callable[[], bool]) -> None:
    """Return when something holds; fails after half a minute."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def watches() -> list[threading.Thread]:
    """The threads that look at an engine."""
    return [each for each in threading.enumerate() if each.name == "engine-watch"]


def test_an_engine_that_comes_to_rest_is_left_alone(engines: Engines, watch: EngineWatch) -> None:
    watch.look_at("sc://a")
    until(lambda: not watches())
    assert engines.looks >= 4 and engines.done == []


def test_one_that_does_not_is_replaced_and_ended_when_nobody_is_left(
    engines: Engines, watch: EngineWatch
) -> None:
    engines.restless, engines.tenants = True, 3
    watch.look_at("sc://a")
    until(lambda: not watches())
    assert engines.done == ["superseded sc://a", "ended sc://a"] and engines.tenants == 0


@pytest.mark.parametrize("what", ["used", "begins_at_each_look"])
def test_one_that_works_for_somebody_never_is(
    engines: Engines, watch: EngineWatch, what: str
) -> None:
    engines.restless = True
    setattr(engines, what, True)
    watch.look_at("sc://a")
    until(lambda: engines.looks > 60)
    assert engines.done == []
    setattr(engines, what, False)
    until(lambda: engines.done == ["superseded sc://a", "ended sc://a"])


def test_one_that_is_gone_needs_no_look(engines: Engines, watch: EngineWatch) -> None:
    engines.gone = True
    watch.look_at("sc://a")
    watch.look_at("sc://a")
    until(lambda: not watches())
    assert engines.done == []


def test_what_fails_is_tried_again(engines: Engines, watch: EngineWatch) -> None:
    engines.restless, engines.failures = True, 2
    watch.look_at("sc://a")
    until(lambda: engines.done == ["superseded sc://a", "ended sc://a"])


def test_a_watch_that_is_closed_looks_at_nothing(engines: Engines, watch: EngineWatch) -> None:
    watch.close()
    watch.look_at("sc://a")
    assert engines.looks == 0


def test_the_time_that_a_process_used_is_told() -> None:
    if not Path("/proc").is_dir():
        pytest.skip("read from /proc")
    begin = processor_seconds(os.getpid())
    assert begin is not None
    deadline = time.monotonic() + 30
    while (now := processor_seconds(os.getpid())) is not None and now - begin < 0.05:
        assert time.monotonic() < deadline
    assert processor_seconds(2**30) is None


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [
        ("0:00.05\n", 0.05),
        ("12:34.50", 754.5),
        ("1:02:03", 3723.0),
        ("2-01:00:00", 176400.0),
        ("", None),
    ],
)
def test_the_times_of_ps_are_read(shown: str, seconds: float | None) -> None:
    assert read_processor_time(shown) == seconds
