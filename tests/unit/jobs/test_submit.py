"""What is sent when a run is asked for, and what becomes of a refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import responses
from databricks.sdk import WorkspaceClient

from brickloop.errors import SettingsError, UsageError
from brickloop.jobs.compute import ExistingCluster, JobCluster, Serverless, parse_compute
from brickloop.jobs.named_job import is_held_by, run_job
from brickloop.jobs.submit import (
    NotebookWork,
    PythonFileWork,
    RunRequest,
    SqlFileWork,
    WheelWork,
    submit,
)

HOST = "https://workspace.test"
REQUEST = RunRequest(
    name="a run",
    work=NotebookWork("/Users/me/nb"),
    run_key="key-1",
    output="/Volumes/a/b/c/runs/key-1",
    wheel="/Workspace/Users/me/rt.whl",
    parameters={"day": "1"},
)
CLUSTER = {"spark_version": "15.4.x-scala2.12", "num_workers": 1}


class Edge:
    """The HTTP edge of a workspace: answers by path, and what was sent there."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.mock = mock
        mock.add(responses.GET, f"{HOST}/.well-known/databricks-config", status=404)
        self.client = WorkspaceClient(host=HOST, token="t", auth_type="pat")

    def answer(self, method: str, path: str, body: Any, status: int = 200) -> None:
        self.mock.add(method, re.compile(rf"{HOST}/api/2\.\d/{path}"), json=body, status=status)

    def sent(self, path: str) -> list[dict[str, Any]]:
        return [
            json.loads(call.request.body or "{}")
            for call in self.mock.calls
            if re.search(path, str(call.request.url))
        ]


@pytest.fixture
def edge() -> Iterator[Edge]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Edge(mock)


def submitted(edge: Edge, request: RunRequest) -> dict[str, Any]:
    edge.answer("POST", "jobs/runs/submit", {"run_id": 7})
    assert submit(edge.client, HOST, request) == 7
    (body,) = edge.sent("runs/submit")
    return body


def test_a_notebook_on_serverless_has_key_output_and_wheel(edge):
    body = submitted(edge, replace(REQUEST, timeout_seconds=60, retries=2, retry_pause_seconds=3))
    (task,) = body["tasks"]
    assert (body["run_name"], body["idempotency_token"]) == ("a run", "key-1")
    assert body["timeout_seconds"] == 60
    assert (task["max_retries"], task["min_retry_interval_millis"]) == (2, 3000)
    assert task["notebook_task"] == {
        "notebook_path": "/Users/me/nb",
        "base_parameters": {"day": "1", "brickloop_output": "/Volumes/a/b/c/runs/key-1"},
    }
    (environment,) = body["environments"]
    assert environment["environment_key"] == task["environment_key"]
    assert environment["spec"]["dependencies"] == ["/Workspace/Users/me/rt.whl"]


def test_a_cluster_by_name_gets_libraries_in_place_of_an_environment(edge):
    clusters = [{"cluster_id": "c1", "cluster_name": "small"}, {"cluster_id": "c2"}]
    edge.answer("GET", "clusters/list", {"clusters": clusters})
    request = replace(REQUEST, compute=ExistingCluster("small"), libraries=("tabulate==0.9",))
    body = submitted(edge, request)
    assert "environments" not in body
    assert body["tasks"][0]["existing_cluster_id"] == "c1"
    assert body["tasks"][0]["libraries"] == [
        {"whl": "/Workspace/Users/me/rt.whl"},
        {"pypi": {"package": "tabulate==0.9"}},
    ]


@pytest.mark.parametrize("named", ["none", "twin"])
def test_a_cluster_that_is_not_one_is_named_with_those_there_are(edge, named):
    clusters = [{"cluster_id": f"c{n}", "cluster_name": "twin"} for n in (1, 2)]
    edge.answer("GET", "clusters/list", {"clusters": clusters})
    with pytest.raises(SettingsError, match=f"'{named}'; clusters: twin, twin"):
        submit(edge.client, HOST, replace(REQUEST, compute=ExistingCluster(named)))


def test_a_job_cluster_goes_as_it_is(edge):
    body = submitted(edge, replace(REQUEST, compute=JobCluster(CLUSTER)))
    assert body["tasks"][0]["new_cluster"] == CLUSTER


@pytest.mark.parametrize(
    ("work", "arguments", "task"),
    [
        (
            PythonFileWork("/Users/me/main.py"),
            ("a",),
            {
                "spark_python_task": {
                    "python_file": "/Users/me/main.py",
                    "parameters": ["a", "--day=1"],
                }
            },
        ),
        (
            WheelWork("pkg", "main", "/Volumes/a/b/c/pkg.whl"),
            (),
            {
                "python_wheel_task": {
                    "package_name": "pkg",
                    "entry_point": "main",
                    "named_parameters": {"day": "1"},
                }
            },
        ),
        (
            WheelWork("pkg", "main", "/Volumes/a/b/c/pkg.whl"),
            ("a",),
            {
                "python_wheel_task": {
                    "package_name": "pkg",
                    "entry_point": "main",
                    "parameters": ["a", "--day=1"],
                }
            },
        ),
        (
            SqlFileWork("/Users/me/q.sql", "w1"),
            (),
            {
                "sql_task": {
                    "warehouse_id": "w1",
                    "file": {"path": "/Users/me/q.sql", "source": "WORKSPACE"},
                    "parameters": {"day": "1"},
                }
            },
        ),
    ],
)
def test_other_kinds_of_task(edge, work, arguments, task):
    body = submitted(edge, replace(REQUEST, work=work, arguments=arguments))
    assert task.items() <= body["tasks"][0].items()
    if isinstance(work, WheelWork):
        assert body["environments"][0]["spec"]["dependencies"][0] == work.wheel
    assert ("environments" in body) is not isinstance(work, SqlFileWork)


