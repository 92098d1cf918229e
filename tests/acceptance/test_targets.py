"""Targets as a person uses them: each has its folder, state and parameters; prod takes commits."""

from __future__ import annotations

import json
import subprocess

import pytest
from databricks.sdk import WorkspaceClient

from brickloop import launcher

from .conftest import type_command, write_notebook

PYPROJECT = """
[project]
name = "shop"

[tool.brickloop]
target = "dev"

[tool.brickloop.targets.dev]
profile = "local"

[tool.brickloop.targets.prod]
profile = "local"

[tool.brickloop.targets.prod.parameters]
month = "12"
"""
DODO = """from brickloop.graph import doit_config, notebook_tasks

DOIT_CONFIG = doit_config()


def task_notebooks():
    yield from notebook_tasks("notebooks", parameters={"say": {"month": "1", "day": 3}})
"""
NOTHING = "nothing to do: 1 notebook is up to date\n"
HOME = "/Users/local@brickloop.test"


@pytest.fixture
def shop(project):
    """A project with a dev and a prod target in a git repository where all is committed."""
    for path in (project / "notebooks").iterdir():
        path.unlink()
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "dodo.py").write_text(DODO)
    (project / ".gitignore").write_text(".brickloop/\noutputs/\n__pycache__/\nlocal.py\n")
    (project / "lib.py").write_text("X = 1\n")
    write_notebook(
        project / "notebooks" / "say.py",
        'dbutils.widgets.text("month", "0")\ndbutils.widgets.text("day", "0")',
        'print("month", dbutils.widgets.get("month"), "day", dbutils.widgets.get("day"))',
    )
    git(project, "init", "-q")
    commit(project)
    return project


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")


def names_in(folder, path):
    server = launcher.ensure_started(folder / ".brickloop" / "local")
    client = WorkspaceClient(host=server.host, token=server.token)
    return sorted(found.path for found in client.workspace.list(path, recursive=True))


def test_dev_then_prod_each_with_its_own_folder_state_and_outputs(shop):
    first = type_command(shop, "doit")
    assert first.returncode == 0, first.stderr
    assert "month 1 day 3" in first.stdout
    assert "target 'dev', profile 'local'" in first.stderr
    prod = type_command(shop, "doit", "target=prod")
    assert prod.returncode == 0, prod.stderr
    assert "month 12 day 3" in prod.stdout
    assert "target 'prod'" in prod.stderr
    base = f"{HOME}/.brickloop/shop"
    assert names_in(shop, base + "/dev") == [f"{base}/dev/notebooks/say"]
    assert names_in(shop, base + "/prod") == [f"{base}/prod/notebooks/say"]
    assert (shop / "outputs" / "prod" / "say.txt").is_file()
    assert "month 1 " in (shop / "outputs" / "say.txt").read_text()
    for words in (["doit"], ["doit", "target=prod"], ["doit"]):
        again = type_command(shop, *words)
        assert (again.returncode, again.stdout) == (0, NOTHING), again.stderr
    again = type_command(shop, "doit", BRICKLOOP_TARGET="prod")
    assert (again.returncode, again.stdout) == (0, NOTHING)
    report = type_command(shop, "invoke", "report", "--json")
    assert [one["notebook"] for one in json.loads(report.stdout)] == ["say"]
    report = type_command(shop, "invoke", "report", "--json", "--target", "prod")
    (one,) = json.loads(report.stdout)
    assert one["page"].endswith("outputs/prod/say.html")


def test_prod_refuses_what_is_not_committed_before_anything_is_sent(shop):
    write_notebook(shop / "notebooks" / "new.py", "print(1)")
    notebook = shop / "notebooks" / "say.py"
    notebook.write_text(notebook.read_text() + "\n# more\n")
    plan = type_command(shop, "invoke", "plan", "--target", "prod", "--json")
    assert plan.returncode == 0, plan.stderr
    assert type_command(shop, "doit", "list", "target=prod").returncode == 0
    for words in (
        ["doit", "target=prod"],
        ["doit", "target=prod", "run:say"],
        ["invoke", "build", "--target", "prod"],
        ["invoke", "run", "notebooks/say.py", "--target", "prod"],
        ["invoke", "dev.deploy", "notebooks/say.py", "--target", "prod"],
    ):
        refused = type_command(shop, *words)
        assert refused.returncode == 2, (words, refused.stderr)
        assert "target 'prod' is protected" in refused.stderr
        assert "notebooks/say.py (changed)" in refused.stderr
        assert "--force" in refused.stderr
        assert "Traceback" not in refused.stderr
    with pytest.raises(Exception, match="exist"):
        names_in(shop, f"{HOME}/.brickloop/shop/prod")
    forced = type_command(shop, "doit", "target=prod", BRICKLOOP_FORCE="1")
    assert forced.returncode == 0, forced.stderr
    assert "sent all the same" in forced.stderr
    commit(shop)
    done = type_command(shop, "doit", "target=prod")
    assert done.returncode == 0, done.stderr
    run = type_command(shop, "invoke", "run", "notebooks/say.py", "--target", "prod", "-p", "day=9")
    assert "month 12 day 9" in run.stdout, run.stderr


