"""invoke's commands as a person types them."""

from __future__ import annotations

import json
import shlex

import pytest
from tests.acceptance.conftest import type_command, write_notebook


def test_local_start_env_status_stop_reset(project):
    started = type_command(project, "invoke", "local.start")
    assert started.returncode == 0, started.stderr
    status = json.loads(type_command(project, "invoke", "local.status", "--json").stdout)
    assert status["running"] is True
    lines = type_command(project, "invoke", "local.env").stdout.splitlines()
    env = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    assert env["DATABRICKS_HOST"] == status["host"]
    assert set(env) == {"DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_HTTP_PATH"}

    # any stock client gets in with these lines, and nobody without the token
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors import PermissionDenied

    client = WorkspaceClient(host=env["DATABRICKS_HOST"], token=env["DATABRICKS_TOKEN"])
    assert client.current_user.me().user_name
    with pytest.raises(PermissionDenied):
        WorkspaceClient(host=env["DATABRICKS_HOST"], token="wrong").current_user.me()

    refused = type_command(project, "invoke", "local.reset")
    assert refused.returncode == 2
    assert "invoke local.reset --yes" in refused.stderr
    assert type_command(project, "invoke", "local.reset", "--yes").returncode == 0
    status = json.loads(type_command(project, "invoke", "local.status", "--json").stdout)
    assert status == {"running": False}
    assert "no local workspace runs" in type_command(project, "invoke", "local.stop").stderr


def test_run_shows_a_notebook_and_takes_parameters(project):
    write_notebook(
        project / "notebooks" / "hello.py", 'print("hello " + dbutils.widgets.get("name"))'
    )
    result = type_command(project, "invoke", "run", "notebooks/hello.py", "-p", "name=world")
    assert result.returncode == 0, result.stderr
    assert "hello world" in result.stdout
    failed = type_command(project, "invoke", "run", "notebooks/hello.py")
    assert failed.returncode == 1
    assert "No input widget named name" in failed.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing.py",), "there is no such file"),
        (("tests.txt",), "is no notebook"),
        (("notebooks/c_alone.py", "--parameters", "{bad"), "--parameters is not JSON"),
        (("notebooks/c_alone.py", "--parameters", "[1]"), "no JSON object"),
        (("notebooks/c_alone.py", "-p", "name"), "'name' is no parameter"),
        (("notebooks/c_alone.py", "--profile", "nope"), "there is no profile 'nope'"),
    ],
)
def test_bad_input_of_run_is_named(project, words, said):
    (project / "tests.txt").write_text("text")
    result = type_command(project, "invoke", "run", *words)
    assert result.returncode == 2, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_doctor_says_what_holds_and_why(project):
    result = type_command(
        project, "invoke", "doctor", "--offline", "--json", BRICKLOOP_COMPUTE="cluster:x"
    )
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["workspace"]["why"] == "no workspace is configured"
    compute = facts["settings"]["compute"]
    assert (compute["value"], compute["source"]) == ("cluster:x", "BRICKLOOP_COMPUTE")
    shown = type_command(project, "invoke", "doctor", "--offline").stdout
    assert "> the local workspace" in shown
    (project / "pyproject.toml").write_text("[tool.brickloop")
    broken = type_command(project, "invoke", "doctor", "--offline")
    assert broken.returncode == 2
    assert "is no valid TOML" in broken.stdout
    assert broken.stderr == ""


def test_a_proxy_does_not_stand_between_commands_and_the_local_workspace(project):
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    result = type_command(
        project, "invoke", "query", "SELECT 41 + 1 AS n", "--format", "csv", **proxies
    )
    assert result.stdout.split() == ["n", "42"], result.stderr
    result = type_command(project, "invoke", "runs", "--json", NO_PROXY="x.com", **proxies)
    assert result.stdout == "[]\n", result.stderr


def test_version_names_brickloop_python_and_the_engine(project):
    import brickloop

    result = type_command(project, "invoke", "version", "--json")
    facts = json.loads(result.stdout)
    assert facts["brickloop"] == brickloop.__version__
    assert facts["python"].startswith("3.")
    assert facts["pysail"]
    shown = type_command(project, "invoke", "version").stdout
    assert shown.splitlines()[0].split() == ["brickloop", brickloop.__version__]


def test_listing_commands_imports_none_of_the_heavy_libraries(project):
    import subprocess
    import sys

    script = (
        "import sys\nfrom brickloop.tasks import namespace\nnamespace()\n"
        "heavy = {'databricks.sdk', 'pandas', 'pyarrow', 'pyspark', 'sqlglot', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert result.stdout == "[]\n"
