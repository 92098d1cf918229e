from __future__ import annotations

import base64
import io
import json
import re
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound, NotImplemented
from databricks.sdk.service import compute, jobs
from databricks.sdk.service.jobs import (
    ExportRunOutput,
    JobParameterDefinition,
    NotebookTask,
    Run,
    RunIf,
    RunLifeCycleState,
    RunResultState,
    SubmitTask,
    Task,
    TaskDependency,
    ViewsToExport,
)
from databricks.sdk.service.workspace import ImportFormat, Language

from brickloop.jobs.status import look_at_tasks
from brickloop.model.run import ResultState

Ask = Callable[..., requests.Response]
FINAL = {
    RunLifeCycleState.TERMINATED,
    RunLifeCycleState.SKIPPED,
    RunLifeCycleState.INTERNAL_ERROR,
}
LOOP = "import time\nfor _ in range(3000): time.sleep(0.02)"


class Jobs:
    """What the tests do with jobs, in a word each."""

    def __init__(self, client: WorkspaceClient, folder: str) -> None:
        self.client = client
        self.folder = folder

    def notebook(self, *cells: str, name: str = "") -> str:
        path = f"{self.folder}/{name or uuid.uuid4().hex[:8]}"
        text = "# Databricks notebook source\n" + "\n\n# COMMAND ----------\n\n".join(cells)
        self.client.workspace.upload(
            path, text.encode(), format=ImportFormat.SOURCE, language=Language.PYTHON
        )
        return path

    def task(self, *cells: str, key: str = "main", after: str = "", **more: Any) -> SubmitTask:
        waits = [TaskDependency(task_key=one) for one in after.split()]
        return SubmitTask(
            task_key=key,
            notebook_task=NotebookTask(self.notebook(*cells)),
            depends_on=waits or None,
            **more,
        )

    def submit(self, *tasks: SubmitTask, **more: Any) -> int:
        run_id = self.client.jobs.submit(tasks=list(tasks), **more).run_id
        assert run_id is not None
        return run_id

    def wait(self, run_id: int) -> Run:
        return self.until(run_id, lambda run: life(run) in FINAL)

    def until(self, run_id: int, holds: Callable[[Run], bool]) -> Run:
        deadline = time.monotonic() + 60
        while not holds(run := self.client.jobs.get_run(run_id)):
            assert time.monotonic() < deadline, run.state
            time.sleep(0.02)
        return run

    def run(self, *tasks: SubmitTask, **more: Any) -> Run:
        return self.wait(self.submit(*tasks, **more))

    def until_running(self, run_id: int) -> Run:
        return self.until(
            run_id, lambda run: all(life(task) is RunLifeCycleState.RUNNING for task in tasks(run))
        )

    def output(self, run: Run, key: str = "main") -> jobs.RunOutput:
        run_id = by_key(run)[key].run_id
        assert run_id is not None
        return self.client.jobs.get_run_output(run_id)

    def exit_value(self, run: Run, key: str = "main") -> str | None:
        output = self.output(run, key)
        assert output.notebook_output is not None
        assert output.error is None, output.error
        return output.notebook_output.result


def tasks(run: Run) -> list[jobs.RunTask]:
    assert run.tasks
    return run.tasks


def by_key(run: Run) -> dict[str, jobs.RunTask]:
    return {task.task_key: task for task in tasks(run)}


def life(run: Run | jobs.RunTask) -> RunLifeCycleState | None:
    return run.state.life_cycle_state if run.state else None


def result(run: Run | jobs.RunTask) -> RunResultState | None:
    return run.state.result_state if run.state else None


def message(run: Run | jobs.RunTask) -> str:
    return (run.state.state_message if run.state else None) or ""


def model(exported: ExportRunOutput) -> dict[str, Any]:
    assert exported.views
    found = re.search(r"__DATABRICKS_NOTEBOOK_MODEL = '([^']+)'", str(exported.views[0].content))
    assert found is not None
    decoded: dict[str, Any] = json.loads(unquote(base64.b64decode(found.group(1)).decode()))
    return decoded


