"""DevWorkflow on the real local kernel and the real local workspace, and the facade over all."""

from __future__ import annotations

import re
import threading
import time
import uuid
from pathlib import Path

import pytest
from tests.conftest import HOME

import brickloop
from brickloop import DatabricksAPI, DevWorkflow, JobRunner, launcher
from brickloop.config.profile import Target
from brickloop.config.settings import load_settings
from brickloop.errors import ConnectionFailed, UsageError
from brickloop.flows.target import OpenTarget
from brickloop.model.run import TableOutput, TextOutput

USER = HOME.rpartition("/")[2]
HEADER = "# Databricks notebook source\n"
LIMIT = 120.0


def write(path: Path, *cells: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "\n\n# COMMAND ----------\n\n".join(cells) + "\n")
    return path


def wait_for(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("dev")


@pytest.fixture(scope="module")
def workflow(root):
    """One kernel for all tests of this file; nothing is opened for it."""
    with DevWorkflow(load_settings(root, env={})) as made:
        yield made


@pytest.fixture
def remote(client, local_server, tmp_path):
    """A workflow whose workspace is the tests' own."""
    opened = OpenTarget(Target("local", "a test"), client, local_server.host, USER, "")
    settings = load_settings(tmp_path, env={})
    runner = JobRunner(settings, opened=opened)
    with DevWorkflow(settings, runner=runner) as made:
        yield made
    runner.close()


def printed(result):
    return [
        out.text for cell in result.cells for out in cell.outputs if isinstance(out, TextOutput)
    ]


def test_a_local_run_gives_cells_document_and_exit_value(workflow, root, capsys):
    folder = root / uuid.uuid4().hex[:8]
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "__init__.py").write_text("")
    (folder / "lib" / "rules.py").write_text("FACTOR = 2\n")
    write(folder / "setup.py", "BASE = 20\n")
    notebook = write(
        folder / "main.py",
        "# MAGIC %run ./setup",
        "from lib.rules import FACTOR\nfrom brickloop import NotebookOutput\n"
        "out = NotebookOutput()\nout.add_section('Sum', str(BASE * FACTOR))\nprint(BASE + FACTOR)",
        "display(spark.range(2))",
        "dbutils.notebook.exit(dbutils.widgets.get('who'))",
    )
    result = workflow.run_locally(notebook, {"who": "world"})
    assert result.success, result.error_trace
    assert result.exit_value == "world"
    assert [section.text for section in result.document.sections] == ["40"]
    assert result.document.complete
    assert printed(result) == ["22\n"]
    tables = [o for cell in result.cells for o in cell.outputs if isinstance(o, TableOutput)]
    assert [row[0] for row in tables[0].rows] == [0, 1]
    assert [cell.state for cell in result.cells] == ["finished"] * 4
    shown = capsys.readouterr().out
    assert shown.index("40") < shown.index("22") and "exit value world" in shown
    assert (root / "outputs" / "main.html").is_file()
    # no server was needed for it
    assert launcher.find_running(root / ".brickloop" / "local") is None


def test_a_local_run_that_fails_is_a_result(workflow, root, capsys):
    notebook = write(root / "fails.py", "x = 1", "1 / 0", "print('never')")
    result = workflow.run_locally(notebook)
    assert (result.success, result.state, result.exit_code) == (False, "FAILED", 1)
    assert "ZeroDivisionError" in result.error
    assert [cell.state for cell in result.cells] == ["finished", "error", "skipped"]
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_local_runs_have_fresh_names_and_lasting_tables(workflow, root):
    name = f"t{uuid.uuid4().hex[:8]}"
    make = write(root / "make.py", f"left = 7\nspark.range(3).write.saveAsTable('{name}')")
    assert workflow.run_locally(make, show=False).success
    read = write(root / "read.py", f"print(spark.table('{name}').count(), 'left' in globals())")
    assert printed(workflow.run_locally(read, show=False)) == ["3 False\n"]


def test_a_module_that_was_deleted_is_gone_from_the_next_run(workflow, root):
    folder = root / uuid.uuid4().hex[:8]
    notebook = write(folder / "main.py", "import extra_rules\nprint(extra_rules.N)")
    (folder / "extra_rules.py").write_text("N = 5\n")
    assert printed(workflow.run_locally(notebook, show=False)) == ["5\n"]
    (folder / "extra_rules.py").unlink()
    assert "No module named 'extra_rules'" in workflow.run_locally(notebook, show=False).error


