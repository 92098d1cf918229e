"""A workspace folder becomes a project that runs, and nothing that is there is overwritten."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
from databricks.sdk.service.workspace import ImportFormat, Language

from brickloop.config.settings import load_settings

from .conftest import type_command

HOME = "/Users/local@brickloop.test"
LOAD = """# Databricks notebook source
# MAGIC %run ./shared/setup

# COMMAND ----------

spark.range(4).createOrReplaceTempView("numbers")
print("four times", FACTOR)
"""
SETUP = "# Databricks notebook source\nFACTOR = 10\n"
COUNT = "-- Databricks notebook source\nSELECT 40 + 2 AS answer\n"
IPYNB = {
    "cells": [
        {
            "cell_type": "code",
            "source": ["print(6 * 7)"],
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
    ],
    "metadata": {"language_info": {"name": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture
def adopted(client, remote_folder, tmp_path, local_server, monkeypatch):
    """A workspace folder with notebooks of several kinds, and a folder to stand in."""
    folder = remote_folder.removeprefix("/Workspace")
    client.workspace.mkdirs(f"{folder}/shared")
    client.workspace.mkdirs(f"{folder}/empty")

    def put(path, text, language=None, form=ImportFormat.SOURCE):
        content = base64.b64encode(text.encode()).decode()
        client.workspace.import_(
            f"{folder}/{path}", content=content, language=language, format=form
        )

    put("01 load", LOAD, Language.PYTHON)
    put("shared/setup", SETUP, Language.PYTHON)
    put("02_count", COUNT, Language.SQL)
    put("03_notebook", json.dumps(IPYNB), form=ImportFormat.JUPYTER)
    put("rules.py", "LIMIT = 3\n", form=ImportFormat.AUTO)
    put("data.csv", "a,b\n1,2\n", form=ImportFormat.AUTO)
    (tmp_path / "tasks.py").write_text(
        "from brickloop.tasks import namespace\n\nns = namespace()\n"
    )
    monkeypatch.setenv("DATABRICKS_HOST", local_server.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", local_server.token)
    return folder


PULLED = [
    "01 load.py",
    "02_count.sql",
    "03_notebook.ipynb",
    "data.csv",
    "rules.py",
    "shared/setup.py",
]


def files_in(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_an_adopted_folder_runs_and_is_not_written_to(adopted, tmp_path, client, local_server):
    before = {
        found.path: found.modified_at for found in client.workspace.list(adopted, recursive=True)
    }
    done = type_command(tmp_path, "invoke", "adopt", adopted, "etl")
    assert done.returncode == 0, done.stderr
    assert "pulled 6 from" in done.stderr
    assert "next: cd" in done.stderr
    project = tmp_path / "etl"
    assert files_in(project / "notebooks") == PULLED
    assert (project / "notebooks" / "01 load.py").read_text().rstrip() == LOAD.rstrip()
    settings = load_settings(project, {})
    assert settings.target.name == "dev"
    assert settings.text("host") == local_server.host
    assert settings.text("folder") is None
    assert settings.targets["prod"].values["folder"].value == f"/Workspace{adopted}"
    assert settings.targets["prod"].is_protected
    listed = type_command(project, "doit", "list", "--all")
    assert "run:02_count" in listed.stdout, listed.stderr
    ran = type_command(project, "doit")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for said in ("four times 10", "42"):
        assert said in ran.stdout
    again = type_command(project, "doit")
    assert "3 notebooks are up to date" in again.stdout
    own = client.workspace.get_status(f"{HOME}/.brickloop/etl/dev/notebooks/02_count")
    assert own.path
    after = {
        found.path: found.modified_at for found in client.workspace.list(adopted, recursive=True)
    }
    assert after == before
    status = type_command(project, "invoke", "sync.pull", "--json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["pairs"][0]["unchanged"] == 6
    refused = type_command(project, "invoke", "sync.push")
    assert refused.returncode == 2
    assert "its direction is pull" in refused.stderr


def test_a_dry_run_says_what_it_would_do_and_does_nothing(adopted, tmp_path):
    done = type_command(tmp_path, "invoke", "adopt", adopted, "etl", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["pulled"] == ["01 load", "02_count", "03_notebook", "data.csv", "rules.py",
                               "shared/setup"]  # fmt: skip
    assert {"dodo.py", "tasks.py", "pyproject.toml", ".databricks_sync.json", ".gitignore"} <= set(
        found["written"]
    )
    assert not (tmp_path / "etl").exists()
    spoken = type_command(tmp_path, "invoke", "adopt", adopted, "etl", "--dry-run")
    assert "would be" in spoken.stdout
    assert "nothing was done" in spoken.stderr


def test_what_is_there_is_kept_and_listed(adopted, tmp_path):
    project = tmp_path / "etl"
    (project / "notebooks").mkdir(parents=True)
    (project / "dodo.py").write_text("# mine\n")
    mine = "LIMIT = 4\n"
    (project / "notebooks" / "02_count.sql").write_text(COUNT)
    (project / "notebooks" / "rules.py").write_text(mine)
    done = type_command(tmp_path, "invoke", "adopt", adopted, "etl")
    assert done.returncode == 1, done.stdout
    assert "1 local file differs from the workspace's, and stayed" in done.stderr
    assert "✗ rules.py  in conflict" in done.stdout
    assert (project / "dodo.py").read_text() == "# mine\n"
    assert "· dodo.py  was there, and stays as it is" in done.stdout
    assert (project / "notebooks" / "rules.py").read_text() == mine
    assert (project / "notebooks" / "01 load.py").is_file()
    assert (project / "tasks.py").is_file()


def test_the_local_workspace_of_the_project_can_be_adopted_from(project):
    sent = type_command(project, "invoke", "run", "notebooks/c_alone.py")
    assert sent.returncode == 0, sent.stderr
    source = f"{HOME}/.brickloop/notebooks"
    done = type_command(project, "invoke", "adopt", source, "taken")
    assert done.returncode == 0, done.stderr
    taken = project / "taken"
    assert files_in(taken / "notebooks") == ["c_alone.py", "shared.py"]
    try:
        ran = type_command(taken, "doit")
        assert ran.returncode == 0, ran.stderr
        assert "11" in ran.stdout
    finally:
        type_command(taken, "invoke", "local.stop")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "adopt takes a workspace folder"),
        (["a", "b", "c"], "adopt takes a workspace folder"),
        (["{folder}/none"], "there is no such folder in the workspace"),
        (["{folder}/02_count"], "is no folder but a notebook"),
        (["{folder}/empty"], "the folder is empty"),
        (["relative"], "is not absolute"),
        (["/Workspace", "x"], "the whole workspace"),
        (["{folder}", "con"], "the folder's name is the project's"),
        (["{folder}", "x", "--direction", "up"], "--direction is 'up'"),
        (["{folder}", "tasks.py"], "tasks.py: there is a file of that name"),
        (["{folder}", "taken"], "notebooks: there is a file of that name"),
    ],
)
def test_wrong_words_are_said_and_nothing_is_written(adopted, tmp_path, words, said):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notebooks").touch()
    before = files_in(tmp_path)
    typed = [word.replace("{folder}", adopted) for word in words]
    done = type_command(tmp_path, "invoke", "adopt", *typed)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    left = [name for name in files_in(tmp_path) if not name.startswith(".brickloop")]
    assert left == before


def test_sync_and_prod_know_of_each_other_whatever_target_is_chosen(adopted, tmp_path):
    done = type_command(tmp_path, "invoke", "adopt", adopted, "etl", "--direction", "bidirectional")
    assert done.returncode == 0, done.stderr
    project = tmp_path / "etl"
    notebook = project / "notebooks" / "02_count.sql"
    git(project, "init", "-q")
    for number, words in enumerate(
        (
            ["sync.push", "--target", "prod"],
            ["dev.deploy", "notebooks/02_count.sql", "--target", "prod"],
            ["sync.push"],
            ["sync.push", "--target", "prod"],
        )
    ):
        notebook.write_text(COUNT.replace("40", str(number)))
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", "x")
        sent = type_command(project, "invoke", *words)
        assert sent.returncode == 0, (words, sent.stdout, sent.stderr)
        assert "conflict" not in sent.stdout
    pulled = type_command(project, "invoke", "sync.pull", "--json")
    assert json.loads(pulled.stdout)["pairs"][0]["unchanged"] == 6


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)