def test_a_refusal_of_serverless_says_what_to_pass(edge):
    text = "Serverless compute is not enabled for this workspace"
    edge.answer(
        "POST", "jobs/runs/submit", {"error_code": "INVALID_PARAMETER_VALUE", "message": text}, 400
    )
    with pytest.raises(SettingsError, match=text) as caught:
        submit(edge.client, HOST, REQUEST)
    assert '--compute "cluster: NAME"' in str(caught.value.hint)
    assert caught.value.exit_code == 2


def test_parameters_that_are_too_long_are_refused_before_anything_is_sent(edge):
    with pytest.raises(UsageError, match="10,000 bytes"):
        submit(edge.client, HOST, replace(REQUEST, parameters={"a": "é" * 5_000}))
    assert edge.sent("runs/submit") == []


@pytest.mark.parametrize(
    ("text", "compute"),
    [
        ("serverless", Serverless()),
        ("cluster: my cluster", ExistingCluster("my cluster")),
        ('{"spark_version": "15.4.x"}', JobCluster({"spark_version": "15.4.x"})),
    ],
)
def test_compute_as_people_write_it(text, compute):
    assert parse_compute(text) == compute


def test_a_job_cluster_from_a_file(tmp_path):
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    assert parse_compute("@cluster.json", tmp_path) == JobCluster(CLUSTER)
    with pytest.raises(SettingsError, match=r"none\.json.*cannot be read"):
        parse_compute("@none.json", tmp_path)


@pytest.mark.parametrize("text", ["", "cluster:", "fast", "{", "[1]", "{}", '{"num_workers": 1}'])
def test_what_is_no_compute_is_refused_with_what_to_write(text):
    with pytest.raises(SettingsError):
        parse_compute(text)


def job(settings: dict[str, Any], job_id: int = 5) -> dict[str, Any]:
    return {"job_id": job_id, "settings": settings}


OURS = {"managed_by": "brickloop"}


def test_a_named_job_is_made_once_and_run_with_the_run_s_parameters(edge):
    edge.answer("GET", "jobs/list", {})
    edge.answer("POST", "jobs/create", {"job_id": 5})
    edge.answer("POST", "jobs/run-now", {"run_id": 7})
    assert run_job(edge.client, HOST, "nightly", REQUEST) == 7
    (made,) = edge.sent("jobs/create")
    assert (made["name"], made["tags"]) == ("nightly", OURS)
    assert "brickloop_output" not in json.dumps(made)
    (run,) = edge.sent("jobs/run-now")
    assert run["idempotency_token"] == "key-1"
    assert run["notebook_params"] == {
        "day": "1",
        "brickloop_output": "/Volumes/a/b/c/runs/key-1",
    }

    # the same settings, with what the workspace adds to them: nothing is reset
    made["tasks"][0] |= {"run_if": "ALL_SUCCESS", "timeout_seconds": 0}
    edge.mock.remove("GET", re.compile(rf"{HOST}/api/2\.\d/jobs/list"))
    edge.answer("GET", "jobs/list", {"jobs": [job(made)]})
    edge.answer("GET", "jobs/get", job({**made, "email_notifications": {}}))
    run_job(edge.client, HOST, "nightly", REQUEST)
    assert edge.sent("jobs/reset") == []

    # a changed one: reset, and what somebody else set stays
    edge.answer("POST", "jobs/reset", {})
    changed = replace(REQUEST, work=NotebookWork("/Users/me/other"))
    run_job(edge.client, HOST, "nightly", changed)
    (reset,) = edge.sent("jobs/reset")
    task = reset["new_settings"]["tasks"][0]
    assert task["notebook_task"]["notebook_path"] == "/Users/me/other"
    assert reset["new_settings"]["email_notifications"] == {}
    assert len(edge.sent("jobs/create")) == 1


def test_a_job_of_somebody_else_is_left_as_it_is(edge):
    edge.answer("GET", "jobs/list", {"jobs": [job({"name": "nightly"})]})
    edge.answer("GET", "jobs/get", job({"name": "nightly"}))
    with pytest.raises(UsageError, match="did not make"):
        run_job(edge.client, HOST, "nightly", REQUEST)
    assert edge.sent("jobs/(create|reset|run-now)") == []


@pytest.mark.parametrize(
    ("wanted", "known", "held"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 3}]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": {}}, {}, True),
        ({"a": 0}, {}, True),
        ({"a": "x"}, {}, False),
        ({"a": {"b": 1}}, {"a": 5}, False),
    ],
)
def test_settings_are_held_whatever_stands_beside_them(wanted, known, held):
    assert is_held_by(wanted, known) is held
