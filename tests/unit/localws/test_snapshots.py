"""Copies of a process: what must hold of the fork itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyspark

_HANGING = """
import os, time
from brickloop.localws import snapshots
snapshots._FORK_SECONDS = 0.2
os.register_at_fork(before=lambda: time.sleep(600))
snapshots._fork()
"""
_PLAIN = """
import os, signal
from brickloop.localws import snapshots
heard = []
signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.5)
pid = snapshots._fork()
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
while not heard:
    signal.pause()
"""


def run(script):
    # pyspark's scripts look for it where it is not named
    environment = {**os.environ, "SPARK_HOME": str(Path(pyspark.__file__).parent)}
    return subprocess.run([sys.executable, "-c", script], env=environment, timeout=60).returncode


def test_a_process_in_which_a_fork_hangs_is_ended():
    assert run(_HANGING) == -signal.SIGALRM


def test_a_fork_leaves_the_timers_of_a_notebook_alone():
    assert run(_PLAIN) == 0
