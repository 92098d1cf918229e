"""Every command of doit as a person types it, wrong names among them; and `invoke clean`."""

from __future__ import annotations

import json

import pytest
from tests.acceptance.conftest import type_command, write_notebook
from tests.acceptance.test_doit import ran


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("list --all --status", 0, "run:a_load"),
        ("list run:a_laod", 3, "did you mean: run:a_load"),
        ("info run:a_load", 1, "task_dep"),
        ("info run:a_laod", 3, "did you mean: run:a_load"),
        ("info", 3, "must select"),
        ("run:a_laod", 3, "did you mean: run:a_load"),
        ("a_load", 3, "did you mean: run:a_load"),
        ("zzzzzz", 3, "doit list --all shows the tasks"),
        ("clean fetch:a_laod", 3, "did you mean: fetch:a_load"),
        ("forget", 0, "forgetting run:a_load"),
        ("forget run:a_laod", 3, "did you mean: run:a_load"),
        ("ignore", 0, "select a task"),
        ("ignore run:a_laod", 3, "did you mean: run:a_load"),
        ("reset-dep", 0, "failed run:a_load (there is no output of it here)"),
        ("reset-dep run:a_laod", 3, "did you mean: run:a_load"),
        ("tabcompletion", 0, "complete"),
        ("help", 0, "Commands"),
        ("help run", 0, "run tasks"),
        ("help run:a_load", 0, "run a_load.py as a job"),
        ("dumpdb", 3, "invoke why NOTEBOOK"),
        ("--alwys-execute", 3, "there is no option --alwys-execute\n  did you mean: --always"),
        ("list --bogus", 3, "there is no option --bogus\n  doit help run shows all"),
        ("-f", 3, "-f needs a value"),
        ("run -n many", 3, "--process is 'many', not a whole number"),
        ("-r nope", 3, "--reporter is 'nope'\n  it is one of: "),
    ],
)
def test_no_command_shows_a_traceback(tmp_path, words, code, said):
    _small_project(tmp_path)
    done = type_command(tmp_path, "doit", *words.split())
    text = done.stdout + done.stderr
    assert done.returncode == code, text
    assert said in text
    assert "Traceback" not in text
    assert not (tmp_path / ".brickloop" / "local" / "server.json").exists(), "nothing was started"


def test_what_is_ignored_forgotten_and_cleaned(project):
    notebooks = project / "notebooks"
    write_notebook(
        notebooks / "c_alone.py",
        "import matplotlib\nmatplotlib.use('Agg')\nfrom matplotlib import pyplot\n"
        "from brickloop import NotebookOutput",
        "figure, axes = pyplot.subplots()\naxes.plot([1, 2])\n"
        "NotebookOutput().add_figure('Line', figure)",
    )
    assert type_command(project, "doit").returncode == 0
    outputs = project / "outputs"
    figures = outputs / "c_alone.figures"
    assert figures.is_dir()
    (outputs / "mine.txt").write_text("kept")

    dry = type_command(project, "doit", "clean", "-n")
    assert "would remove outputs/a_load.txt" in dry.stderr
    assert (outputs / "a_load.txt").exists()
    listed = type_command(project, "invoke", "clean", "--select", "c_alone", "--dry-run")
    assert listed.returncode == 0
    assert "output  outputs/c_alone.figures/line-" in listed.stdout
    unasked = type_command(project, "invoke", "clean", "--remote")
    assert unasked.returncode == 2
    assert "say so with --yes" in unasked.stderr
    assert "remote  /Workspace/Users/" in unasked.stdout
    assert figures.is_dir()

    assert type_command(project, "doit", "clean", "fetch:c_alone").returncode == 0
    assert not figures.exists()
    assert not (outputs / "c_alone.html").exists()
    assert (outputs / "a_load.txt").exists()
    assert type_command(project, "doit", "clean").returncode == 0
    assert [path.name for path in outputs.iterdir()] == ["mine.txt"]
    again = type_command(project, "doit")
    assert (again.returncode, ran(again.stderr)) == (0, []), "outputs are fetched, nothing is run"
    assert (outputs / "a_load.txt").exists()

    assert type_command(project, "doit", "ignore", "run:c_alone").returncode == 0
    skipped = type_command(project, "doit", "run:c_alone")
    assert "ignored: run:c_alone" in skipped.stdout
    assert type_command(project, "doit", "forget", "run:c_alone").returncode == 0
    assert ran(type_command(project, "doit", "run:c_alone").stderr) == ["c_alone"]


