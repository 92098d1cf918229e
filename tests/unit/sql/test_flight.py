from __future__ import annotations

import subprocess
import sys
import threading
import time

from brickloop.sql.flight import one_at_a_time

KEY = "a" * 64
_COUNTING = """
import sys, time
from pathlib import Path
from brickloop.sql.flight import one_at_a_time
folder, log = Path(sys.argv[1]), Path(sys.argv[2])
with one_at_a_time(folder, "a" * 64):
    with log.open("a") as file:
        file.write("in\\n")
    time.sleep(0.05)
    with log.open("a") as file:
        file.write("out\\n")
"""


def test_processes_come_one_after_the_other(tmp_path):
    command = [sys.executable, "-c", _COUNTING, str(tmp_path / "locks"), str(tmp_path / "log")]
    processes = [subprocess.Popen(command) for _ in range(6)]
    assert [process.wait(60) for process in processes] == [0] * 6
    assert (tmp_path / "log").read_text().splitlines() == ["in", "out"] * 6
    # nothing stays behind
    assert list((tmp_path / "locks").iterdir()) == []


def test_threads_come_one_after_the_other_and_hear_that_they_wait(tmp_path):
    inside = []
    waits = []

    def work():
        with one_at_a_time(tmp_path, KEY, on_wait=lambda: waits.append(1)) as waited:
            inside.append(1)
            assert sum(inside) == 1
            time.sleep(0.02)
            inside.pop()
        seen.append(waited)

    seen = []
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(seen) == 5
    assert seen.count(False) >= 1
    assert len(waits) == seen.count(True)


def test_who_waits_for_a_thread_and_then_for_a_process_is_told_once(tmp_path):
    outside = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _COUNTING.replace("time.sleep(0.05)", "sys.stdin.read()"),
            str(tmp_path / "locks"),
            str(tmp_path / "log"),
        ],
        stdin=subprocess.PIPE,
    )
    log, waits, inside = tmp_path / "log", [], threading.Event()
    while not (log.exists() and log.read_text()):
        time.sleep(0.01)

    def work():
        with one_at_a_time(tmp_path / "locks", KEY, on_wait=lambda: waits.append(1)):
            inside.set()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(waits) < 3:
        time.sleep(0.01)
    assert not inside.is_set()
    outside.communicate()
    for thread in threads:
        thread.join(60)
    assert len(waits) == 3


def test_other_keys_do_not_wait(tmp_path):
    with one_at_a_time(tmp_path, KEY) as first, one_at_a_time(tmp_path, "b" * 64) as second:
        assert (first, second) == (False, False)


def test_a_holder_that_was_killed_holds_nobody_up(tmp_path):
    script = _COUNTING.replace("time.sleep(0.05)", "time.sleep(600)")
    command = [sys.executable, "-c", script, str(tmp_path / "locks"), str(tmp_path / "log")]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 30
    while not (tmp_path / "log").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait(30)
    with one_at_a_time(tmp_path / "locks", KEY):
        pass


def test_where_no_lock_can_be_made_nobody_waits(tmp_path):
    (tmp_path / "file").write_text("")
    with one_at_a_time(tmp_path / "file" / "locks", KEY) as waited:
        assert waited is False
