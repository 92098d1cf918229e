"""Gathering events until they are quiet, by a clock of the test's own."""

from __future__ import annotations

import threading

from brickloop.sync.inbox import BURST_QUIET_SECONDS, LONGEST_SECONDS, Batch, Inbox


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_save_is_taken_once_it_is_quiet() -> None:
    clock = Clock()
    inbox = Inbox(0.05, clock)
    inbox.put("a")
    clock.now += 0.06
    assert inbox.take(None) == Batch(("a",))
    assert inbox.take(clock.now) == Batch()
    assert not inbox.take(clock.now)


def test_many_files_are_waited_for_longer_and_are_one_batch() -> None:
    clock = Clock()
    inbox = Inbox(0.0, clock)
    for number in range(200):
        inbox.put(str(number), str(number))
        clock.now += BURST_QUIET_SECONDS / 2 if number > 2 else 0
    assert not inbox.is_empty
    clock.now += BURST_QUIET_SECONDS
    batch = inbox.take(None)
    assert (len(batch.paths), batch.whole) == (200, False)
    assert inbox.is_empty


def test_what_never_is_quiet_is_taken_after_a_while() -> None:
    clock = Clock()
    inbox = Inbox(0.05, clock)
    for _ in range(1000):
        inbox.put("log", whole=True)
        clock.now += 0.04
    assert clock.now > 100 + LONGEST_SECONDS
    assert inbox.take(None) == Batch(("log",), whole=True)


def test_closing_lets_whoever_waits_go() -> None:
    inbox = Inbox()
    found: list[Batch] = []
    waiting = threading.Thread(target=lambda: found.append(inbox.take(None)))
    waiting.start()
    inbox.close()
    waiting.join(30)
    assert found == [Batch()]
