"""The dev loop with runs that end when the test says so."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from brickloop.errors import ConnectionFailed
from brickloop.flows.affected import Choice
from brickloop.flows.dev_watch import Cut, DevWatch

HEADER = "# Databricks notebook source\n"
LIMIT = 60.0


class Runs:
    """Stands in for kernel and workspace: notes what is run, with the content at that time."""

    def __init__(self):
        self.begun: list[tuple[str, str]] = []
        self.ended: list[tuple[str, str]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None

    def run(self, path, cut):
        cell = path.read_text().removeprefix(HEADER).strip()
        self.begun.append((path.name, cell))
        canceled = threading.Event()
        cut.on_cancel(canceled.set)
        while not (self.go_on.is_set() or canceled.is_set()):
            time.sleep(0.005)
        if self.error is not None:
            raise self.error
        state = "canceled" if canceled.is_set() else "failed" if "fail" in cell else "success"
        self.ended.append((path.name, state))
        return SimpleNamespace(success=state == "success")


def wait_for(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "tasks.py").write_text("")
    (root / "a_load.py").write_text(HEADER + 'spark.range(1).write.saveAsTable("s.raw")\n')
    (root / "b_sum.py").write_text(HEADER + 'spark.table("s.raw").show()\n')
    (root / "c_alone.py").write_text(HEADER + "1\n")
    return root


@pytest.fixture
def runs():
    return Runs()


@pytest.fixture
def start(folder, runs, tmp_path):
    made = []

    def make(*patterns, **options):
        watch = DevWatch(Choice(patterns or [folder]), runs, tmp_path / "ledger.db", **options)
        made.append(watch)
        watch.start()
        assert watch.ready.wait(LIMIT)
        assert watch.failure is None
        return watch

    yield make
    runs.go_on.set()
    for watch in made:
        watch.stop()
        watch.join(LIMIT)
        assert not watch.is_alive()


def save(path, cell):
    path.write_text(HEADER + cell + "\n")


def test_a_save_runs_the_notebook_and_nothing_else(start, runs, folder):
    start()
    assert runs.begun == []
    save(folder / "c_alone.py", "2")
    wait_for(lambda: runs.ended)
    assert runs.begun == [("c_alone.py", "2")]


def test_what_comes_after_it_is_run_too(start, runs, folder):
    start()
    save(folder / "a_load.py", 'spark.range(2).write.saveAsTable("s.raw")')
    wait_for(lambda: len(runs.ended) == 2)
    assert [name for name, _ in runs.begun] == ["a_load.py", "b_sum.py"]


def test_a_save_during_a_run_cancels_it_and_starts_anew(start, runs, folder, capsys):
    start()
    runs.go_on.clear()
    save(folder / "c_alone.py", "2")
    wait_for(lambda: runs.begun)
    save(folder / "c_alone.py", "3")
    wait_for(lambda: len(runs.begun) == 2)
    assert runs.ended == [("c_alone.py", "canceled")]
    runs.go_on.set()
    wait_for(lambda: len(runs.ended) == 2)
    assert runs.begun[1] == ("c_alone.py", "3")
    assert "cancelled and starts anew" in capsys.readouterr().err


def test_with_queue_a_run_ends_first(start, runs, folder):
    watch = start(queue=True)
    runs.go_on.clear()
    save(folder / "c_alone.py", "2")
    wait_for(lambda: runs.begun)
    save(folder / "c_alone.py", "3")
    save(folder / "b_sum.py", "4")
    wait_for(lambda: len(watch._pending) == 2)
    runs.go_on.set()
    wait_for(lambda: len(runs.ended) == 3)
    assert all(state == "success" for _, state in runs.ended)
    assert sorted(runs.begun[1:]) == [("b_sum.py", "4"), ("c_alone.py", "3")]


def test_a_save_that_does_not_affect_what_runs_waits(start, runs, folder):
    watch = start()
    runs.go_on.clear()
    save(folder / "c_alone.py", "2")
    wait_for(lambda: runs.begun)
    save(folder / "b_sum.py", "4")
    wait_for(lambda: watch._pending)
    runs.go_on.set()
    wait_for(lambda: len(runs.ended) == 2)
    assert runs.ended == [("c_alone.py", "success"), ("b_sum.py", "success")]


def test_a_failed_run_is_tried_again_by_a_save_without_a_change(start, runs, folder):
    start()
    save(folder / "c_alone.py", "fail()")
    wait_for(lambda: runs.ended == [("c_alone.py", "failed")])
    save(folder / "c_alone.py", "fail()")
    wait_for(lambda: len(runs.ended) == 2)


@pytest.mark.parametrize("error", [ConnectionFailed("no workspace"), ValueError("a fault")])
def test_errors_are_shown_and_the_watch_goes_on(start, runs, folder, capsys, error):
    start()
    runs.error = error
    save(folder / "c_alone.py", "2")
    wait_for(lambda: runs.begun)
    runs.error = None
    save(folder / "c_alone.py", "3")
    wait_for(lambda: runs.ended)
    assert str(error) in capsys.readouterr().err


def test_a_broken_file_and_one_that_vanishes_do_not_end_it(start, runs, folder, capsys):
    start()
    (folder / "half.ipynb").write_text('{"cells": [')
    (folder / ".c_alone.py.swp").write_text("x")
    (folder / "4913").write_text("")
    (folder / "4913").unlink()
    wait_for(lambda: "half.ipynb" in capsys.readouterr().err)
    (folder / "c_alone.py").unlink()
    (folder / "half.ipynb").unlink()
    save(folder / "c_alone.py", "5")
    wait_for(lambda: runs.ended)
    assert set(runs.begun) == {("c_alone.py", "5")}


def test_what_a_notebook_comes_to_reach_is_watched_from_then_on(start, runs, folder):
    (folder / "common").mkdir()
    save(folder / "common" / "names.py", "N = 1")
    (folder / "jobs").mkdir()
    save(folder / "jobs" / "main.py", "1")
    start(folder / "jobs" / "main.py")
    save(folder / "jobs" / "main.py", "# MAGIC %run ../common/names")
    wait_for(lambda: len(runs.ended) == 1)
    save(folder / "common" / "names.py", "N = 2")
    wait_for(lambda: len(runs.ended) == 2)
    assert [name for name, _ in runs.begun] == ["main.py", "main.py"]


def test_now_runs_everything_once(start, runs):
    start(now=True)
    wait_for(lambda: len(runs.ended) == 3)
    names = [name for name, _ in runs.begun]
    assert names.index("a_load.py") < names.index("b_sum.py")


def test_stop_cancels_what_runs(start, runs, folder):
    watch = start()
    runs.go_on.clear()
    save(folder / "c_alone.py", "2")
    wait_for(lambda: runs.begun)
    watch.stop()
    watch.join(LIMIT)
    assert not watch.is_alive()
    assert runs.ended == [("c_alone.py", "canceled")]


def test_results_are_told(folder, runs, tmp_path):
    told = []
    watch = DevWatch(
        Choice([folder / "c_alone.py"]),
        runs,
        tmp_path / "ledger.db",
        on_result=lambda path, result: told.append((path.name, result.success)),
    )
    watch.start()
    assert watch.ready.wait(LIMIT)
    save(folder / "c_alone.py", "2")
    wait_for(lambda: told)
    watch.stop()
    watch.join(LIMIT)
    assert told == [("c_alone.py", True)]


def test_a_cut_ends_a_run_once_also_one_that_has_not_begun():
    ends = []
    early, late = Cut(), Cut()
    early.cancel()
    early.on_cancel(lambda: ends.append("early"))
    late.on_cancel(lambda: ends.append("late"))
    late.cancel()
    late.cancel()
    assert ends == ["early", "late"]
