from __future__ import annotations

import os
import threading
import time

import pytest
from tests.fakes.sql import FakeWarehouse

from brickloop.errors import ConnectionFailed, TimedOut
from brickloop.sql.pool import SessionPool


@pytest.fixture
def warehouse():
    return FakeWarehouse()


@pytest.fixture
def pool(warehouse):
    made = SessionPool(warehouse.open, size=3, wait_seconds=0.2)
    yield made
    made.close()


def test_a_session_is_used_again(pool, warehouse):
    for _ in range(5):
        with pool.lease() as session:
            session.execute("SELECT 1")
    assert len(warehouse.sessions) == 1
    assert pool.stats().leased == 5


def test_the_last_one_returned_comes_first(pool):
    first, second = pool.take(), pool.take()
    pool.give_back(first)
    pool.give_back(second)
    assert pool.take() is second


def test_there_are_never_more_than_its_size(pool, warehouse):
    taken = [pool.take() for _ in range(3)]
    with pytest.raises(TimedOut, match="all 3 connections"):
        pool.take()
    pool.give_back(taken[0])
    assert pool.take() is taken[0]
    assert len(warehouse.sessions) == 3


def test_threads_share_it_and_never_a_session(warehouse):
    pool = SessionPool(warehouse.open, size=4, wait_seconds=30)
    busy: set[int] = set()
    guard = threading.Lock()
    faults = []

    def work():
        for _ in range(25):
            with pool.lease() as session:
                with guard:
                    if session.number in busy:
                        faults.append(session.number)
                    busy.add(session.number)
                time.sleep(0.0005)
                with guard:
                    busy.discard(session.number)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert pool.stats().leased == 300
    assert len(warehouse.sessions) <= 4
    assert pool.stats().in_use == 0
    pool.close()


def test_a_session_that_broke_is_not_given_out_again(pool, warehouse):
    with pool.lease() as session:
        session.broken = True
    assert session.closed
    with pool.lease() as other:
        assert other is not session


def test_one_that_was_idle_for_long_is_asked_first(warehouse):
    pool = SessionPool(warehouse.open, check_after=0.0)
    with pool.lease() as session:
        pass
    with pool.lease() as again:
        assert again is session
        assert session.seen == ["ping"]
    warehouse.dead.add(session.number)
    with pool.lease() as other:
        assert other is not session
    assert session.closed
    pool.close()


def test_one_that_was_just_used_is_not_asked(pool):
    for _ in range(3):
        with pool.lease() as session:
            pass
    assert session.seen == []


def test_one_that_is_worn_out_is_replaced(warehouse):
    pool = SessionPool(warehouse.open, max_uses=2)
    for _ in range(4):
        with pool.lease() as session:
            session.execute("SELECT 1")
    assert len(warehouse.sessions) == 2
    old = SessionPool(warehouse.open, max_age=0.0)
    for _ in range(2):
        with old.lease():
            pass
    assert len(warehouse.sessions) == 4


def test_a_fresh_one_is_a_new_one_within_the_bound(pool, warehouse):
    held = [pool.take() for _ in range(3)]
    for session in held:
        pool.give_back(session)
    fresh = pool.take(fresh=True)
    assert fresh not in held
    assert held[0].closed
    assert pool.stats().idle == 2


def test_a_session_that_cannot_be_opened_takes_no_place(pool, warehouse):
    warehouse.open_failures = [ConnectionFailed("no") for _ in range(5)]
    for _ in range(5):
        with pytest.raises(ConnectionFailed):
            pool.take()
    assert [pool.take() for _ in range(3)]


def test_closing_closes_the_idle_now_and_the_used_later(pool):
    idle, used = pool.take(), pool.take()
    pool.give_back(idle)
    pool.close()
    assert idle.closed
    assert not used.closed
    pool.give_back(used)
    assert used.closed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_leaves_the_parents_sessions_alone(pool, warehouse):
    used = pool.take()
    with pool.lease() as idle:
        pass
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with pool.lease() as own:
            fine = own not in (used, idle) and idle.abandoned and used.abandoned
            fine = fine and not idle.closed and not used.closed
        pool.give_back(used)
        fine = fine and not used.closed
        os.write(writing, b"1" if fine else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1) == b"1"
    os.close(reading)
    os.close(writing)
    with pool.lease() as again:
        assert again is idle