@pytest.fixture
def bench(client: WorkspaceClient, remote_folder: str) -> Jobs:
    return Jobs(client, remote_folder)


def test_a_notebook_runs_and_its_exit_value_comes_back(bench: Jobs) -> None:
    run = bench.run(
        SubmitTask(
            task_key="main",
            notebook_task=NotebookTask(
                bench.notebook("dbutils.notebook.exit('hello ' + dbutils.widgets.get('who'))"),
                base_parameters={"who": "ümlaut"},
            ),
        ),
        run_name="greeting",
    )
    assert (life(run), result(run)) == (RunLifeCycleState.TERMINATED, RunResultState.SUCCESS)
    assert (run.run_name, run.run_type) == ("greeting", jobs.RunType.SUBMIT_RUN)
    assert bench.exit_value(run) == "hello ümlaut"
    assert run.start_time and run.end_time and run.end_time >= run.start_time
    (task,) = tasks(run)
    assert task.run_id != run.run_id
    assert run.status is not None and run.status.termination_details is not None
    assert run.status.termination_details.code is jobs.TerminationCodeCode.SUCCESS


def test_an_exported_run_holds_every_cell_and_its_results(bench: Jobs) -> None:
    run = bench.run(
        bench.task(
            "print('first')",
            "# MAGIC %sql select 1 as one, 'a' as letter",
            "raise ValueError('no luck')",
            "print('never')",
        )
    )
    exported = bench.client.jobs.export_run(
        int(tasks(run)[0].run_id or 0), views_to_export=ViewsToExport.ALL
    )
    commands = model(exported)["commands"]
    assert [command["state"] for command in commands][:3] == ["finished", "finished", "error"]
    assert commands[0]["results"]["data"][0]["data"] == "first\n"
    table = commands[1]["results"]["data"][0]
    assert table["data"] == [[1, "a"]]
    assert [column["name"] for column in table["schema"]] == ["one", "letter"]
    assert "ValueError" in commands[2]["errorSummary"]
    assert "no luck" in commands[2]["errorSummary"]


def test_a_notebook_that_raises_fails_by_the_api_s_rules(bench: Jobs) -> None:
    run = bench.run(bench.task("def f():\n    raise ValueError('no luck')\nf()"))
    (task,) = tasks(run)
    assert (life(task), result(task)) == (RunLifeCycleState.TERMINATED, RunResultState.FAILED)
    assert (life(run), result(run)) == (RunLifeCycleState.INTERNAL_ERROR, RunResultState.FAILED)
    assert message(run).startswith("Task main failed with message: ")
    output = bench.output(run)
    assert "ValueError: no luck" in str(output.error)
    assert "raise ValueError" in str(output.error_trace)
    assert output.notebook_output is not None and output.notebook_output.result is None


def test_a_notebook_without_exit_has_no_exit_value(bench: Jobs) -> None:
    assert bench.exit_value(bench.run(bench.task("1"))) is None


def test_only_the_first_five_megabytes_of_an_exit_value_come_back(bench: Jobs) -> None:
    run = bench.run(bench.task("dbutils.notebook.exit('x' * (5 * 1024 * 1024 + 9))"))
    output = bench.output(run).notebook_output
    assert output is not None
    assert (len(str(output.result)), output.truncated) == (5 * 1024 * 1024, True)


def test_a_missing_notebook_is_named(bench: Jobs) -> None:
    task = SubmitTask(task_key="main", notebook_task=NotebookTask("/Users/nobody/nothing"))
    run = bench.run(task)
    assert result(run) is RunResultState.FAILED
    assert 'Unable to access the notebook "/Users/nobody/nothing"' in message(run)


