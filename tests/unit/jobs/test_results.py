"""What is gathered of a run that has ended, also where the workspace does not give all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from databricks.sdk import WorkspaceClient
from tests.unit.jobs.test_cells import command, page

from brickloop.jobs.results import gather
from brickloop.model.job_result import JobResult, job_result
from brickloop.model.run import LifeCycle, ResultState, RunStatus, TaskStatus, TextOutput

HOST = "https://workspace.test"
DENIED = {"error_code": "PERMISSION_DENIED", "message": "User x does not have View permission"}
Answers = dict[int, Any]


@pytest.fixture
def edge() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add(responses.GET, f"{HOST}/.well-known/databricks-config", status=404)
        yield mock


def client_of(edge: responses.RequestsMock, pages: Answers, outputs: Answers) -> WorkspaceClient:
    """A client whose workspace answers by the task run's id; None is a refusal."""

    def answer(known: Answers, wrap: Any) -> Any:
        def call(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
            run_id = int(parse_qs(urlsplit(str(request.url)).query)["run_id"][0])
            found = known.get(run_id)
            return (403, {}, json.dumps(DENIED)) if found is None else (200, {}, wrap(found))

        return call

    views = lambda text: json.dumps({"views": [{"type": "NOTEBOOK", "content": text}]})  # noqa: E731
    for name, known, wrap in (("export", pages, views), ("get-output", outputs, json.dumps)):
        edge.add_callback(
            responses.GET, re.compile(rf"{HOST}/api/2\.\d/jobs/runs/{name}"), answer(known, wrap)
        )
    return WorkspaceClient(host=HOST, token="t", auth_type="pat")


def task(key: str, run_id: int, result: str, kind: str = "notebook") -> TaskStatus:
    end = ResultState(result)
    return TaskStatus(key, run_id, kind, "/n", 0, LifeCycle.TERMINATED, end)


def status(result: str, *tasks: TaskStatus, message: str = "") -> RunStatus:
    return RunStatus(
        1, tasks[-1].run_id, LifeCycle.TERMINATED, ResultState(result), message, "https://page",
        1000, 3000, tasks=tasks,
    )  # fmt: skip


def test_one_notebook_has_its_cells_exit_value_and_error(edge):
    client = client_of(
        edge,
        {2: page(command(1.0, {"type": "ansi", "data": "said"}))},
        {2: {"notebook_output": {"result": "bye", "truncated": True}, "error": "E: no"}},
    )
    result = gather(client, HOST, status("FAILED", task("main", 2, "FAILED")))
    assert [cell.outputs for cell in result.cells] == [(TextOutput("said"),)]
    assert (result.exit_value, result.exit_value_truncated) == ("bye", True)
    assert (result.error, result.tasks, result.cells_missing) == ("E: no", (), None)


def test_an_export_that_is_refused_falls_back_to_the_output(edge):
    client = client_of(edge, {}, {2: {"notebook_output": {"result": "bye"}}})
    result = gather(client, HOST, status("SUCCESS", task("main", 2, "SUCCESS")))
    assert result.exit_value == "bye"
    assert "cannot be exported" in result.cells_missing
    assert "does not have View permission" in result.cells_missing


def test_a_run_that_gives_nothing_says_why_and_raises_nothing(edge):
    client = client_of(edge, {}, {})
    result = gather(client, HOST, status("FAILED", task("main", 2, "FAILED"), message="broken"))
    assert result.cells_missing
    assert result.error == "broken"


def test_each_task_has_its_own_and_the_failed_one_speaks_for_the_run(edge):
    client = client_of(
        edge,
        {2: page(command(1.0, {"type": "ansi", "data": "a"})), 3: page(command(1.0))},
        {2: {}, 3: {"error": "E: b"}, 4: {"logs": "printed", "logs_truncated": True}},
    )
    tasks = (
        task("a", 2, "SUCCESS"),
        task("b", 3, "FAILED"),
        task("c", 4, "SUCCESS", "python"),
        task("d", 5, "UPSTREAM_FAILED"),
    )
    result = gather(client, HOST, status("FAILED", *tasks))
    assert result.error == "E: b"
    assert [one.status.key for one in result.tasks] == ["a", "b", "c", "d"]
    assert result.tasks[0].cells[0].outputs == (TextOutput("a"),)
    assert result.tasks[2].logs == "printed"
    first_lines = [(cell.index, cell.first_line) for cell in result.cells]
    assert first_lines == [(0, "a: c1.0"), (1, "b: c1.0"), (2, "c: log")]
    # what never ran is not asked for
    assert result.tasks[3].cells_missing is None
    assert not any("run_id=5" in str(call.request.url) for call in edge.calls)


def test_the_log_of_a_program_is_its_one_cell(edge):
    client = client_of(edge, {}, {2: {"logs": "printed \x1b[31mred"}})
    result = gather(client, HOST, status("SUCCESS", task("main", 2, "SUCCESS", "python")))
    (cell,) = result.cells
    assert (cell.first_line, cell.outputs) == ("log", (TextOutput("printed red"),))


def test_a_sql_file_s_results_are_where_the_workspace_keeps_them(edge):
    link = "https://page/sql"
    client = client_of(edge, {}, {2: {"sql_output": {"query_output": {"output_link": link}}}})
    result = gather(client, HOST, status("SUCCESS", task("main", 2, "SUCCESS", "sql")))
    assert link in result.cells_missing


def test_a_result_is_frozen_and_reads_like_a_dict(edge):
    client = client_of(edge, {}, {2: {"notebook_output": {}}})
    result = job_result(gather(client, HOST, status("TIMEDOUT", task("main", 2, "TIMEDOUT"))), "/n")
    assert isinstance(result, JobResult)
    assert (result["success"], result.get("success"), result.success) == (False, False, False)
    assert (result.state, result.exit_code, result.duration) == ("TIMEDOUT", 4, 2.0)
    assert {"run_id", "run_url", "document", "cells", "error"} <= set(result)
    assert len(result) == len(list(result)) == len(dict(result))
    with pytest.raises(AttributeError):
        result.success = True
    with pytest.raises(TypeError):
        result["success"] = True
    with pytest.raises(KeyError):
        result["__class__"]