def test_a_local_run_ends_at_its_time_limit(workflow, root):
    notebook = write(root / "long.py", "import time\ntime.sleep(600)")
    result = workflow.run_locally(notebook, timeout=1, show=False)
    assert (result.state, result.exit_code) == ("TIMEDOUT", 4)


def test_a_kernel_that_dies_is_told_and_the_next_run_has_a_new_one(workflow, root):
    notebook = write(root / "dies.py", "import os\nos._exit(3)")
    result = workflow.run_locally(notebook, show=False)
    assert result.state == "FAILED" and "code 3" in result.error
    notebook = write(root / "lives.py", "print('alive')")
    assert printed(workflow.run_locally(notebook, show=False)) == ["alive\n"]


def test_a_local_kernel_that_is_killed_amid_a_run_is_started_anew(workflow, root):
    notebook = write(root / "hit.py", "print('going', flush=True)\nimport time\ntime.sleep(600)")
    failures = []

    def run():
        try:
            workflow.run_locally(notebook, show=False)
        except ConnectionFailed as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    runs = workflow._local._running
    wait_for(lambda: any(run.cells for run in list(runs.values())))
    workflow._local._kernel._process.kill()
    thread.join(LIMIT)
    assert len(failures) == 1 and "local kernel" in str(failures[0])
    notebook = write(root / "after.py", "print('again')")
    assert printed(workflow.run_locally(notebook, show=False)) == ["again\n"]


def test_secrets_without_a_server_say_what_to_do(workflow, root):
    notebook = write(root / "secret.py", "dbutils.secrets.get('a', 'b')")
    assert "invoke local.start" in workflow.run_locally(notebook, show=False).error


def test_two_workflows_of_one_project_do_not_disturb_each_other(workflow, root):
    notebook = write(root / "twice.py", "import os\nprint(os.getcwd())")
    with DevWorkflow(load_settings(root, env={})) as other:
        folders = {printed(each.run_locally(notebook, show=False))[0] for each in (workflow, other)}
    assert len(folders) == 2


def test_only_notebooks_run_locally(workflow, root):
    (root / "plain.py").write_text("print(1)\n")
    with pytest.raises(UsageError, match="no notebook"):
        workflow.run_locally(root / "plain.py")
    with pytest.raises(UsageError, match="no such file"):
        workflow.run_locally(root / "missing.py")


def test_a_watch_runs_locally_what_is_saved(workflow, root):
    folder = root / uuid.uuid4().hex[:8]
    notebook = write(folder / "main.py", "print('first')")
    told = []
    ended = threading.Event()

    def hear(_path, result):
        told.append((result.state, printed(result)))
        if told[-1][1] == ["third\n"]:
            ended.set()

    watch = workflow.watch_and_deploy(str(folder / "*.py"), local=True, on_result=hear)
    try:
        assert watch.ready.wait(LIMIT)
        write(notebook, "print('second', flush=True)\nimport time\ntime.sleep(600)")
        runs = workflow._local._running
        wait_for(lambda: any(run.cells for run in list(runs.values())))
        write(notebook, "print('third')")
        assert ended.wait(LIMIT)
    finally:
        watch.stop()
        watch.join(LIMIT)
    assert not watch.is_alive()
    assert told == [("CANCELED", ["second\n"]), ("SUCCESS", ["third\n"])]


def test_deploy_gives_the_workspace_path(remote, tmp_path, client):
    folder = tmp_path / f"p{uuid.uuid4().hex[:8]}"
    notebook = write(folder / "main.py", "import rules\nprint(rules.N)")
    (folder / "rules.py").write_text("N = 5\n")
    path = remote.deploy_to_databricks(notebook)
    assert path.endswith(f"/{folder.name}/main")
    names = {found.path.rpartition("/")[2] for found in client.workspace.list(path[:-5])}
    assert names == {"main", "rules.py"}
    result = remote.run_in_databricks(notebook)
    assert result.success and printed(result) == ["5\n"]
    assert result.run_url.startswith("http")