def test_the_same_token_is_the_same_run(bench: Jobs) -> None:
    token = uuid.uuid4().hex
    task = bench.task("1")
    first = bench.submit(task, idempotency_token=token)
    assert bench.submit(task, idempotency_token=token) == first
    bench.wait(first)
    assert bench.submit(task, idempotency_token=token) == first
    assert bench.submit(task) != first
    bench.client.jobs.delete_run(first)
    with pytest.raises(InvalidParameterValue, match="deleted"):
        bench.submit(task, idempotency_token=token)
    with pytest.raises(InvalidParameterValue, match="64 characters"):
        bench.submit(task, idempotency_token="x" * 65)


def test_tasks_run_in_their_order_and_hand_values_on(bench: Jobs) -> None:
    run = bench.run(
        bench.task("dbutils.jobs.taskValues.set('n', 41)", key="first"),
        bench.task(
            "n = dbutils.jobs.taskValues.get('first', 'n')\ndbutils.notebook.exit(str(n + 1))",
            key="second",
            after="first",
        ),
        SubmitTask(
            task_key="third",
            depends_on=[TaskDependency("second")],
            notebook_task=NotebookTask(
                bench.notebook("dbutils.notebook.exit(dbutils.widgets.get('got'))"),
                base_parameters={
                    "got": "{{tasks.first.values.n}} {{task.name}} {{tasks.second.result_state}} "
                    "{{unknown.reference}}"
                },
            ),
        ),
    )
    assert result(run) is RunResultState.SUCCESS
    assert bench.exit_value(run, "second") == "42"
    assert bench.exit_value(run, "third") == "41 third success {{unknown.reference}}"
    ends = [by_key(run)[key].end_time or 0 for key in ("first", "second", "third")]
    assert ends == sorted(ends)


def test_what_depends_on_a_failure_does_not_run_unless_it_wants_to(bench: Jobs) -> None:
    run = bench.run(
        bench.task("1/0", key="bad"),
        bench.task("1", key="good"),
        bench.task("1", key="needs", after="bad good"),
        bench.task("1", key="needs_that", after="needs"),
        bench.task("1", key="cleans", after="bad", run_if=RunIf.ALL_DONE),
        bench.task("1", key="repairs", after="bad good", run_if=RunIf.AT_LEAST_ONE_FAILED),
        bench.task("1", key="laments", after="good", run_if=RunIf.ALL_FAILED),
    )
    results = {key: result(task) for key, task in by_key(run).items()}
    assert results == {
        "bad": RunResultState.FAILED,
        "good": RunResultState.SUCCESS,
        "needs": RunResultState.UPSTREAM_FAILED,
        "needs_that": RunResultState.UPSTREAM_FAILED,
        "cleans": RunResultState.SUCCESS,
        "repairs": RunResultState.SUCCESS,
        "laments": RunResultState.EXCLUDED,
    }
    assert result(run) is RunResultState.FAILED
    assert message(run).startswith("Task bad failed with message")


def test_a_failure_that_was_dealt_with_is_a_success_with_failures(bench: Jobs) -> None:
    run = bench.run(
        bench.task("1/0", key="bad"),
        bench.task("1", key="cleans", after="bad", run_if=RunIf.ALL_DONE),
    )
    assert result(run) is RunResultState.SUCCESS_WITH_FAILURES


def test_the_output_of_many_tasks_is_asked_for_one_by_one(bench: Jobs) -> None:
    run = bench.run(bench.task("1", key="a"), bench.task("2", key="b"))
    with pytest.raises(InvalidParameterValue, match="multiple tasks is not supported"):
        bench.client.jobs.get_run_output(int(run.run_id or 0))
    with pytest.raises(InvalidParameterValue, match="multiple tasks"):
        bench.client.jobs.export_run(int(run.run_id or 0))