def test_reset_dep_takes_notebooks_for_done_as_they_are(project):
    assert type_command(project, "doit").returncode == 0
    assert "processed" not in type_command(project, "doit", "reset-dep").stdout
    assert type_command(project, "doit", "forget").returncode == 0
    assert type_command(project, "invoke", "plan", "--check").returncode == 10
    reset = type_command(project, "doit", "reset-dep")
    assert (reset.returncode, reset.stderr) == (0, "")
    assert "processed run:a_load\n" in reset.stdout
    assert "failed" not in reset.stdout
    done = type_command(project, "doit")
    assert done.stdout == "nothing to do: 4 notebooks are up to date\n", done.stderr

    # what was changed here is still sent; what has no output is not taken for done
    loader = project / "notebooks" / "a_load.py"
    loader.write_text(loader.read_text() + "\n# COMMAND ----------\n\nprint(2)\n")
    (project / "outputs" / "b_sum.json").unlink()
    mixed = type_command(project, "doit", "reset-dep").stdout
    assert "processed run:a_load\n" in mixed
    assert "failed upload:a_load (it is not in the workspace as it is here" in mixed
    assert "failed fetch:b_sum (there is no output of it here)" in mixed
    assert "skip run:c_alone" in mixed
    planned = json.loads(type_command(project, "invoke", "plan", "--json").stdout)
    steps = {one["notebook"]: one["step"] for one in planned[0]["notebooks"]}
    assert (steps["a_load"], steps["c_alone"]) == ("upload", "up to date")


def test_clean_removes_from_the_workspace_only_what_stands_as_it_was_sent(project):
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.workspace import ImportFormat, Language

    from brickloop import launcher

    for name in ("b_sum.py", "d_count.sql"):
        (project / "notebooks" / name).unlink()
    assert type_command(project, "doit").returncode == 0
    server = launcher.find_running(project / ".brickloop" / "local")
    client = WorkspaceClient(host=server.host, token=server.token)
    folder = f"/Workspace/Users/{client.current_user.me().user_name}/.brickloop/notebooks"
    assert {one.path for one in client.workspace.list(folder)} == {
        f"{folder}/{name}" for name in ("a_load", "c_alone", "shared.py")
    }
    client.workspace.import_(
        f"{folder}/c_alone", content="cHJpbnQoMSk=", format=ImportFormat.SOURCE,
        language=Language.PYTHON, overwrite=True,
    )  # fmt: skip
    client.workspace.mkdirs(f"{folder}/theirs")
    one = type_command(project, "invoke", "clean", "--remote", "--select", "a_load", "--yes")
    assert one.returncode == 0, one.stderr
    assert {path.path for path in client.workspace.list(folder)} == {
        f"{folder}/{name}" for name in ("c_alone", "shared.py", "theirs")
    }
    rest = type_command(project, "invoke", "clean", "--remote", "--yes")
    assert rest.returncode == 0, rest.stderr
    assert "kept: c_alone was changed in the workspace" in rest.stderr
    left = {path.path for path in client.workspace.list(folder)}
    assert left == {f"{folder}/c_alone", f"{folder}/theirs"}
    assert not list((project / "outputs").glob("a_load*"))
    planned = json.loads(type_command(project, "invoke", "plan", "--json").stdout)
    assert {one["notebook"]: one["uploads"] for one in planned[0]["notebooks"]}["a_load"] == [
        "a_load"
    ]


def test_a_fault_of_ours_is_one_line_and_a_file(tmp_path):
    _small_project(tmp_path)
    dodo = tmp_path / "dodo.py"
    dodo.write_text(
        "from brickloop.flows.deploy import Deployment\n\n\n"
        "def broken(self, path, name):\n    raise RuntimeError('no such luck')\n\n\n"
        "Deployment.upload = broken\n" + dodo.read_text()
    )
    for words in (["doit"], ["doit", "-n", "2"]):
        done = type_command(tmp_path, *words)
        assert done.returncode == 1
        assert "error: this is a fault of brickloop: RuntimeError: no such luck" in done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert "def broken" not in done.stderr
    log = tmp_path / ".brickloop" / "fault.log"
    assert "in broken" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def _small_project(folder):
    (folder / "notebooks").mkdir()
    write_notebook(folder / "notebooks" / "a_load.py", "print(1)")
    (folder / "dodo.py").write_text(
        "from brickloop.graph import doit_config, notebook_tasks\n\nDOIT_CONFIG = doit_config()\n"
        '\n\ndef task_notebooks():\n    yield from notebook_tasks("notebooks")\n'
    )


@pytest.mark.parametrize(
    ("dodo", "said"),
    [
        ("def task_x(:\n", "dodo.py:1: "),
        ("import os\nprint(nothing)\n", "dodo.py:2: NameError: name 'nothing' is not defined"),
        ("import no_such_module\n", "dodo.py:1: ModuleNotFoundError: No module named"),
        ("import beside\n", "dodo.py:1: ZeroDivisionError: division by zero (in "),
        ("def task_x():\n    return 1 / 0\n", "dodo.py:2: ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("words", [[], ["list"]])
def test_a_dodo_that_cannot_be_run_is_said_with_its_line(tmp_path, dodo, said, words):
    (tmp_path / "beside.py").write_text("1 / 0\n")
    (tmp_path / "dodo.py").write_text(dodo)
    done = type_command(tmp_path, "doit", *words)
    assert done.returncode == 3, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 2