def test_a_watch_deploys_cancels_and_starts_anew(remote, tmp_path, client, capsys):
    folder = tmp_path / f"p{uuid.uuid4().hex[:8]}"
    notebook = write(folder / "main.py", "print('first')")
    results = []
    watch = remote.watch_and_deploy(notebook, on_result=lambda _path, one: results.append(one))
    try:
        assert watch.ready.wait(LIMIT)
        write(notebook, "import time\ntime.sleep(600)")
        wait_for(lambda: watch._running is not None and watch._running[1]._end is not None)
        write(notebook, "print('third')")
        wait_for(lambda: len(results) == 2)
    finally:
        watch.stop()
        watch.join(LIMIT)
    assert [one.state for one in results] == ["CANCELED", "SUCCESS"]
    assert printed(results[1]) == ["third\n"]
    state = client.jobs.get_run(results[0].run_id).state
    assert state.result_state.value == "CANCELED"
    assert "━━" not in capsys.readouterr().out


SEED_1 = '''
db = DatabricksAPI()

notebook = """
from core.notebook_output import NotebookOutput
output = NotebookOutput()

# Your analysis
query = "SELECT * FROM table"
result = spark.sql(query).toPandas()

output.add_query_result("Results", query, result.to_string())
output.write_to_dbfs()
"""

result = db.job_runner.create_and_run_with_output(
    "/Workspace/my_analysis",
    notebook,
    output_path="/tmp/analysis_output.txt"
)
# Output automatically displayed!
'''
SEED_2 = """
sync = WorkspaceSync(
    local_dir="projects/my_project",
    workspace_dir="/Workspace/Users/user@example.com/my_project"
)

# One-time sync
sync.sync_to_workspace()

# Watch and auto-sync
observer = sync.watch_and_sync()
"""
SEED_3 = """
conn_mgr = ConnectionManager()

# First call - executes query
results1 = conn_mgr.execute_with_cache("SELECT * FROM table")

# Second call - uses cache (if within TTL)
results2 = conn_mgr.execute_with_cache("SELECT * FROM table")
"""


@pytest.fixture
def at_home(local_server, tmp_path, monkeypatch):
    """A project whose workspace is the tests' own, by the environment as in CI."""
    (tmp_path / "tasks.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABRICKS_HOST", local_server.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", local_server.token)
    monkeypatch.setenv("BRICKLOOP_WAREHOUSE", local_server.http_path)
    return tmp_path


def run_example(text: str) -> dict:
    names = {name: getattr(brickloop, name) for name in brickloop.__all__}
    exec(text, names)
    return names


def test_the_seed_s_examples_run_as_written(at_home, client, capsys):
    (at_home / "projects" / "my_project").mkdir(parents=True)
    write(at_home / "projects" / "my_project" / "one.py", "print(1)")
    with DatabricksAPI() as db:
        db.connections.execute("CREATE OR REPLACE TABLE `table` AS SELECT 42 AS answer")
    names = run_example(SEED_1)
    assert names["result"]["success"], names["result"].error_trace
    shown = capsys.readouterr().out
    assert "Results" in shown and "42" in shown
    assert "42" in names["result"]["output"]
    names["db"].close()

    names = run_example(SEED_2)
    try:
        target = "/Workspace/Users/user@example.com/my_project/one"
        assert client.workspace.get_status(target).language is not None
    finally:
        names["observer"].stop()
        names["observer"].join()
        names["sync"].close()

    names = run_example(SEED_3)
    assert list(names["results1"]) == list(names["results2"]) == [(42,)]
    assert (names["results1"].from_cache, names["results2"].from_cache) == (False, True)
    names["conn_mgr"].close()


def test_the_facade_has_every_part(at_home, remote_folder, client):
    (at_home / "here").mkdir()
    (at_home / "here" / "a.txt").write_text("a")
    write(at_home / "nb" / f"n{uuid.uuid4().hex[:8]}.py", "print('x')")
    with DatabricksAPI() as db:
        assert db.health.check_health()["api"]
        assert not db.sync("here", f"{remote_folder}/there").sync_to_workspace().failures
        assert client.workspace.get_status(f"{remote_folder}/there/a.txt")
        path = db.dev.deploy_to_databricks(next((at_home / "nb").iterdir()))
        assert re.search(r"/nb/n\w{8}$", path)
