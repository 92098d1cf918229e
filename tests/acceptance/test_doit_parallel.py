"""`doit -n` and `--continue`: what runs at once, what a failure stops, and what is told of it."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from tests.acceptance.conftest import type_command, write_notebook


def test_a_failure_stops_only_what_needs_it_and_ci_is_told(project):
    notebooks = project / "notebooks"
    write_notebook(notebooks / "c_alone.py", "x = 1", "x / 0")
    write_notebook(notebooks / "e_after.py", 'spark.table("shop.alone").show()')
    (notebooks / "c_alone.py").write_text(
        (notebooks / "c_alone.py").read_text() + 'spark.range(1).write.saveAsTable("shop.alone")\n'
    )
    summary = project / "step.md"
    done = type_command(
        project,
        "doit",
        "-n",
        "4",
        "--continue",
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(summary),
        BRICKLOOP_JUNIT="junit.xml",
        BRICKLOOP_SUMMARY="summary.json",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 succeeded, 1 failed, 1 skipped in" in done.stderr
    assert "needs c_alone" in done.stderr
    assert "critical path" in done.stderr
    assert "::error file=notebooks/c_alone.py,line=6,title=c_alone::" in done.stdout
    assert "c&#95;alone" in summary.read_text()
    suite = ElementTree.parse(project / "junit.xml").getroot()
    assert {case.get("name") for case in suite} == {
        "a_load", "b_sum", "c_alone", "d_count", "e_after",
    }  # fmt: skip
    states = {
        one["name"]: one["state"]
        for one in json.loads((project / "summary.json").read_text())["notebooks"]
    }
    assert states["e_after"] == "skipped"
    assert states["b_sum"] == "succeeded"


def test_output_of_notebooks_at_once_is_not_interleaved(project):
    notebooks = project / "notebooks"
    for path in notebooks.iterdir():
        path.unlink()
    names = [f"n{number}" for number in range(4)]
    for name in names:
        write_notebook(
            notebooks / f"{name}.py",
            "import time\nfrom brickloop import NotebookOutput\nout = NotebookOutput()",
            f"for number in range(5):\n    out.add_section(f'{name} {{number}}',"
            f" '\\n'.join(['{name}'] * 30))\n    time.sleep(0.05)",
        )
    done = type_command(project, "doit", "-n", "4")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for name in names:
        for number in range(5):
            at = next(index for index, line in enumerate(lines) if f"{name} {number}" in line)
            assert lines[at + 1 : at + 31] == [name] * 30


def test_reporters_write_files_for_programs(project):
    done = type_command(project, "doit", "-r", "junit", "-o", "report.xml", "run:c_alone")
    assert done.returncode == 0, done.stderr
    suite = ElementTree.parse(project / "report.xml").getroot()
    assert [case.get("name") for case in suite] == ["c_alone"]
    told = type_command(project, "doit", "-r", "summary", "-o", "s.json", "run:c_alone")
    assert told.returncode == 0
    assert json.loads((project / "s.json").read_text())["counts"]["up to date"] == 1
