"""`invoke state.export` and `import`: a fresh machine runs only what has changed since."""

from __future__ import annotations

import json
import shutil
import uuid

import pytest
from tests.acceptance.conftest import TASKS, type_command, write_notebook
from tests.acceptance.test_doit import ran

DODO = """from brickloop.graph import doit_config, notebook_tasks

DOIT_CONFIG = doit_config()


def task_notebooks():
    yield from notebook_tasks("{name}")
"""


@pytest.fixture
def machines(tmp_path, local_server):
    """Two checkouts of one project, and the variables by which both reach one workspace."""
    first, name = tmp_path / "first", f"carried{uuid.uuid4().hex[:8]}"
    (first / name).mkdir(parents=True)
    (first / "dodo.py").write_text(DODO.format(name=name))
    (first / "tasks.py").write_text(TASKS)
    write_notebook(first / name / "one.py", 'spark.sql("CREATE SCHEMA IF NOT EXISTS carried")',
                   'spark.range(3).write.mode("overwrite").saveAsTable("carried.t")')  # fmt: skip
    write_notebook(first / name / "two.py", 'print(spark.table("carried.t").count())')
    second = tmp_path / "second"
    shutil.copytree(first, second)
    return first, second, name, {
        "DATABRICKS_HOST": local_server.host, "DATABRICKS_TOKEN": local_server.token,
    }  # fmt: skip


@pytest.mark.parametrize("file", ["state.json", ""])
def test_a_fresh_machine_runs_only_what_changed(machines, file):
    first, second, name, variables = machines
    assert type_command(first, "doit", **variables).returncode == 0
    words = ["--file", file] if file else []
    kept = type_command(first, "invoke", "state.export", *words, **variables)
    assert kept.returncode == 0, kept.stderr
    if file:
        shutil.copy(first / file, second / file)
        assert variables["DATABRICKS_TOKEN"] not in (first / file).read_text()
    taken = type_command(second, "invoke", "state.import", *words, **variables)
    assert taken.returncode == 0, taken.stderr
    assert f"took over the state of {name}" in taken.stderr
    write_notebook(second / name / "two.py", 'print(spark.table("carried.t").count() + 1)')
    done = type_command(second, "doit", **variables)
    assert (done.returncode, ran(done.stderr)) == (0, ["two"]), done.stderr
    assert "uploaded one" not in done.stderr
    assert (second / "outputs" / "one.html").exists(), "outputs are fetched, not run for"
    again = type_command(second, "doit", **variables)
    assert again.stdout == "nothing to do: 2 notebooks are up to date\n"


def test_before_the_first_export_a_fresh_machine_runs_everything(machines):
    first, second, _, variables = machines
    none = type_command(first, "invoke", "state.import", **variables)
    assert (none.returncode, none.stdout) == (0, ""), none.stderr
    assert "yet: doit runs everything" in none.stderr
    done = type_command(first, "doit", **variables)
    assert sorted(ran(done.stderr)) == ["one", "two"]
    assert type_command(first, "invoke", "state.export", **variables).returncode == 0
    assert type_command(second, "invoke", "state.import", **variables).returncode == 0
    after = type_command(second, "invoke", "plan", "--json", **variables)
    steps = {one["step"] for graph in json.loads(after.stdout) for one in graph["notebooks"]}
    assert steps == {"fetch"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no state"),
        ('{"version": 9, "projects": {}}', "has version 9"),
        ('{"version": 1, "projects": {}}', "holds the state of nothing"),
        ('{"version": 1, "projects": {"carried": {"user": 1}}}', "is no state"),
        (
            json.dumps({"version": 1, "projects": {"carried": {
                "user": None, "remote_objects": [[1]], "task_state": [], "runs": [],
                "facts": {"inputs": {}, "digest": {}, "observed": {}}}}}),
            "a row of remote_objects",
        ),
    ],
)  # fmt: skip
def test_what_is_no_state_changes_nothing(machines, text, said):
    first, _, _, variables = machines
    (first / "bad.json").write_text(text)
    wrong = type_command(first, "invoke", "state.import", "--file", "bad.json", **variables)
    assert wrong.returncode == 2, wrong.stderr
    assert said in wrong.stderr
    assert "Traceback" not in wrong.stderr
    none = type_command(first, "invoke", "state.import", "--file", "nosuch.json", **variables)
    assert (none.returncode, "cannot be read" in none.stderr) == (2, True)
