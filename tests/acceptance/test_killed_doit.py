"""`doit` killed at its steps: the next one takes up what is there and runs nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from brickloop import launcher


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each step is a fork of a warm process")
def test_a_doit_that_is_killed_anywhere_is_taken_up(
    local_server: launcher.LocalServer, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killed_doit.py")), str(tmp_path), "3"],
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "DATABRICKS_HOST": local_server.host,
            "DATABRICKS_TOKEN": local_server.token,
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    *steps, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(steps) >= 20
    for found in steps:
        # how often a run is looked at varies, so the last steps are not always reached
        reached = found["killed"] == -9 or (
            found["killed"] == 0 and found["step"] > found["of"] / 2
        )
        assert reached, found
        assert found["again"] == 0, found
        assert found["left"] == 0, found
        assert found["said"] == ["Said"], found
    for found in steps:
        assert last["runs"][f"brickloop killed{found['step']}/nb"] == 1, found
