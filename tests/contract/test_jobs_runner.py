"""JobRunner against the local workspace: real notebooks, files, wheels and jobs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service import jobs
from databricks.sdk.service.workspace import ImportFormat, Language
from tests.conftest import HOME

from brickloop import JobRunner, launcher
from brickloop.config.profile import Target
from brickloop.config.settings import load_settings
from brickloop.errors import HeldBack, NotebookError, SettingsError, UsageError
from brickloop.flows.job_runner import RunOptions
from brickloop.flows.target import OpenTarget
from brickloop.jobs.submit import NotebookWork
from brickloop.model.run import TableOutput, TextOutput

USER = HOME.rpartition("/")[2]


@pytest.fixture
def runner(
    client: WorkspaceClient, local_server: launcher.LocalServer, tmp_path: Path
) -> Iterator[JobRunner]:
    opened = OpenTarget(Target("local", "a test"), client, local_server.host, USER, "")
    made = JobRunner(load_settings(tmp_path, env={}), opened=opened)
    yield made
    made.close()


@pytest.fixture
def path(remote_folder: str) -> str:
    return f"{remote_folder}/analysis"


def events(root: Path, run_id: int) -> list[dict]:
    text = (root / ".brickloop" / "runs" / str(run_id) / "events.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


SEED = """
from core.notebook_output import NotebookOutput
output = NotebookOutput()

# Your analysis
query = "SELECT 1 AS one"
result = spark.sql(query).toPandas()

