"""Keys of tasks, settings that are compared, and one look for all who follow."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest

from brickloop.errors import UsageError
from brickloop.flows.graph_job import TaskTimes, _Looks
from brickloop.jobs.compute import JobCluster
from brickloop.jobs.graph_job import (
    GraphTask,
    _has_same_tasks,
    ensure_graph_job,
    graph_settings,
    task_key,
)
from brickloop.jobs.submit import NotebookWork, RunRequest
from brickloop.model.run import LifeCycle, ResultState, RunStatus


def make(key: str, *before: str, **parameters: str) -> GraphTask:
    request = RunRequest(
        key, NotebookWork(f"/w/{key}"), "", "/out", "/w.whl", parameters=parameters
    )
    return GraphTask(key, request, before)


def settings_of(*tasks: GraphTask):
    return graph_settings(None, "https://h", "nightly", tasks)


def test_every_notebook_has_a_key_of_its_own_that_the_api_takes():
    names = ["a", "02_clean", "b/a", "b_a", "b a", "b=a", "ä", "ö", "x" * 200, "x" * 199 + "y"]
    keys = [task_key(name) for name in names]
    assert len(set(keys)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,100}", key) for key in keys)
    assert keys[:2] == ["a", "02_clean"]


def test_settings_are_the_same_in_any_order_and_with_what_is_beside_them():
    wanted = settings_of(make("b", "a", "c"), make("a"), make("c"))
    known = {
        **wanted,
        "schedule": {"quartz_cron_expression": "0 0 * * * ?"},
        "tasks": [
            {**task, "depends_on": task["depends_on"][::-1], "run_if": "ALL_SUCCESS"}
            for task in wanted["tasks"][::-1]
        ],
    }
    for task in known["tasks"]:
        if not task["depends_on"]:
            del task["depends_on"]
    assert _has_same_tasks(wanted, known)


@pytest.mark.parametrize(
    "tasks",
    [
        (make("a"), make("b", "a", limit="8")),
        (make("a"), make("b", "a")),
        (make("a"), make("b", limit="7")),
        (make("a"),),
        (make("a"), make("b", "a", limit="7"), make("c")),
    ],
)
def test_a_difference_is_seen(tasks):
    known = settings_of(make("a"), make("b", "a", limit="7"))
    assert _has_same_tasks(known, known)
    assert not _has_same_tasks(settings_of(*tasks), known)


def test_the_tasks_of_a_job_share_one_job_cluster():
    request = RunRequest("a", NotebookWork("/w/a"), "", "/out", "/w.whl",
                         JobCluster({"spark_version": "15.4.x-scala2.12"}))  # fmt: skip
    found = settings_of(GraphTask("a", request), GraphTask("b", request))
    assert [one["new_cluster"] for one in found["job_clusters"]] == [
        {"spark_version": "15.4.x-scala2.12"}
    ]
    assert [task["job_cluster_key"] for task in found["tasks"]] == ["default", "default"]
    assert "new_cluster" not in found["tasks"][0]
    assert found["tasks"][0]["libraries"] == [{"whl": "/w.whl"}]


def test_more_tasks_than_a_job_has_are_refused_before_anything_is_asked():
    with pytest.raises(UsageError, match="1001 tasks; a job has at most 1000"):
        ensure_graph_job(None, "https://h", "n", [make(f"t{number}") for number in range(1001)])


def test_parameters_that_the_api_refuses_are_named_before_anything_is_asked():
    with pytest.raises(UsageError, match="10,000 bytes"):
        ensure_graph_job(None, "https://h", "n", [make("a"), make("b", text="x" * 10_000)])


def status(life: LifeCycle, result: ResultState | None = None) -> RunStatus:
    return RunStatus(7, 8, life, result, "", "", 0, 0)


def test_all_who_follow_share_one_look():
    asked = []
    task = status(LifeCycle.RUNNING)

    def look():
        asked.append(1)
        return status(LifeCycle.RUNNING), {"a": task}

    looks = _Looks(look, "https://h")
    threads = [threading.Thread(target=lambda: looks.at("a")) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    assert looks.at("a") is task
    assert looks.at("b").life_cycle is LifeCycle.PENDING, "it may yet be shown"


def test_a_task_that_an_ended_run_does_not_show_has_not_succeeded():
    looks = _Looks(lambda: (status(LifeCycle.TERMINATED, ResultState.SUCCESS), {}), "https://h")
    found = looks.at("a")
    assert found.life_cycle.is_final
    assert not found.succeeded


def test_a_task_worked_as_long_as_the_workspace_says():
    ended = status(LifeCycle.TERMINATED, ResultState.SUCCESS)
    blocked = replace(ended, started_ms=1_000, ended_ms=61_000, busy_ms=5_000)
    assert TaskTimes.of(blocked) == TaskTimes(56.0, 61.0, 5.0), "it was held up before"
    assert TaskTimes.of(replace(blocked, busy_ms=0)) == TaskTimes(1.0, 61.0, 60.0)