def test_a_canceled_run_ends_canceled_with_all_its_tasks(bench: Jobs) -> None:
    run_id = bench.submit(bench.task(LOOP, key="a"), bench.task("1", key="b", after="a"))
    bench.until(run_id, lambda run: life(by_key(run)["a"]) is RunLifeCycleState.RUNNING)
    with pytest.raises(InvalidParameterValue, match="active"):
        bench.client.jobs.delete_run(run_id)
    with pytest.raises(InvalidParameterValue, match="not ended"):
        run = bench.client.jobs.get_run(run_id)
        bench.client.jobs.export_run(int(by_key(run)["a"].run_id or 0))
    bench.client.jobs.cancel_run(run_id)
    run = bench.wait(run_id)
    assert (life(run), result(run)) == (RunLifeCycleState.TERMINATED, RunResultState.CANCELED)
    assert run.state is not None and run.state.user_cancelled_or_timedout
    assert {result(task) for task in tasks(run)} == {RunResultState.CANCELED}
    bench.client.jobs.cancel_run(run_id)
    assert result(bench.client.jobs.get_run(run_id)) is RunResultState.CANCELED


def test_time_limits_of_run_and_task(bench: Jobs) -> None:
    whole = bench.submit(bench.task(LOOP), timeout_seconds=1)
    part = bench.submit(bench.task(LOOP, timeout_seconds=1))
    for run in (bench.wait(whole), bench.wait(part)):
        assert result(run) is RunResultState.TIMEDOUT
        assert {result(task) for task in tasks(run)} == {RunResultState.TIMEDOUT}


def test_a_task_is_tried_again_as_often_as_it_may(bench: Jobs, volume_folder: str) -> None:
    tally = (
        f"import os\np = '{volume_folder}/tally'\n"
        "n = int(open(p).read()) if os.path.exists(p) else 0\n"
        "open(p, 'w').write(str(n + 1))\n"
    )
    run = bench.run(bench.task(tally + "assert n == 1", max_retries=3))
    assert result(run) is RunResultState.SUCCESS
    attempts = [(task.attempt_number, result(task)) for task in tasks(run)]
    assert attempts == [(0, RunResultState.FAILED), (1, RunResultState.SUCCESS)]
    assert len({task.run_id for task in tasks(run)}) == 2
    hopeless = bench.run(bench.task("1/0", max_retries=1))
    assert result(hopeless) is RunResultState.FAILED
    assert len(tasks(hopeless)) == 2


def test_two_runs_go_on_at_once(bench: Jobs, volume_folder: str) -> None:
    meet = (
        "import os, time\nmine, other = dbutils.widgets.get('mine'), dbutils.widgets.get('other')\n"
        f"open('{volume_folder}/' + mine, 'w').close()\n"
        "end = time.time() + 30\n"
        f"while not os.path.exists('{volume_folder}/' + other):\n"
        "    assert time.time() < end\n    time.sleep(0.02)"
    )
    path = bench.notebook(meet)
    run_ids = [
        bench.submit(
            SubmitTask(
                task_key="main",
                notebook_task=NotebookTask(path, base_parameters={"mine": one, "other": two}),
            )
        )
        for one, two in (("a", "b"), ("b", "a"))
    ]
    assert [result(bench.wait(one)) for one in run_ids] == [RunResultState.SUCCESS] * 2


def test_a_process_that_ends_is_a_failure_and_no_hang(bench: Jobs) -> None:
    run = bench.run(bench.task("import os\nos._exit(3)"))
    assert result(run) is RunResultState.FAILED
    assert life(tasks(run)[0]) is RunLifeCycleState.INTERNAL_ERROR
    assert "ended unexpectedly" in message(run)


@pytest.fixture
def python_file(client: WorkspaceClient, remote_folder: str) -> str:
    path = f"{remote_folder}/main.py"
    text = b"import sys\nprint('args', sys.argv[1:])\nif 'fail' in sys.argv: raise SystemExit(3)\n"
    client.workspace.upload(path, text, format=ImportFormat.RAW)
    return path