output.add_query_result("Results", query, result.to_string())
output.write_to_dbfs()
"""


def test_the_seed_s_example_shows_its_output(runner, path, tmp_path, capsys):
    result = runner.create_and_run_with_output(path, SEED, output_path="/tmp/analysis_output.txt")
    assert result["success"] is result.get("success") is result.success is True
    assert dict(result)["state"] == "SUCCESS"
    assert result.get("nothing", 5) == 5
    with pytest.raises(KeyError):
        result["nothing"]
    shown = capsys.readouterr()
    assert "Results" in shown.out and "SELECT 1 AS one" in shown.out
    assert f"run {result.run_id}  {result.run_url}" in shown.err
    assert "'from brickloop import'" in shown.err
    assert result.document.complete
    assert "SELECT 1 AS one" in result.output
    assert sorted(path.name for path in (tmp_path / "outputs").iterdir()) == [
        "analysis.html",
        "analysis.json",
        "analysis.txt",
    ]
    kinds = [event["kind"] for event in events(tmp_path, result.run_id)]
    assert kinds[0] == "started" and kinds[-1] == "finished" and "section" in kinds


def test_a_notebook_without_the_framework_gets_it(runner, path, client):
    target = f"/tmp/{uuid.uuid4().hex}.txt"
    result = runner.create_and_run_with_output(
        path, "output.add_section('Hello', dbutils.widgets.get('who'))", target,
        parameters={"who": "world"},
    )  # fmt: skip
    assert result.success, result.error_trace
    assert [section.title for section in result.document.sections] == ["Hello"]
    assert "world" in result.output
    assert "world" in base64.b64decode(client.dbfs.read(target).data).decode()


def test_a_notebook_that_adds_nothing_writes_nothing(runner, path):
    target = f"/tmp/{uuid.uuid4().hex}.txt"
    result = runner.create_and_run_with_output(path, "print('plain')", target)
    assert result.success
    printed = [out.text for cell in result.cells for out in cell.outputs]
    assert printed == ["plain\n"]


@pytest.mark.parametrize(
    ("content", "language"),
    [
        ("-- Databricks notebook source\nSELECT 41 + 1 AS n", None),
        ("SELECT 41 + 1 AS n", "sql"),
        ("# Databricks notebook source\n# MAGIC %sql SELECT 41 + 1 AS n\n", None),
        (
            json.dumps(
                {
                    "nbformat": 4,
                    "nbformat_minor": 5,
                    "metadata": {"language_info": {"name": "python"}},
                    "cells": [
                        {
                            "cell_type": "code",
                            "metadata": {},
                            "outputs": [],
                            "execution_count": None,
                            "source": "display(spark.sql('SELECT 41 + 1 AS n'))",
                        }
                    ],
                }
            ),
            None,
        ),
    ],
)
def test_content_in_any_language_runs_with_the_output_asked_for(runner, path, content, language):
    result = runner.create_and_run_with_output(path, content, language=language)
    assert result.success, result.error_trace
    tables = [o for cell in result.cells for o in cell.outputs if isinstance(o, TableOutput)]
    assert [table.rows for table in tables] == [((42,),)]


def test_a_failing_notebook_is_a_result_with_cell_error_and_trace(runner, path, tmp_path, capsys):
    cells = "print('before')\n\n# COMMAND ----------\n\nraise ValueError('no luck')"
    result = runner.create_and_run_with_output(path, cells)
    assert (result.success, result.state, result.exit_code) == (False, "FAILED", 1)
    assert "ValueError: no luck" in result.error
    assert "raise ValueError" in result.error_trace
    shown = capsys.readouterr().out
    assert "before" in shown and "no luck" in shown
    saved = json.loads(
        (tmp_path / ".brickloop" / "runs" / str(result.run_id) / "result.json").read_text()
    )
    assert (saved["success"], saved["exit_code"]) == (False, 1)
    assert saved["failed_cell"]["name"] == "ValueError"


def test_nothing_is_printed_by_a_run_that_is_not_shown(runner, path, capsys):
    result = runner.create_and_run(path, "print('quiet')\ndbutils.notebook.exit('bye')")
    assert capsys.readouterr().out == ""
    assert (result.exit_value, result.cells[0].outputs) == ("bye", (TextOutput("quiet\n"),))


def test_a_time_limit_is_kept_by_the_workspace(runner, path):
    loop = "import time\nfor _ in range(3000): time.sleep(0.02)"
    result = runner.create_and_run(path, loop, timeout=1)
    assert (result.success, result.state, result.exit_code) == (False, "TIMEDOUT", 4)


def test_a_failed_run_is_tried_again(runner, path, volume_folder, capsys):
    tally = (
        f"import os\np = '{volume_folder}/tally'\nseen = os.path.exists(p)\nopen(p, 'w').close()\n"
        "from brickloop import NotebookOutput\nout = NotebookOutput()\n"
        "out.add_section('attempt', str(seen))\nimport time; time.sleep(0.5)\nassert seen"
    )
    result = runner.create_and_run(path, tally, retries=2)
    assert result.success
    assert result.run.status.attempt == 1
    assert "is tried again, attempt 2" in capsys.readouterr().err
    # of the attempt that failed nothing is left in the document
    assert [section.text for section in result.document.sections] == ["True"]


def test_a_version_of_somebody_else_is_not_overwritten(runner, path, client):
    client.workspace.upload(
        path, b"# Databricks notebook source\nmine = 1",
        format=ImportFormat.SOURCE, language=Language.PYTHON,
    )  # fmt: skip
    with pytest.raises(HeldBack):
        runner.create_and_run(path, "theirs = 1")
    assert b"mine" in client.workspace.download(path, format=ImportFormat.SOURCE).read()
    # its own version is replaced
    other = path + "2"
    assert runner.create_and_run(other, "a = 1").success
    assert runner.create_and_run(other, "a = 2").success


def test_a_relative_path_is_below_the_user_s_folder(runner, client):
    name = f"rel-{uuid.uuid4().hex[:8]}/nb.py"
    result = runner.create_and_run(name, "1")
    assert result.notebook_path == f"{HOME}/{name.removesuffix('.py')}"
    assert client.workspace.get_status(result.notebook_path).object_type.value == "NOTEBOOK"


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"notebook_path": "/"}, UsageError, "no path"),
        ({"notebook_path": "/Users/../x"}, UsageError, "upwards"),
        ({"notebook_content": b"\xff\xfe"}, NotebookError, "UTF-8"),
        ({"language": "cobol"}, NotebookError, "no language"),
        ({"parameters": {"a": object()}}, UsageError, "JSON"),
        ({"parameters": {"a": "x" * 10_001}}, UsageError, "10,000 bytes"),
        ({"compute": "fast"}, SettingsError, "compute is 'fast'"),
        ({"compute": "cluster: none"}, SettingsError, "no cluster 'none'"),
        ({"timeout": -1}, UsageError, "timeout"),
        ({"retries": -2}, UsageError, "retries"),
    ],
)
def test_wrong_arguments_are_named(runner, path, client, arguments, error, said):
    given = {"notebook_path": path, "notebook_content": "1", **arguments}
    with pytest.raises(error, match=said):
        runner.create_and_run(**given)
    if arguments.get("compute") != "cluster: none":
        # what can be known without the workspace is said before anything is sent
        with pytest.raises(NotFound):
            client.workspace.get_status(path)


def test_an_output_path_that_cannot_be_is_refused_before_anything_is_sent(runner, path, client):
    for wrong in ("output.txt", "s3://bucket/x", "/tmp/../x"):
        with pytest.raises(UsageError):
            runner.create_and_run_with_output(path, "1", wrong)
    with pytest.raises(NotFound):
        client.workspace.get_status(path)


def test_compute_by_cluster_name_and_as_a_job_cluster(runner, path, client):
    (cluster,) = client.clusters.list()
    uses = "from brickloop import NotebookOutput\nNotebookOutput().add_section('a', 'b')"
    for compute in (
        f"cluster: {cluster.cluster_name}",
        f"cluster:{cluster.cluster_id}",
        '{"spark_version": "15.4.x-scala2.12", "num_workers": 1}',
    ):
        result = runner.create_and_run(path, uses, compute=compute)
        assert result.success, result.error
        assert result.document.sections


def test_a_named_job_is_made_once_and_reset_when_its_settings_change(runner, path, client):
    name = f"job-{uuid.uuid4().hex[:8]}"
    runs = [
        runner.create_and_run(path, "dbutils.notebook.exit(dbutils.widgets.get('n'))", name,
                              parameters={"n": n})
        for n in ("1", "2")
    ]  # fmt: skip
    assert [run.exit_value for run in runs] == ["1", "2"]
    (job,) = client.jobs.list(name=name)
    assert {client.jobs.get_run(run.run_id).job_id for run in runs} == {job.job_id}
    settings = client.jobs.get(job.job_id).settings
    assert settings.tasks[0].max_retries is None
    assert runner.create_and_run(path, "1", name, retries=1).success
    (again,) = client.jobs.list(name=name)
    assert again.job_id == job.job_id
    assert client.jobs.get(job.job_id).settings.tasks[0].max_retries == 1
    made = client.jobs.create(
        name=f"{name}-theirs",
        tasks=[jobs.Task(task_key="x", notebook_task=jobs.NotebookTask(path))],
    )
    with pytest.raises(UsageError, match=f"did not make \\({made.job_id}\\)"):
        runner.create_and_run(path, "1", f"{name}-theirs")


def test_a_run_that_is_left_goes_on_and_can_be_waited_for(runner, path, client, capsys):
    left = runner.create_and_run(path, "import time\ntime.sleep(1)", wait=False)
    assert not left.success and left.exit_code == 0
    assert f"invoke output {left.run_id}" in capsys.readouterr().err
    # it was left on purpose: the same request starts a run of its own
    again = runner.create_and_run(path, "import time\ntime.sleep(1)")
    assert again.success and again.run_id != left.run_id
    assert client.jobs.wait_get_run_job_terminated_or_skipped(left.run_id).state.result_state


def test_a_notebook_that_is_in_the_workspace_already(runner, path):
    assert runner.create_and_run(path, "dbutils.notebook.exit('there')").success
    assert runner.run(NotebookWork(path), RunOptions(parameters={"n": 1})).exit_value == "there"


def write_wheel(folder: Path) -> Path:
    """A wheel with one entry point, made by hand."""
    files = {
        "greet/__init__.py": b"import sys\ndef main():\n    print('hello', sys.argv[1:])\n",
        "greet-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n",
        "greet-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n",
        "greet-1.0.dist-info/entry_points.txt": b"[console_scripts]\nhi = greet:main\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()},"
        f"{len(data)}\n"
        for name, data in files.items()
    )
    path = folder / "greet-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("greet-1.0.dist-info/RECORD", record)
    return path


def test_files_of_every_kind_run(runner, tmp_path):
    (tmp_path / "dodo.py").touch()
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "helper.py").write_text("WORD = 'helped'\n")
    (folder / "main.py").write_text(
        "import sys\nfrom helper import WORD\nprint(WORD, sys.argv[1:])\n"
    )
    (folder / "q.sql").write_text("SELECT 1;\nSELECT 'n is ' || :n AS n")
    options = RunOptions(parameters={"n": "41"})
    python = runner.run_file(folder / "main.py", RunOptions(parameters={"n": 1}, arguments=("a",)))
    assert python.logs == "helped ['a', '--n=1']\n"
    sql = runner.run_file(folder / "q.sql", options)
    assert "n is 41" in sql.logs
    wheel = runner.run_file(write_wheel(folder), options, entry_point="hi")
    assert wheel.logs == "hello ['--n=41']\n"
    with pytest.raises(UsageError, match="entry point"):
        runner.run_file(folder / "greet-1.0-py3-none-any.whl")
    (folder / "x.txt").write_text("text")
    with pytest.raises(UsageError, match="is no notebook"):
        runner.run_file(folder / "x.txt")


def test_one_notebook_needs_no_more_of_its_folder_than_it_reaches(runner, tmp_path, client):
    (tmp_path / "dodo.py").touch()
    folder = tmp_path / "many"
    (folder / "sub").mkdir(parents=True)
    (folder / "broken.ipynb").write_text("{")
    (folder / "twin.py").write_text("# Databricks notebook source\n1")
    (folder / "twin.sql").write_text("-- Databricks notebook source\nSELECT 1")
    (folder / "common.py").write_text("# Databricks notebook source\nWORD = 'included'")
    (folder / "sub" / "rules.py").write_text("WHO = 'imported'\n")
    (folder / "sub" / "main.py").write_text(
        "# Databricks notebook source\n# MAGIC %run ../common\n\n# COMMAND ----------\n\n"
        "from rules import WHO\ndbutils.notebook.exit(f'{WORD} {WHO}')\n"
    )
    result = runner.run_file(folder / "sub" / "main.py")
    assert result.exit_value == "included imported", result.error_trace
    assert result.notebook_path.endswith("/many/sub/main")
    remote = result.notebook_path.removesuffix("/sub/main")
    assert {found.path.rpartition("/")[2] for found in client.workspace.list(remote)} == {
        "common",
        "sub",
    }
    (folder / "uses_twin.py").write_text("# Databricks notebook source\n# MAGIC %run ./twin")
    with pytest.raises(NotebookError, match="would be one object"):
        runner.run_file(folder / "uses_twin.py")


WAITS = """import os, time
end = time.time() + 60
while not os.path.exists({go!r}):
    assert time.time() < end
    time.sleep(0.05)
