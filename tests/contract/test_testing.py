"""`brickloop.testing` on a real local workspace, and its fixtures in a user's own pytest."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from tests.acceptance.conftest import write_notebook

from brickloop.errors import StatementFailed, UsageError
from brickloop.testing import LocalWorkspace, assert_table, rows, section


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with three notebooks that hang together, one of which fails when it is told to."""
    root = tmp_path_factory.mktemp("user project")
    (root / "pyproject.toml").write_text("[tool.brickloop]\nfolder = 'not a folder'\n")
    (root / "notebooks").mkdir()
    (root / "notebooks" / "shared.py").write_text("FACTOR = 10\n")
    write_notebook(
        root / "notebooks" / "b_load.py",
        'spark.sql("CREATE SCHEMA IF NOT EXISTS shop")\nfrom shared import FACTOR',
        'spark.range(4).selectExpr("id", f"id * {FACTOR} AS price")'
        '.write.mode("overwrite").saveAsTable("shop.items")',
    )
    write_notebook(
        root / "notebooks" / "a_sum.py",
        "from brickloop import NotebookOutput\n"
        'dbutils.widgets.text("least", "0")\nleast = int(dbutils.widgets.get("least"))\n'
        'assert least < 100, "far too much"',
        'found = spark.table("shop.items").where(f"price >= {least}")'
        '.selectExpr("sum(price) AS total")\n'
        'NotebookOutput().add_dataframe("Total", found)\n'
        'dbutils.notebook.exit(str(found.first()["total"]))',
    )
    return root


@pytest.fixture(scope="module")
def workspace(project):
    with LocalWorkspace(project) as found:
        yield found


@pytest.fixture(scope="module")
def results(workspace):
    return workspace.run_folder("notebooks")


def test_a_folder_runs_in_the_order_of_its_tables(results):
    assert list(results) == ["b_load", "a_sum"]
    assert all(result.success for result in results.values())
    assert [cell.state for cell in results["a_sum"].cells] == ["finished", "finished"]


def test_a_notebook_takes_parameters_and_gives_what_came_out(workspace, results):
    result = workspace.run_notebook("notebooks/a_sum.py", {"least": 15})
    assert (result.success, result.exit_value) == (True, "50")
    assert_table(section(result, "Total"), [{"total": 50}])
    # the same again is run again: a test is no cache
    assert workspace.run_notebook("notebooks/a_sum.py", {"least": 15}).run_id != result.run_id


def test_a_run_that_fails_is_a_result_and_a_folder_that_fails_an_assertion(workspace, results):
    result = workspace.run_notebook("notebooks/a_sum.py", {"least": 100})
    assert not result.success
    assert "far too much" in result.error
    with pytest.raises(AssertionError, match=r"a_sum\.py failed: (.|\n)*far too much"):
        workspace.run_folder("notebooks", {"least": 100})


def test_warehouse_spark_and_client_see_the_same_tables(workspace, results):
    expected = [{"id": number, "price": number * 10} for number in range(4)]
    assert_table(workspace.query("SELECT * FROM shop.items"), expected)
    assert_table(workspace.spark.table("shop.items"), expected)
    workspace.spark.createDataFrame([(9, 1)], "id BIGINT, price BIGINT").write.saveAsTable(
        "shop.more"
    )
    assert rows(workspace.query("SELECT price FROM shop.more WHERE id = :id", {"id": 9})) == [
        {"price": 1}
    ]
    me = workspace.client.current_user.me().user_name
    sent = workspace.client.workspace.list(f"/Users/{me}/.brickloop/notebooks")
    assert {one.path.rpartition("/")[2] for one in sent} == {"a_sum", "b_load", "shared.py"}
    assert workspace.client.config.host == workspace.environment["DATABRICKS_HOST"]


def test_what_is_wrong_is_an_error_of_brickloop(workspace):
    with pytest.raises(UsageError, match="there is no such file or folder"):
        workspace.run_notebook("notebooks/nothing.py")
    with pytest.raises(StatementFailed):
        workspace.query("SELECT * FROM shop.nothing")


def test_nothing_is_left_beside_the_project(project, results):
    assert sorted(path.name for path in project.iterdir()) == ["notebooks", "pyproject.toml"]


def test_the_fixtures_in_a_users_pytest_reach_no_real_workspace(project):
    """A real workspace is configured in every way that there is, and is never asked."""
    tests = project / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text('pytest_plugins = ["brickloop.testing"]\n')
    (tests / "test_shop.py").write_text(
        textwrap.dedent("""
            from brickloop.testing import assert_table


            def test_shop(run_folder, run_notebook, query, spark, workspace):
                assert list(run_folder("notebooks", least=5)) == ["b_load", "a_sum"]
                assert run_notebook("notebooks/a_sum.py", least=30).exit_value == "30"
                assert_table(query("SELECT count(*) AS n FROM shop.items"), [{"n": 4}])
                assert spark.table("shop.items").count() == 4
                assert workspace.host.startswith("http://127.0.0.1:")
            """)
    )
    config = project / "real.cfg"
    config.write_text("[DEFAULT]\nhost = https://real.invalid\ntoken = dapi0\n")
    real = {
        "DATABRICKS_HOST": "https://real.invalid",
        "DATABRICKS_TOKEN": "dapi0",
        "DATABRICKS_CONFIG_FILE": str(config),
        "DATABRICKS_CONFIG_PROFILE": "DEFAULT",
        "BRICKLOOP_PROFILE": "DEFAULT",
        "BRICKLOOP_WAREHOUSE": "nothing",
        "BRICKLOOP_TARGET": "nothing",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={**os.environ, **real},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_workspace_that_nobody_closes_goes_when_python_ends(tmp_path):
    script = "from brickloop.testing import LocalWorkspace\nprint(LocalWorkspace().server.pid)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("brickloop-test-*"))
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)
