from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brickloop.localws.kernel_job import KernelJob
from brickloop.localws.layout import StoreLayout
from brickloop.localws.task_job import TaskRefused, find_needs, prepare


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    layout = StoreLayout(tmp_path / "root")
    layout.make()
    (layout.workspace / "nb").write_text("# Databricks notebook source\n1")
    (layout.volumes / "v.whl").write_bytes(b"")
    (layout.workspace / "requirements.txt").write_text(
        "# comment\n\nattrs>=1\n/Volumes/v.whl\n-r other.txt\n"
    )
    return layout


def job(layout: StoreLayout, task: dict[str, Any], **parameters: str) -> KernelJob:
    return KernelJob(1, str(layout.root), "sc://x", task, parameters=parameters)


def test_job_parameters_win_over_the_task_s(layout: StoreLayout) -> None:
    task = {"notebook_task": {"notebook_path": "/nb", "base_parameters": {"a": "1", "b": "2"}}}
    assert prepare(job(layout, task, b="20"), layout, []).parameters == {"a": "1", "b": "20"}


def test_needs_come_in_their_order_from_libraries_and_environment(layout: StoreLayout) -> None:
    task = {
        "libraries": [{"whl": "/Volumes/a.whl"}, {"pypi": {"package": "simplejson==3"}}],
        "environment_key": "e",
    }
    dependencies = ["dbfs:/b.whl", "polars", "-r /Workspace/requirements.txt", "./local.whl"]
    environments = [
        {"environment_key": "other", "spec": {"dependencies": ["never"]}},
        {"environment_key": "e", "spec": {"dependencies": dependencies}},
    ]
    needs = find_needs(task, environments, layout)
    assert needs.wheels == ("/Volumes/a.whl", "dbfs:/b.whl", "/Volumes/v.whl")
    assert needs.requirements == ("simplejson==3", "polars", "attrs>=1", "./local.whl")


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"notebook_task": {"notebook_path": "/none"}}, 'Unable to access the notebook "/none"'),
        ({"spark_python_task": {"python_file": "/Workspace/none.py"}}, "none.py"),
        ({"spark_python_task": {"python_file": "s3://bucket/x.py"}}, "s3://bucket/x.py"),
        ({"sql_task": {"file": {"path": "/Workspace/none.sql"}}}, "none.sql"),
        (
            {
                "notebook_task": {"notebook_path": "/nb"},
                "libraries": [{"whl": "/Volumes/none.whl"}],
            },
            "none.whl",
        ),
        (
            {
                "notebook_task": {"notebook_path": "/nb"},
                "libraries": [{"requirements": "/Workspace/none.txt"}],
            },
            "none.txt",
        ),
        (
            {"notebook_task": {"notebook_path": "/nb"}, "libraries": [{"maven": {}}]},
            "no 'maven' library",
        ),
    ],
)
def test_what_is_not_there_is_named(layout: StoreLayout, task: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskRefused) as caught:
        prepare(job(layout, task), layout, [])
    assert words in caught.value.ending.message