def test_a_python_file_runs_with_its_parameters(bench: Jobs, python_file: str) -> None:
    task = jobs.SparkPythonTask(python_file, parameters=["a", "b c"])
    run = bench.run(SubmitTask(task_key="main", spark_python_task=task))
    assert result(run) is RunResultState.SUCCESS
    assert "args ['a', 'b c']" in str(bench.output(run).logs)
    task = jobs.SparkPythonTask(python_file, parameters=["fail"])
    run = bench.run(SubmitTask(task_key="main", spark_python_task=task))
    assert result(run) is RunResultState.FAILED
    task = jobs.SparkPythonTask("/Workspace/Users/nobody/no.py")
    run = bench.run(SubmitTask(task_key="main", spark_python_task=task))
    assert "no.py" in message(run)


def wheel(name: str, text: str) -> bytes:
    """A pure Python wheel with one module of the same name."""
    info = f"{name}-1.0.dist-info"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"{name}.py", text)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/entry_points.txt", f"[console_scripts]\nrun = {name}:main\n")
        file.writestr(f"{info}/RECORD", "")
    return archive.getvalue()


@pytest.fixture
def wheel_path(client: WorkspaceClient, volume_folder: str) -> str:
    path = f"{volume_folder}/shelf-1.0-py3-none-any.whl"
    text = "import sys\ndef main():\n    print('wheel', sys.argv[1:])\n"
    client.files.upload(path, io.BytesIO(wheel("shelf", text)))
    return path


def test_a_wheel_runs_by_its_entry_point(bench: Jobs, wheel_path: str) -> None:
    run = bench.run(
        SubmitTask(
            task_key="main",
            python_wheel_task=jobs.PythonWheelTask("shelf", "run", parameters=["x"]),
            libraries=[compute.Library(whl=wheel_path)],
        )
    )
    assert result(run) is RunResultState.SUCCESS, bench.output(run).error
    assert "wheel ['x']" in str(bench.output(run).logs)


def test_a_library_and_an_environment_reach_the_notebook(bench: Jobs, wheel_path: str) -> None:
    cell = "import shelf\ndbutils.notebook.exit(shelf.__name__)"
    by_library = bench.submit(bench.task(cell, libraries=[compute.Library(whl=wheel_path)]))
    environment = jobs.JobEnvironment(
        "default", spec=compute.Environment(environment_version="3", dependencies=[wheel_path])
    )
    by_environment = bench.submit(
        bench.task(cell, environment_key="default"), environments=[environment]
    )
    without = bench.submit(bench.task(cell))
    assert bench.exit_value(bench.wait(by_library)) == "shelf"
    assert bench.exit_value(bench.wait(by_environment)) == "shelf"
    assert result(bench.wait(without)) is RunResultState.FAILED


def test_a_missing_library_is_named(bench: Jobs) -> None:
    library = compute.Library(whl="/Volumes/main/default/brickloop/none-1.0-py3-none-any.whl")
    run = bench.run(bench.task("1", libraries=[library]))
    assert result(run) is RunResultState.FAILED
    assert "none-1.0-py3-none-any.whl" in message(run)
    jar = bench.run(bench.task("1", libraries=[compute.Library(jar="dbfs:/x.jar")]))
    assert "installs no 'jar' library" in message(jar)


