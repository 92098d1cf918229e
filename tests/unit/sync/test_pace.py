"""How many requests are under way, and how many are sent at all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes.workspace import ROOT, FakeWorkspace, Place

from brickloop.sync.engine import Synchronizer
from brickloop.sync.pace import Crew, Pace
from brickloop.sync.remote import Throttled

LIMIT = 30.0


def test_throttling_halves_the_limit_and_successes_raise_it() -> None:
    slept: list[float] = []
    pace = Pace(8, sleep=slept.append)
    pace.slow_down(0, 0)
    pace.slow_down(0, 0)
    assert (pace.limit, pace.throttled) == (2, 2)
    for _ in range(100):
        with pace.turn():
            pass
    assert pace.limit == 8


def test_a_pause_is_as_long_as_asked_for_and_longer_each_time_but_not_endless() -> None:
    slept: list[float] = []
    pace = Pace(8, sleep=slept.append)
    pace.slow_down(2, 0)
    pace.slow_down(2, 2)
    pace.slow_down(100, 0)
    assert slept == [2, 4.5, 60]
    slept.clear()
    with pace.turn():
        pass
    # whoever comes next waits as well
    assert slept[0] > 50


def test_a_crew_waits_for_what_is_under_way_when_one_fails() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        if number == 0:
            raise ValueError
        time.sleep(0.05)
        done.append(number)
        return number

    crew = Crew(4)
    with pytest.raises(ValueError):
        list(crew.each(work, range(4)))
    crew.close()
    before = list(done)
    time.sleep(0.1)
    assert done == before


class CountingWorkspace(FakeWorkspace):
    """Knows how many requests of a kind were under way at once."""

    def __init__(self) -> None:
        self.most: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._guard = threading.Lock()
        self.slow = 0.0
        super().__init__()

    def _request(self, call: str, path: str):
        @contextmanager
        def counted() -> Iterator[None]:
            with self._guard:
                self._now[call] += 1
                self.most[call] = max(self.most[call], self._now[call])
            try:
                time.sleep(self.slow)
                with FakeWorkspace._request(self, call, path):
                    yield
            finally:
                with self._guard:
                    self._now[call] -= 1

        return counted()


def synchronizer(place: Place, fake: FakeWorkspace, parallel: int) -> Synchronizer:
    return Synchronizer(place.pair, fake, parallel=parallel, durable=False)


def fill(place: Place, folders: int, files: int) -> None:
    for folder in range(folders):
        (place.local / f"d{folder}").mkdir()
        for file in range(files):
            (place.local / f"d{folder}" / f"f{file}").write_text(f"{folder} {file}")


def test_folders_are_listed_and_files_sent_in_parallel_but_made_one_at_a_time(
    tmp_path: Path,
) -> None:
    place, fake = Place(tmp_path), CountingWorkspace()
    fill(place, 6, 3)
    fake.slow = 0.02
    sync = synchronizer(place, fake, 4)
    assert sync.run().sent == 18
    assert fake.most["mkdirs"] == 1
    assert 1 < fake.most["put"] <= 4
    assert fake.count("put") == 18
    assert fake.count("mkdirs") == 6
    fake.calls.clear()
    report = sync.run()
    assert fake.most["list"] > 1
    # what was sent is read back once; after that a look is one listing for each folder
    assert Counter(call for call, _ in fake.calls) == {
        "list": 7, "export": 18, "status": 1,
    }  # fmt: skip
    fake.calls.clear()
    assert not sync.run().changes
    assert Counter(call for call, _ in fake.calls) == {"list": 7}
    assert not report.changes
    sync.close()


def test_each_change_costs_what_it_has_to(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for name in ("push", "drop", "lose"):
        (place.local / name).write_text(name)
    place.settle()

    def cost() -> Counter[str]:
        place.fake.calls.clear()
        assert place.sync().run().is_clean
        return Counter(call for call, _ in place.fake.calls)

    (place.local / "push").write_text("push 2")
    assert cost() == {"list": 1, "status": 1, "put": 1}
    cost()
    (place.local / "new").write_text("new")
    assert cost() == {"list": 1, "put": 1}
    cost()
    (place.local / "drop").unlink()
    assert cost() == {"list": 1, "status": 1, "delete": 1}
    place.fake.remove(f"{ROOT}/lose")
    assert cost() == {"list": 1}
    place.fake.file(f"{ROOT}/theirs", b"theirs")
    assert cost() == {"list": 1, "export": 1}


def test_a_throttled_sync_slows_down_and_sends_everything_once(tmp_path: Path) -> None:
    place, fake = Place(tmp_path), CountingWorkspace()
    fill(place, 2, 10)
    refused: Counter[str] = Counter()

    def throttle(call: str, path: str) -> None:
        if call == "put" and refused[path] < 2:
            refused[path] += 1
            raise Throttled("slow down", where=path, seconds=0.0)

    fake.before = throttle
    sync = synchronizer(place, fake, 8)
    report = sync.run()
    assert report.is_clean
    assert report.sent == 20
    assert sync.pace.throttled == 40
    assert len(fake.tree()) == 22
    sync.close()
