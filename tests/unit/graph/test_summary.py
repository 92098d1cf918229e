"""What came of a use of doit, and how it is told to people, programs and CI systems."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from brickloop.graph import ci
from brickloop.graph.failure import failing_line
from brickloop.graph.reports import (
    as_code_quality,
    as_json,
    as_junit,
    as_lines,
    as_markdown,
    as_metrics,
)
from brickloop.graph.summary import NotebookOutcome, State, Summary, critical_path

EVIL = 'bad|<b>\x1b[31m"\n::error::x]; `*_'
SUMMARY = Summary(
    (
        NotebookOutcome("load", State.SUCCEEDED, 2.0, file="nb/load.py"),
        NotebookOutcome("clean", State.FAILED, 1.0, EVIL, "nb/clean.py", 7),
        NotebookOutcome("report", State.SKIPPED, 0.0, "needs clean", "nb/report.py"),
        NotebookOutcome("idle", State.UP_TO_DATE),
    ),
    seconds=3.5,
    critical_path=("load", "clean"),
    left_out=2,
)


def test_the_critical_path_is_the_longest_chain():
    upstream = {"a": (), "b": (), "c": ("a", "b"), "d": ("c",), "e": ("b",)}
    assert critical_path({"a": 1, "b": 3, "c": 1, "d": 1, "e": 1.5}, upstream) == ("b", "c", "d")
    assert critical_path({"a": 9, "d": 1}, upstream) == ("a",)
    assert critical_path({}, upstream) == ()


def test_lines_for_the_terminal_say_states_times_and_reasons():
    lines = as_lines(SUMMARY)
    assert lines[0] == "1 succeeded, 1 failed, 1 skipped, 3 up to date in 3.5 s"
    assert lines[1].split() == ["succeeded", "load", "2.0", "s"]
    assert lines[3].split() == ["skipped", "report", "needs", "clean"]
    assert lines[-1] == "critical path 3.0 s: load > clean"
    assert "\x1b" not in "".join(lines)
    assert len(lines) == 5
    assert as_lines(Summary(SUMMARY.outcomes[:1], 1.0)) == []


def test_of_very_many_those_are_told_that_failed_or_took_longest():
    outcomes = [NotebookOutcome(f"n{number}", State.NOT_REACHED) for number in range(9_000)]
    outcomes[4_000] = NotebookOutcome("broken", State.FAILED, 1.0, "it failed")
    outcomes[5_000] = NotebookOutcome("long", State.SUCCEEDED, 9.0)
    lines = as_lines(Summary(tuple(outcomes), 10.0))
    assert len(lines) == 52
    told = [line.split()[1] for line in lines[1:] if line.split()[0] in {"failed", "succeeded"}]
    assert told == ["broken", "long"]
    assert lines[-1] == "  and 8,950 more"


def test_junit_can_be_read_and_holds_no_control_characters():
    suite = ElementTree.fromstring(as_junit(SUMMARY))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "2")
    failed = suite.find("testcase[@name='clean']")
    assert failed is not None
    assert (failed.get("file"), failed.get("line"), failed.get("time")) == (
        "nb/clean.py",
        "7",
        "1.000",
    )
    assert failed.find("failure") is not None
    assert "\x1b" not in as_junit(SUMMARY)


def test_json_holds_everything():
    found = json.loads(as_json(SUMMARY))
    assert found["counts"]["up to date"] == 3
    assert found["notebooks"][1]["line"] == 7
    assert found["critical_path"] == ["load", "clean"]


def test_markdown_cannot_be_broken_by_a_message():
    text = as_markdown(SUMMARY)
    row = next(line for line in text.splitlines() if "clean" in line and "failed" in line)
    assert row.count("|") == 6
    assert "<b>" not in text
    assert "| 💤 " not in text


def test_github_gets_annotations_and_a_summary(tmp_path):
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(page)}
    lines = ci.annotate(SUMMARY, environment)
    assert len(lines) == 1
    assert lines[0].startswith("::error file=nb/clean.py,line=7,title=clean::bad|<b>")
    assert "\n" not in lines[0]
    assert ci.write_step_summary(SUMMARY, tmp_path, environment) is None
    assert page.read_text().startswith("before\n### Notebooks")


def test_azure_devops_gets_logging_commands(tmp_path):
    environment = {"TF_BUILD": "True"}
    (line,) = ci.annotate(SUMMARY, environment)
    assert line.startswith("##vso[task.logissue type=error;sourcepath=nb/clean.py;linenumber=7]")
    assert line.count("]") == 1
    told = ci.write_step_summary(SUMMARY, tmp_path, environment)
    assert told is not None
    path = Path(told.removeprefix("##vso[task.uploadsummary]"))
    assert "### Notebooks" in path.read_text(encoding="utf-8")


def test_gitlab_gets_reports_and_sections():
    (found,) = json.loads(as_code_quality(SUMMARY))
    assert found["location"] == {"path": "nb/clean.py", "lines": {"begin": 7}}
    assert found["severity"] == "critical"
    assert found["description"].startswith("clean: bad|<b>")
    assert "\x1b" not in as_code_quality(SUMMARY)
    moved = Summary((replace(SUMMARY.outcomes[1], line=9),), 1.0)
    assert json.loads(as_code_quality(moved))[0]["fingerprint"] == found["fingerprint"]
    assert json.loads(as_code_quality(Summary(SUMMARY.outcomes[:1], 1.0))) == []

    metrics = as_metrics(SUMMARY).splitlines()
    assert 'brickloop_notebooks{state="up to date"} 3' in metrics
    assert 'brickloop_notebook_seconds{notebook="clean"} 1.000' in metrics
    assert metrics[-1] == "# EOF"

    sections = ci.LogSections({"GITLAB_CI": "true"}, one_by_one=True)
    begun, next_one, ended = sections.begin("load\n\x1b[31m"), sections.begin("b"), sections.end()
    form = "\x1b\\[0Ksection_{}:\\d+:notebook_{}\r\x1b\\[0K"
    assert re.fullmatch(form.format("start", 1) + "load.*\n", begun)
    assert begun.count("\x1b") == 2, "a name brings no control characters along"
    assert re.fullmatch(form.format("end", 1) + "\n" + form.format("start", 2) + "b\n", next_one)
    assert re.fullmatch(form.format("end", 2) + "\n", ended)
    assert sections.end() == ""
    for environment, one_by_one in (({}, True), ({"GITLAB_CI": "true"}, False)):
        assert ci.LogSections(environment, one_by_one=one_by_one).begin("x") == ""


def test_outside_of_ci_nothing_is_written(tmp_path):
    assert ci.annotate(SUMMARY, {}) == []
    assert ci.write_step_summary(SUMMARY, tmp_path, {}) is None
    assert ci.write_files(SUMMARY, tmp_path, {}) == []
    assert list(tmp_path.iterdir()) == []


def test_files_are_written_where_they_are_asked_for(tmp_path):
    asked = {
        "BRICKLOOP_JUNIT": "out/j.xml",
        "BRICKLOOP_SUMMARY": "s.json",
        "BRICKLOOP_CODE_QUALITY": "gl-code-quality.json",
        "BRICKLOOP_METRICS": "metrics.txt",
    }
    written = ci.write_files(SUMMARY, tmp_path, asked)
    assert written == [tmp_path / name for name in asked.values()]
    assert ElementTree.parse(tmp_path / "out/j.xml").getroot().tag == "testsuite"
    assert json.loads((tmp_path / "s.json").read_text())["version"] == 1


def test_a_summary_over_the_limit_is_cut_and_says_so(tmp_path):
    page = tmp_path / "summary.md"
    many = tuple(
        NotebookOutcome(f"n{number}", State.FAILED, 1.0, "x" * 500) for number in range(3000)
    )
    ci.write_step_summary(Summary(many, 1.0), tmp_path, {"GITHUB_STEP_SUMMARY": str(page)})
    assert page.stat().st_size < 1024 * 1024
    assert "left out" in page.read_text()[-100:]


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        ('File "/Workspace/x/nb cell 2", line 3, in <module>', 8),
        ('File "nb cell 1", line 1, in f\nFile "nb cell 2", line 1', 6),
        ("no frame", 6),
    ],
)
def test_the_failing_line_is_that_of_the_file(tmp_path, trace, line):
    notebook = tmp_path / "nb.py"
    notebook.write_text(
        "# Databricks notebook source\nx = 1\n\n# COMMAND ----------\n\ny = 2\n\nx / 0\n"
    )
    saved = tmp_path / "nb.json"
    cells = [{"index": 0, "outputs": []}, {"index": 1, "outputs": [{"trace": trace}]}]
    saved.write_text(json.dumps({"cells": cells}))
    assert failing_line(notebook, saved) == line
    assert failing_line(notebook, tmp_path / "nosuch.json") == 0
    assert failing_line(tmp_path / "nosuch.py", saved) == 0