def test_a_sql_file_runs_with_its_parameters(
    bench: Jobs, client: WorkspaceClient, remote_folder: str
) -> None:
    path = f"{remote_folder}/query.sql"
    client.workspace.upload(path, b"select cast(:n as int) + 1 as more", format=ImportFormat.RAW)
    task = jobs.SqlTask(warehouse_id="local", file=jobs.SqlTaskFile(path), parameters={"n": "41"})
    run = bench.run(SubmitTask(task_key="main", sql_task=task))
    assert result(run) is RunResultState.SUCCESS, bench.output(run).error
    assert "42" in str(bench.output(run).logs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tasks": []}, "Missing required field: tasks"),
        ({"tasks": [{"task_key": "a"}]}, "exactly one kind"),
        ({"tasks": [{"task_key": "a b", "notebook_task": {"notebook_path": "/x"}}]}, "task key"),
        ({"tasks": [{"notebook_task": {"notebook_path": "/x"}}]}, "task key"),
        ({"tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "x"}}]}, "absolute"),
        ({"tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/x"}}] * 2}, "twice"),
        ({"tasks": [{"task_key": "a", "notebook_task": []}]}, "must be an object"),
        (
            {
                "tasks": [
                    {
                        "task_key": "a",
                        "notebook_task": {"notebook_path": "/x", "base_parameters": {"n": 1}},
                    }
                ]
            },
            "must be a string",
        ),
        (
            {
                "tasks": [
                    {
                        "task_key": "a",
                        "notebook_task": {
                            "notebook_path": "/x",
                            "base_parameters": {"n": "x" * 10_001},
                        },
                    }
                ]
            },
            "10000 bytes",
        ),
    ],
)
def test_a_run_that_cannot_be_is_refused(ask: Ask, change: Mapping[str, Any], words: str) -> None:
    answer = ask("POST", "/api/2.1/jobs/runs/submit", json=change)
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def refused(more: Mapping[str, Any]) -> dict[str, Any]:
    return {"tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/x"}, **more}]}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"depends_on": [{"task_key": "b"}]}, "depends on the task 'b'"),
        ({"depends_on": [{"task_key": "a"}]}, "in a circle"),
        ({"run_if": "SOMETIMES"}, "run_if"),
        ({"environment_key": "none"}, "environment 'none'"),
        ({"existing_cluster_id": "none"}, "Cluster none does not exist"),
        ({"new_cluster": {"num_workers": 1}}, "has no spark_version"),
        ({"new_cluster": []}, "'new_cluster' must be an object"),
        ({"job_cluster_key": "none"}, "job cluster 'none', which is not defined"),
        (
            {"existing_cluster_id": "local-cluster", "new_cluster": {"spark_version": "x"}},
            "more than one cluster",
        ),
        ({"timeout_seconds": "soon"}, "timeout_seconds"),
    ],
)
def test_a_task_that_cannot_be_is_refused(ask: Ask, more: Mapping[str, Any], words: str) -> None:
    answer = ask("POST", "/api/2.1/jobs/runs/submit", json=refused(more))
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def test_kinds_of_task_that_are_not_offered_name_themselves(client: WorkspaceClient) -> None:
    task = SubmitTask(task_key="main", spark_jar_task=jobs.SparkJarTask(main_class_name="x"))
    with pytest.raises(NotImplemented, match="spark_jar_task"):
        client.jobs.submit(tasks=[task])


def test_missing_jobs_and_runs_are_not_found(client: WorkspaceClient, ask: Ask) -> None:
    for call in (
        lambda: client.jobs.get(7),
        lambda: client.jobs.run_now(7),
        lambda: client.jobs.get_run(7),
        lambda: client.jobs.get_run_output(7),
        lambda: client.jobs.cancel_run(7),
    ):
        with pytest.raises((NotFound, InvalidParameterValue), match="7 does not exist"):
            call()
    answer = ask("GET", "/api/2.1/jobs/runs/get", params={"run_id": 7})
    assert (answer.status_code, answer.json()) == (
        400,
        {"error_code": "INVALID_PARAMETER_VALUE", "message": "Run 7 does not exist."},
    )


def make_job(bench: Jobs, *cells: str, **more: Any) -> int:
    task = Task(task_key="main", notebook_task=NotebookTask(bench.notebook(*cells)))
    job_id = bench.client.jobs.create(name=f"job-{uuid.uuid4().hex[:8]}", tasks=[task], **more)
    assert job_id.job_id is not None
    return job_id.job_id


