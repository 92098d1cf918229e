from __future__ import annotations

from typing import Any

import pytest

from brickloop.localws.job_settings import (
    job_parameters,
    merge_settings,
    normal_settings,
    with_run_parameters,
)
from brickloop.localws.wire import ApiError

NOTEBOOK = {"task_key": "a", "notebook_task": {"notebook_path": "/x"}}


def test_the_shape_of_one_task_becomes_a_list_of_one() -> None:
    settings = normal_settings(
        {
            "notebook_task": {"notebook_path": "/x"},
            "libraries": [{"whl": "/w.whl"}],
            "timeout_seconds": 5,
            "max_retries": 2,
        },
        "c",
    )
    assert settings == {
        "timeout_seconds": 5,
        "tasks": [
            {
                "task_key": "main",
                "notebook_task": {"notebook_path": "/x"},
                "libraries": [{"whl": "/w.whl"}],
                "max_retries": 2,
            }
        ],
    }


@pytest.mark.parametrize(
    ("task", "status"),
    [
        ({"python_wheel_task": {"package_name": "p"}}, 400),
        ({"python_wheel_task": {"package_name": "p", "entry_point": "e", "parameters": "x"}}, 400),
        ({"spark_python_task": {}}, 400),
        ({"spark_python_task": {"python_file": "/x.py", "parameters": [1]}}, 400),
        ({"spark_python_task": {"python_file": "x.py", "source": "GIT"}}, 501),
        ({"notebook_task": {"notebook_path": "x", "source": "GIT"}}, 400),
        ({"notebook_task": {"notebook_path": "/x", "source": "GIT"}}, 501),
        ({"sql_task": {"warehouse_id": "w"}}, 400),
        ({"sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}}}, 501),
        ({"condition_task": {"op": "EQUAL_TO", "left": "1"}}, 400),
        ({"condition_task": {"op": "LIKE", "left": "1", "right": "1"}}, 400),
        ({"run_job_task": {}}, 400),
        ({"for_each_task": {}}, 400),
        ({"for_each_task": {"inputs": [1], "task": NOTEBOOK}}, 400),
        ({"for_each_task": {"inputs": "[1]", "task": "x"}}, 400),
        ({"for_each_task": {"inputs": "[1]", "task": NOTEBOOK, "concurrency": 101}}, 400),
        ({"for_each_task": {"inputs": "[1]", "task": {"task_key": "n"}}}, 400),
        ({"for_each_task": {"inputs": "[1]", "task": {**NOTEBOOK, "depends_on": [{}]}}}, 400),
        ({"for_each_task": {"inputs": "[1]", "task": {"task_key": "n", "for_each_task": {}}}}, 400),
        ({"pipeline_task": {"pipeline_id": "p"}}, 501),
        ({"notebook_task": {"notebook_path": "/x"}, "sql_task": {}}, 400),
    ],
)
def test_tasks_that_cannot_run_are_refused_before_anything_starts(
    task: dict[str, Any], status: int
) -> None:
    with pytest.raises(ApiError) as caught:
        normal_settings({"tasks": [{"task_key": "a", **task}]}, "c")
    assert caught.value.status == status


@pytest.mark.parametrize("tasks", ["x", [1], {}, [None]])
def test_tasks_that_are_no_list_of_objects_are_malformed(tasks: Any) -> None:
    with pytest.raises(ApiError) as caught:
        normal_settings({"tasks": tasks}, "c")
    assert caught.value.code == "MALFORMED_REQUEST"


def test_a_job_has_at_most_a_thousand_tasks() -> None:
    many = [{**NOTEBOOK, "task_key": f"t{number}"} for number in range(1001)]
    assert len(normal_settings({"tasks": many[:1000]}, "c")["tasks"]) == 1000
    with pytest.raises(ApiError, match="1000 tasks"):
        normal_settings({"tasks": many}, "c")


def test_an_update_replaces_fields_and_merges_tasks_by_key() -> None:
    before = {"name": "n", "tags": {"a": "1"}, "tasks": [NOTEBOOK, {**NOTEBOOK, "task_key": "b"}]}
    changed = {**NOTEBOOK, "max_retries": 1}
    merged = merge_settings(before, {"name": "m", "tasks": [changed]}, ["tags", "tasks/b"])
    assert merged == {"name": "m", "tasks": [changed]}
    assert before["name"] == "n"


def test_given_parameters_win_over_defaults() -> None:
    settings = {"parameters": [{"name": "a", "default": "1"}, {"name": "b", "default": "2"}]}
    assert job_parameters(settings, {"b": "3", "c": "4"}) == {"a": "1", "b": "3", "c": "4"}
    with pytest.raises(ApiError, match="must be a string"):
        job_parameters(settings, {"a": 1})


def test_parameters_of_a_run_reach_the_tasks_of_their_kind() -> None:
    tasks = [
        {"task_key": "n", "notebook_task": {"notebook_path": "/x", "base_parameters": {"a": "1"}}},
        {"task_key": "p", "spark_python_task": {"python_file": "/x.py", "parameters": ["old"]}},
        {"task_key": "w", "python_wheel_task": {"package_name": "p", "entry_point": "e"}},
        {"task_key": "s", "sql_task": {"file": {"path": "/q.sql"}}},
    ]
    given = {
        "notebook_params": {"b": "2"},
        "python_params": ["new"],
        "python_named_params": {"k": "v"},
        "sql_params": {"q": "1"},
    }
    notebook, python, wheel, sql = with_run_parameters(tasks, given)
    assert notebook["notebook_task"]["base_parameters"] == {"a": "1", "b": "2"}
    assert python["spark_python_task"]["parameters"] == ["new"]
    assert wheel["python_wheel_task"]["named_parameters"] == {"k": "v"}
    assert sql["sql_task"]["parameters"] == {"q": "1"}
    assert tasks[0]["notebook_task"] == {"notebook_path": "/x", "base_parameters": {"a": "1"}}
