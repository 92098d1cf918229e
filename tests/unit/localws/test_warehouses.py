from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brickloop.localws.state import State
from brickloop.localws.warehouses import DEFAULT_ID, RUNNING, STOPPED, Warehouses
from brickloop.localws.wire import ApiError


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = State(tmp_path / "state.db")
    yield made
    made.close()


def test_there_is_one_from_the_start_and_it_stays_the_same(state: State) -> None:
    (first,) = Warehouses(state).all()
    assert (first.id, first.state) == (DEFAULT_ID, RUNNING)
    Warehouses(state).edit(DEFAULT_ID, {"name": "mine"})
    assert [each.name for each in Warehouses(state).all()] == ["mine"]


def test_one_that_nobody_uses_is_idle_after_its_limit_and_not_before(state: State) -> None:
    warehouses = Warehouses(state)
    made = warehouses.create({"name": "a", "auto_stop_mins": 10})
    now = time.monotonic()
    assert warehouses.idle(now + 590) == []
    assert [each.id for each in warehouses.idle(now + 620)] == [made.id]
    warehouses.set_state(made.id, STOPPED)
    assert warehouses.idle(now + 620) == []
    assert warehouses.use(made.id).state == RUNNING
    assert warehouses.idle(time.monotonic() + 590) == []


def test_the_time_of_one_that_was_never_used_begins_when_it_is_looked_at(state: State) -> None:
    Warehouses(state).create({"name": "a", "auto_stop_mins": 1})
    again = Warehouses(state)
    assert again.idle(1_000_000) == []
    assert [each.name for each in again.idle(1_000_061)] == ["a"]


def test_unknown_ones_are_not_found(state: State) -> None:
    warehouses = Warehouses(state)
    for call in (warehouses.get, warehouses.use, warehouses.delete):
        with pytest.raises(ApiError, match="does not exist"):
            call("nope")