def test_a_job_is_made_changed_and_removed(bench: Jobs) -> None:
    client = bench.client
    job_id = make_job(bench, "1", tags={"team": "a"})
    name = f"renamed-{job_id}"
    client.jobs.update(
        job_id,
        new_settings=jobs.JobSettings(name=name, max_concurrent_runs=3),
        fields_to_remove=["tags"],
    )
    settings = client.jobs.get(job_id).settings
    assert settings is not None and settings.tasks is not None
    assert (settings.name, settings.max_concurrent_runs, settings.tags) == (name, 3, None)
    assert [task.task_key for task in settings.tasks] == ["main"]
    assert [job.job_id for job in client.jobs.list(name=name.upper())] == [job_id]
    task = Task(task_key="other", notebook_task=NotebookTask(bench.notebook("2")))
    client.jobs.reset(job_id, new_settings=jobs.JobSettings(name=name, tasks=[task]))
    settings = client.jobs.get(job_id).settings
    assert settings is not None and settings.tasks is not None
    assert [task.task_key for task in settings.tasks] == ["other"]
    client.jobs.delete(job_id)
    with pytest.raises(NotFound):
        client.jobs.get(job_id)


def test_a_job_s_clusters_are_named_by_its_tasks(bench: Jobs) -> None:
    cluster = jobs.JobCluster(
        job_cluster_key="small",
        new_cluster=compute.ClusterSpec(spark_version="15.4.x-scala2.12", num_workers=1),
    )
    notebook = NotebookTask(bench.notebook("1"))
    task = Task(task_key="main", notebook_task=notebook, job_cluster_key="small")
    made = bench.client.jobs.create(name="clusters", tasks=[task], job_clusters=[cluster])
    run = bench.wait(int(bench.client.jobs.run_now(int(made.job_id or 0)).run_id or 0))
    assert result(run) is RunResultState.SUCCESS
    assert tasks(run)[0].job_cluster_key == "small"


def test_a_job_runs_with_its_parameters_and_those_given(bench: Jobs) -> None:
    job_id = make_job(
        bench,
        "g = dbutils.widgets.get\ndbutils.notebook.exit(f\"{g('a')} {g('b')} {g('c')}\")",
        parameters=[JobParameterDefinition("a", "1"), JobParameterDefinition("b", "2")],
    )
    run_id = bench.client.jobs.run_now(
        job_id, job_parameters={"b": "20"}, notebook_params={"c": "3"}
    ).run_id
    run = bench.wait(int(run_id or 0))
    assert (run.run_type, run.job_id) == (jobs.RunType.JOB_RUN, job_id)
    assert bench.exit_value(run) == "1 20 3"
    assert [one.run_id for one in bench.client.jobs.list_runs(job_id=job_id)] == [run_id]


def test_one_run_at_a_time_unless_the_job_queues(bench: Jobs) -> None:
    client = bench.client
    job_id = make_job(bench, LOOP)
    first = int(client.jobs.run_now(job_id).run_id or 0)
    second = client.jobs.get_run(int(client.jobs.run_now(job_id).run_id or 0))
    assert life(second) is RunLifeCycleState.SKIPPED
    assert result(second) is RunResultState.MAXIMUM_CONCURRENT_RUNS_REACHED
    third = client.jobs.run_now(job_id, queue=jobs.QueueSettings(enabled=True)).run_id
    bench.until(int(third or 0), lambda run: life(run) is RunLifeCycleState.QUEUED)
    client.jobs.cancel_run(first)
    bench.until_running(int(third or 0))
    client.jobs.cancel_all_runs(job_id=job_id)
    assert result(bench.wait(int(third or 0))) is RunResultState.CANCELED


def test_a_token_names_one_run_of_its_job(bench: Jobs) -> None:
    token = uuid.uuid4().hex
    one, two = make_job(bench, "1"), make_job(bench, "1")
    first = bench.client.jobs.run_now(one, idempotency_token=token).run_id
    assert bench.client.jobs.run_now(one, idempotency_token=token).run_id == first
    assert bench.client.jobs.run_now(two, idempotency_token=token).run_id != first
    bench.wait(int(first or 0))