dbutils.notebook.exit('done')"""


class Crashed(BaseException):
    """Stands for a process that dies."""


def crash(monkeypatch: pytest.MonkeyPatch, runner: JobRunner, name: str) -> None:
    """Let the next call of a method of the runner's runs die before it does anything."""

    def die(*_: object, **__: object) -> None:
        raise Crashed

    monkeypatch.setattr(runner.runs(), name, die)


def test_a_run_whose_caller_died_is_taken_up_again_and_not_started_twice(
    runner, path, volume_folder, client, local_server, tmp_path, monkeypatch, capsys
):
    go = f"{volume_folder}/go"
    content = WAITS.format(go=go)
    crash(monkeypatch, runner, "follow")
    with pytest.raises(Crashed):
        runner.create_and_run(path, content)
    (running,) = [run.run_id for run in client.jobs.list_runs() if run.run_name.endswith("analysis")
                  and not run.end_time]  # fmt: skip
    opened = OpenTarget(Target("local", "a test"), client, local_server.host, USER, "")
    later = JobRunner(load_settings(tmp_path, env={}), opened=opened)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(later.create_and_run, path, content)
        said, deadline = "", time.monotonic() + 60
        while f"taking up run {running}" not in said:
            assert time.monotonic() < deadline, said
            said += capsys.readouterr().err
            time.sleep(0.05)
        client.files.upload(go, io.BytesIO(b""))
        result = coming.result(timeout=60)
    assert (result.run_id, result.exit_value) == (running, "done")
    later.close()


