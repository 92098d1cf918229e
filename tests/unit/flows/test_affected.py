"""What a save affects: by content, by what is reached, and by who reads what is written."""

from __future__ import annotations

import os

import pytest

from brickloop.errors import UsageError
from brickloop.flows.affected import Choice
from brickloop.sync.ledger import Ledger

HEADER = "# Databricks notebook source\n"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "project"
    (root / "sub").mkdir(parents=True)
    (root / "tasks.py").write_text("")
    (root / "rules.py").write_text("LIMIT = 1\n")
    (root / "c_load.py").write_text(HEADER + 'spark.range(3).write.saveAsTable("s.raw")\n')
    (root / "a_report.py").write_text(
        HEADER + 'from rules import LIMIT\nspark.table("s.raw").show()\n'
    )
    (root / "sub" / "other.sql").write_text("-- Databricks notebook source\nSELECT 1\n")
    return root


@pytest.fixture
def ledger(tmp_path):
    found = Ledger(tmp_path / "ledger.db")
    yield found
    found.close()


def names(paths):
    return [path.name for path in paths]


def changed(before, after):
    return [path for path, value in after.prints.items() if before.prints.get(path) != value]


def test_a_folder_s_notebooks_stand_behind_what_they_read(folder, ledger):
    look = Choice([folder]).look(ledger)
    assert names(look.prints) == ["c_load.py", "a_report.py", "other.sql"]
    assert names(look.affected([folder / "c_load.py"])) == ["c_load.py", "a_report.py"]
    assert names(look.affected([folder / "a_report.py"])) == ["a_report.py"]


def test_only_what_a_glob_chooses_is_affected(folder, ledger):
    look = Choice([str(folder / "**" / "*.sql")]).look(ledger)
    assert names(look.prints) == ["other.sql"]
    look = Choice([str(folder / "*.py")]).look(ledger)
    assert names(look.prints) == ["c_load.py", "a_report.py"]


def test_a_module_affects_who_imports_it_and_a_touch_affects_nothing(folder, ledger):
    choice = Choice([folder])
    before = choice.look(ledger)
    os.utime(folder / "rules.py", (1, 1))
    os.utime(folder / "c_load.py", (1, 1))
    assert changed(before, choice.look(ledger)) == []
    (folder / "rules.py").write_text("LIMIT = 2\n")
    assert names(changed(before, choice.look(ledger))) == ["a_report.py"]


def test_a_named_notebook_is_seen_whatever_else_is_broken(folder, ledger):
    (folder / "broken.ipynb").write_text("{")
    look = Choice([folder / "a_report.py"]).look(ledger)
    assert names(look.prints) == ["a_report.py"] and not look.errors
    look = Choice([folder]).look(ledger)
    assert sorted(names(look.prints)) == ["a_report.py", "c_load.py", "other.sql"]
    assert len(look.errors) == 1 and "broken.ipynb" in str(look.errors[0])


def test_two_named_notebooks_know_of_each_other(folder, ledger):
    look = Choice([folder / "a_report.py", folder / "c_load.py"]).look(ledger)
    assert names(look.prints) == ["c_load.py", "a_report.py"]
    assert names(look.affected([folder / "c_load.py"])) == ["c_load.py", "a_report.py"]


def test_a_file_that_is_empty_or_away_is_one_being_written(folder, ledger):
    choice = Choice([folder / "a_report.py"])
    (folder / "a_report.py").write_text("")
    assert choice.look(ledger).prints == {}
    (folder / "a_report.py").unlink()
    assert choice.look(ledger).prints == {}
    (folder / "a_report.py").write_text(HEADER + "1\n")
    assert names(choice.look(ledger).prints) == ["a_report.py"]


def test_what_is_watched_holds_all_that_is_reached(folder, ledger):
    (folder / "sub" / "inner.py").write_text(HEADER + "# MAGIC %run ../c_load\n")
    assert Choice([folder / "sub" / "inner.py"]).folder(ledger) == folder
    assert Choice([folder / "sub" / "other.sql"]).folder(ledger) == folder / "sub"
    assert Choice([str(folder / "*" / "*.py")]).folder(ledger) == folder


@pytest.mark.parametrize("pattern", ["missing.py", "missing/*.py"])
def test_what_is_not_there_is_said(folder, pattern, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match="there is no such"):
        Choice([pattern])
    with pytest.raises(UsageError, match="no notebook"):
        Choice([])
