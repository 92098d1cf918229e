"""doit's main thread hears signals while it waits for others."""

from __future__ import annotations

import queue
import threading
import time

import pytest
from doit.runner import MThreadRunner

from brickloop.graph.waking import WakingQueue, keep_awake


def test_doits_runner_for_threads_waits_in_our_queue():
    keep_awake()
    assert MThreadRunner.Queue is WakingQueue


def test_an_item_that_comes_late_is_got():
    items = WakingQueue()
    threading.Thread(target=lambda: (time.sleep(0.5), items.put("late"))).start()
    assert items.get() == "late"


def test_limits_are_those_of_a_queue():
    with pytest.raises(queue.Empty):
        WakingQueue().get(timeout=0.01)
    with pytest.raises(queue.Empty):
        WakingQueue().get(block=False)
