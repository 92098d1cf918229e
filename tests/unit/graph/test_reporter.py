"""What the reporter tells the moving line."""

from __future__ import annotations

import io

from doit.task import Task

from brickloop.display.screen import SCREEN
from brickloop.graph.reporter import BrickloopReporter


def test_the_line_hears_how_many_runs_wait(monkeypatch):
    told = []
    monkeypatch.setattr(SCREEN, "tell_waiting", told.append)
    tasks = {
        name: Task(name, [lambda: None], task_dep=before)
        for name, before in {
            "upload:a": [],
            "run:a": ["upload:a"],
            "run:b": ["run:a"],
            "run:c": ["run:a"],
            "run:d": [],
        }.items()
    }
    reporter = BrickloopReporter(io.StringIO(), {})
    reporter.initialize(tasks, ["run:b", "run:c"])
    reporter.execute_task(tasks["upload:a"])
    reporter.execute_task(tasks["run:a"])
    reporter.add_success(tasks["run:a"])
    reporter.skip_uptodate(tasks["run:b"])
    reporter.execute_task(tasks["run:c"])
    assert told == [2, 1, 0], "of three, one after another begins or needs not to"
    reporter.complete_run()
    assert told == [2, 1, 0, 0]