def test_a_notebook_that_git_ignores_is_not_committed(shop):
    write_notebook(shop / "notebooks" / "local.py", "print(1)")
    refused = type_command(shop, "doit", "target=prod")
    assert refused.returncode == 2
    assert "notebooks/local.py (not in git)" in refused.stderr


def test_sync_to_a_protected_target_is_refused_and_a_look_is_not(shop):
    sync = {"sync_pairs": [{"local": "notebooks", "workspace": "~/synced"}]}
    (shop / ".databricks_sync.json").write_text(json.dumps(sync))
    commit(shop)
    write_notebook(shop / "notebooks" / "new.py", "print(1)")
    for words in (["sync.push"], ["sync.bidirectional"], ["sync.watch"]):
        refused = type_command(shop, "invoke", *words, "--target", "prod")
        assert refused.returncode == 2, refused.stderr
        assert "target 'prod' is protected" in refused.stderr
    looked = type_command(shop, "invoke", "sync.push", "--dry-run", "--target", "prod")
    assert looked.returncode == 0, looked.stderr
    assert "new" in looked.stdout + looked.stderr
    forced = type_command(shop, "invoke", "sync.push", "--force", "--target", "prod")
    assert forced.returncode == 0, forced.stderr
    assert names_in(shop, f"{HOME}/synced") == [f"{HOME}/synced/new", f"{HOME}/synced/say"]


def test_without_git_prod_gets_nothing_and_an_unknown_target_is_named(shop):
    import shutil

    shutil.rmtree(shop / ".git")
    refused = type_command(shop, "doit", "target=prod")
    assert refused.returncode == 2
    assert "git does not know what is sent" in refused.stderr
    for words in (["doit", "target=prd"], ["invoke", "query", "SELECT 1", "--target", "prd"]):
        unknown = type_command(shop, *words)
        assert unknown.returncode == 2
        assert "there is no target 'prd'" in unknown.stderr
        assert "dev, prod" in unknown.stderr
        assert "pyproject.toml" in unknown.stderr


def test_doctor_says_the_target_and_where_each_value_is_from(shop):
    done = type_command(shop, "invoke", "doctor", "--json", "--offline", "--target", "prod")
    facts = json.loads(done.stdout)
    source = "pyproject.toml [tool.brickloop.targets.prod]"
    for name, value, where in (("target", "prod", "--target"), ("profile", "local", source)):
        found = facts["settings"][name]
        assert (found["value"], found["source"]) == (value, where)
    assert facts["workspace"]["target"] == "prod"
    assert facts["workspace"]["protected"] is True
    assert facts["workspace"]["why"].startswith("target 'prod', profile 'local'")


def test_a_databricks_yml_says_host_target_and_folder(shop, local_server, client):
    (shop / "pyproject.toml").write_text("")
    (shop / "databricks.yml").write_text(
        f"""
bundle:
  name: shop
workspace:
  host: {local_server.host}
targets:
  dev:
    default: true
  live:
    mode: production
    workspace:
      root_path: /Workspace/Users/${{workspace.current_user.userName}}/live/${{bundle.name}}
"""
    )
    done = type_command(shop, "doit", DATABRICKS_TOKEN=local_server.token)
    assert done.returncode == 0, done.stderr
    assert f"workspace {local_server.host}" in done.stderr
    assert "target 'dev', host of databricks.yml targets.dev.workspace" in done.stderr
    sent = f"{HOME}/.brickloop/shop/dev/notebooks/say"
    assert client.workspace.get_status(sent).path == sent
    refused = type_command(shop, "doit", "target=live", DATABRICKS_TOKEN=local_server.token)
    assert refused.returncode == 2
    assert "target 'live' is protected" in refused.stderr
    commit(shop)
    done = type_command(shop, "doit", "target=live", DATABRICKS_TOKEN=local_server.token)
    assert done.returncode == 0, done.stderr
    assert client.workspace.get_status(f"{HOME}/live/shop/say").path
    elsewhere = type_command(
        shop, "doit", "target=live", DATABRICKS_HOST="https://x.example.com", DATABRICKS_TOKEN="t"
    )
    assert elsewhere.returncode == 2
    assert "credentials with it are for https://x.example.com" in elsewhere.stderr


def test_the_state_of_one_target_is_not_taken_for_another(shop):
    assert type_command(shop, "doit").returncode == 0
    kept = type_command(shop, "invoke", "state.export", "--file", "state.json")
    assert kept.returncode == 0, kept.stderr
    words = ["invoke", "state.import", "--file", "state.json"]
    refused = type_command(shop, *words, "--target", "prod")
    assert refused.returncode == 2
    assert "it is the state of target 'dev', and target 'prod' is meant" in refused.stderr
    assert type_command(shop, *words).returncode == 0


def test_parameters_of_a_notebook_that_is_none_are_refused(shop):
    with (shop / "pyproject.toml").open("a") as file:
        file.write("[tool.brickloop.targets.dev.parameters.sya]\nmonth = 3\n")
    refused = type_command(shop, "doit")
    assert refused.returncode == 2
    assert "gives parameters of 'sya', which is no notebook here" in refused.stderr