def test_the_tasks_that_are_chosen_do_not_wait_for_the_others(bench: Jobs) -> None:
    tasks = [
        Task("a", notebook_task=NotebookTask(bench.notebook("1 / 0"))),
        Task(
            "b",
            notebook_task=NotebookTask(bench.notebook("dbutils.notebook.exit('b')")),
            depends_on=[TaskDependency("a")],
        ),
    ]
    job_id = bench.client.jobs.create(name="chosen", tasks=tasks).job_id
    assert job_id is not None
    run = bench.wait(int(bench.client.jobs.run_now(job_id, only=["b"]).run_id or 0))
    assert list(by_key(run)) == ["b"]
    assert bench.exit_value(run, "b") == "b"
    with pytest.raises(InvalidParameterValue, match="does not exist"):
        bench.client.jobs.run_now(job_id, only=["c"])


def test_a_look_covers_more_tasks_than_a_page_has(bench: Jobs) -> None:
    path = bench.notebook("1 / 0")
    after = [
        SubmitTask(
            f"t{number:03}",
            notebook_task=NotebookTask(path),
            depends_on=[TaskDependency("a")],
        )
        for number in range(104)
    ]
    run_id = bench.submit(SubmitTask("a", notebook_task=NotebookTask(path)), *after)
    bench.wait(run_id)
    whole, tasks = look_at_tasks(bench.client, str(bench.client.config.host), run_id)
    assert whole.life_cycle.is_final
    assert len(tasks) == 105
    assert tasks["a"].result is ResultState.FAILED
    assert tasks["t103"].result is ResultState.UPSTREAM_FAILED
    assert tasks["a"].run_id not in {run_id, 0}


def test_runs_are_listed_newest_first_and_in_pages(bench: Jobs, ask: Ask) -> None:
    job_id = make_job(bench, "1", max_concurrent_runs=5)
    ids = [int(bench.client.jobs.run_now(job_id).run_id or 0) for _ in range(3)]
    for run_id in ids:
        bench.wait(run_id)
    listed = bench.client.jobs.list_runs(job_id=job_id, limit=2, expand_tasks=True)
    found = list(listed)
    assert [run.run_id for run in found] == ids[::-1]
    assert all(run.tasks for run in found)
    assert list(bench.client.jobs.list_runs(job_id=job_id, active_only=True)) == []
    assert ask("GET", "/api/2.1/jobs/runs/list", params={"limit": 26}).status_code == 400
    assert ask("GET", "/api/2.1/jobs/list", params={"limit": 101}).status_code == 400
    assert ask("GET", "/api/2.1/jobs/list", params={"page_token": "x"}).status_code == 400


def test_the_older_shape_of_one_task_is_understood(bench: Jobs, ask: Ask) -> None:
    path = bench.notebook("dbutils.notebook.exit('old')")
    body = {"run_name": "old", "notebook_task": {"notebook_path": path}, "timeout_seconds": 60}
    run_id = ask("POST", "/api/2.0/jobs/runs/submit", json=body).json()["run_id"]
    run = bench.wait(run_id)
    assert bench.exit_value(run) == "old"
    output = ask("GET", "/api/2.0/jobs/runs/get-output", params={"run_id": run_id}).json()
    assert output["notebook_output"]["result"] == "old"


def test_the_run_page_shows_what_came_out_and_is_opened_by_its_link_only(bench: Jobs) -> None:
    run = bench.run(
        bench.task(
            "# DBTITLE 1,A <b>title</b>\nprint('<script>alert(1)</script> \\x1b[31mred')",
            "displayHTML('<script>alert(2)</script><p>shown</p>')",
            "dbutils.notebook.exit('bye')",
        )
    )
    url = str(run.run_page_url)
    page = requests.get(url, timeout=10)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; red" in page.text
    assert 'iframe sandbox=""' in page.text
    assert "A &lt;b&gt;title" in page.text
    assert "bye" in page.text
    for bad in (url.partition("?")[0], url[:-1], url.replace(f"/{run.run_id}?", "/1?")):
        assert requests.get(bad, timeout=10).status_code == 403
    task_page = requests.get(str(tasks(run)[0].run_page_url), timeout=10)
    assert "bye" in task_page.text
