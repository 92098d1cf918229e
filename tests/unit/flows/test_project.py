"""A project folder as a graph: what is found, and when a fingerprint changes."""

from __future__ import annotations

import pytest

from brickloop.flows.project import has_file, read_project
from brickloop.graph.fingerprint import Fingerprints
from brickloop.sync.ledger import Ledger

HEADER = "# Databricks notebook source\n"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "project"
    (root / "jobs").mkdir(parents=True)
    (root / "lib").mkdir()
    (root / "data").mkdir()
    (root / "lib" / "__init__.py").write_text("")
    (root / "lib" / "rules.py").write_text("import json\nLIMIT = 1\n")
    (root / "data" / "input.csv").write_text("a\n1\n")
    (root / "config.py").write_text(HEADER + "SCHEMA = 's'\n")
    (root / "jobs" / "load.py").write_text(
        HEADER
        + "# MAGIC %run ../config\n\n# COMMAND ----------\n\n"
        + 'frame = spark.read.csv(f"file:{folder}/../data/input.csv")\n'
        + 'frame.write.saveAsTable("main.s.raw")\n'
    )
    (root / "jobs" / "clean.sql").write_text(
        "-- Databricks notebook source\nUSE SCHEMA s;\n"
        "CREATE TABLE clean AS WITH x AS (SELECT * FROM raw) SELECT * FROM x\n"
    )
    (root / "report.py").write_text(
        HEADER + "from lib.rules import LIMIT\nspark.table('s.clean').show()\n"
    )
    (root / "notes.txt").write_text("not reached by anything")
    return root


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def prints(folder, ledger, parameters=None, compute="serverless", wheel="w"):
    project = read_project(folder, ledger)
    found = Fingerprints(project, parameters or {}, compute, wheel)
    return {name: found.of(name) for name in project.upstream}


def test_files_modules_included_notebooks_and_tables_are_found(folder, ledger):
    project = read_project(folder, ledger)
    assert project.upstream == {
        "jobs/clean": ("jobs/load",), "jobs/load": (), "report": ("jobs/clean",),
    }  # fmt: skip
    assert [notebook.name for notebook in project.notebooks] == [
        "jobs/load",
        "jobs/clean",
        "report",
    ]
    assert project.reaches["report"] == ("lib/__init__.py", "lib/rules.py")
    assert "config" in project.reaches["jobs/load"]


def test_equal_inputs_give_equal_fingerprints_anywhere(folder, ledger, tmp_path):
    import shutil

    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    other = Ledger(tmp_path / "other.db")
    assert prints(folder, ledger) == prints(copy, other)
    other.close()


@pytest.mark.parametrize(
    ("path", "old", "new", "changed"),
    [
        ("lib/rules.py", "LIMIT = 1", "LIMIT = 2", {"report"}),
        ("config.py", "'s'", "'t'", {"jobs/load", "jobs/clean", "report"}),
        ("jobs/clean.sql", "SELECT * FROM x", "SELECT 1 FROM x", {"jobs/clean", "report"}),
        ("notes.txt", "not", "never", set()),
        (
            "report.py",
            "from lib",
            "# MAGIC %md\n# MAGIC hi\n\n# COMMAND ----------\n\nfrom lib",
            set(),
        ),
    ],
)
def test_a_change_reaches_what_depends_on_it_and_nothing_else(
    folder, ledger, path, old, new, changed
):
    before = prints(folder, ledger)
    file = folder / path
    file.write_text(file.read_text().replace(old, new))
    after = prints(folder, ledger)
    assert {name for name in before if before[name] != after[name]} == changed


def test_parameters_compute_and_wheel_enter(folder, ledger):
    base = prints(folder, ledger)
    assert prints(folder, ledger, {"report": {"a": "1"}})["report"] != base["report"]
    assert prints(folder, ledger, compute="cluster:x")["report"] != base["report"]
    assert prints(folder, ledger, wheel="other")["report"] != base["report"]


def test_a_touch_changes_nothing_and_reads_nothing_again(folder, ledger):
    import os

    before = prints(folder, ledger)
    for path in folder.rglob("*"):
        os.utime(path)
    assert prints(folder, ledger) == before


def test_a_file_is_found_by_the_end_of_its_path_and_not_in_hidden_folders(tmp_path):
    for name in ("etl/daily/load.py", ".venv/lib/other.py", "outputs/say.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert has_file(tmp_path, "load")
    assert has_file(tmp_path, "daily/load")
    for name in ("oad", "other", "say", "../load", "/load", "*"):
        assert not has_file(tmp_path, name)