def test_a_request_that_was_never_answered_is_sent_again_under_its_key(
    runner, path, client, monkeypatch
):
    from brickloop.jobs import submit as module

    sent = []
    original = module.submit

    def lose_the_answer(client, host, request):
        sent.append((request.run_key, original(client, host, request)))
        if len(sent) == 1:
            raise Crashed
        return sent[-1][1]

    monkeypatch.setattr(module, "submit", lose_the_answer)
    content = "import time\ntime.sleep(2)\ndbutils.notebook.exit('once')"
    with pytest.raises(Crashed):
        runner.create_and_run(path, content)
    result = runner.create_and_run(path, content)
    assert result.exit_value == "once"
    assert sent[0] == sent[1]
    assert result.run_id == sent[0][1]


def test_a_run_that_was_deleted_meanwhile_is_started_anew(runner, path, client, monkeypatch):
    with monkeypatch.context() as patch:
        crash(patch, runner, "follow")
        with pytest.raises(Crashed):
            runner.create_and_run(path, "dbutils.notebook.exit('x')")
    lost = next(run for run in client.jobs.list_runs() if run.run_name.endswith("analysis"))
    client.jobs.wait_get_run_job_terminated_or_skipped(lost.run_id)
    client.jobs.delete_run(lost.run_id)
    result = runner.create_and_run(path, "dbutils.notebook.exit('x')")
    assert result.exit_value == "x" and result.run_id != lost.run_id


def test_fresh_starts_anew_beside_a_run_that_goes_on(
    runner, path, volume_folder, client, monkeypatch
):
    go = f"{volume_folder}/go"
    with monkeypatch.context() as patch:
        crash(patch, runner, "follow")
        with pytest.raises(Crashed):
            runner.create_and_run(path, WAITS.format(go=go))
    first = next(run for run in client.jobs.list_runs() if run.run_name.endswith("analysis"))
    client.files.upload(go, io.BytesIO(b""))
    result = runner.create_and_run(path, WAITS.format(go=go), fresh=True)
    assert result.success and result.run_id != first.run_id
