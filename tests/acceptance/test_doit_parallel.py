"""`doit -n` and `--continue`: what runs at once, what a failure stops, and what is told of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

from tests.acceptance.conftest import type_command, write_notebook
from tests.conftest import VOLUME


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


def test_gitlab_folds_each_notebook_and_gets_its_reports(project):
    write_notebook(project / "notebooks" / "c_alone.py", "x = 1", "x / 0")
    done = type_command(
        project, "doit", "--continue", GITLAB_CI="true", CI="true",
        BRICKLOOP_CODE_QUALITY="gl-code-quality.json", BRICKLOOP_METRICS="metrics.txt",
    )  # fmt: skip
    assert done.returncode == 1
    # as text the carriage return is a line's end
    marks = re.findall(r"section_(start|end):\d+:(\w+)\n\x1b\[0K(\w*)", done.stdout)
    assert [kind for kind, _, _ in marks] == ["start", "end"] * 4
    assert {title for _, _, title in marks} == {"", "a_load", "b_sum", "c_alone", "d_count"}
    (found,) = json.loads((project / "gl-code-quality.json").read_text())
    assert found["location"] == {"path": "notebooks/c_alone.py", "lines": {"begin": 6}}
    assert 'state="failed"} 1' in (project / "metrics.txt").read_text()
    at_once = type_command(project, "doit", "-n", "2", "--continue", GITLAB_CI="true", CI="true")
    assert "section_" not in at_once.stdout, "sections must not overlap"


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


def interrupt_amid(project, *words, **variables):
    """What a command said that was interrupted while two notebooks ran, and its exit code."""
    for name in ("a_load.py", "b_sum.py", "d_count.sql", "shared.py", "c_alone.py"):
        (project / "notebooks" / name).unlink(missing_ok=True)
    for name in ("one", "two"):
        write_notebook(
            project / "notebooks" / f"{name}.py",
            "import os, time",
            f"print('{name}')",
            f"while not os.path.exists('{VOLUME}/go'):\n    time.sleep(0.05)",
        )
    program = Path(sys.executable).parent / words[0]
    process = subprocess.Popen(
        [program, *words[1:]],
        cwd=project,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # a shell in the background has its children ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    said = ""
    while said.count(": run ") < 2:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    said += process.stderr.read()
    process.stderr.close()
    return process.wait(60), said


def states(project):
    told = type_command(project, "invoke", "runs", "--json")
    return sorted(str(one.get("result") or one.get("state")) for one in json.loads(told.stdout))


def test_an_interrupt_cancels_every_run(project):
    code, said = interrupt_amid(project, "doit", "-n", "2")
    assert code == 130, said
    assert said.count("is being cancelled") == 2
    assert "Traceback" not in said
    # asked for is not yet done
    limit = time.monotonic() + 60
    while states(project) != ["CANCELED", "CANCELED"]:
        assert time.monotonic() < limit, states(project)


def test_an_interrupt_leaves_runs_that_are_detached(project):
    code, said = interrupt_amid(project, "invoke", "build", "--detach", "--jobs", "2")
    assert code == 130, said
    assert said.count("goes on; come back with: invoke output") == 2
    assert "Traceback" not in said
    told = json.loads(type_command(project, "invoke", "runs", "--json").stdout)
    assert len(told) == 2
    assert not any(one.get("result") for one in told)
    store = project / ".brickloop" / "local" / "store" / "volumes"
    (store / VOLUME.removeprefix("/Volumes/") / "go").touch()
    again = type_command(project, "doit", "-n", "2")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("taking up run") == 2
