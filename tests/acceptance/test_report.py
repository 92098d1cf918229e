"""`invoke report` as a person types it, after a `doit` against the real local workspace."""

from __future__ import annotations

import json

import pytest
from tests.acceptance.conftest import TASKS, type_command, write_notebook


def test_the_pages_of_a_doit(project):
    failing = "import os\nvalue = {}\nvalue['nothing']"
    write_notebook(project / "notebooks" / "c_alone.py", "print('before')", failing)
    assert type_command(project, "doit", "--continue").returncode != 0
    made = type_command(project, "invoke", "report")
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"{project / 'outputs' / 'index.html'}\n"
    assert "4 notebooks, 1 did not succeed" in made.stderr
    page = (project / "outputs" / "index.html").read_text()
    for name in ("a_load", "b_sum", "c_alone", "d_count"):
        assert f'href="{name}.html"' in page
    assert "KeyError: &#x27;nothing&#x27;" in page

    listed = json.loads(type_command(project, "invoke", "report", "--json").stdout)
    states = {each["notebook"]: each["state"] for each in listed}
    assert states == {
        "a_load": "SUCCESS", "b_sum": "SUCCESS", "c_alone": "FAILED", "d_count": "SUCCESS",
    }  # fmt: skip
    assert next(each for each in listed if each["notebook"] == "b_sum")["sections"] == 2

    # the JSON alone is enough
    for path in (project / "outputs").glob("*.*"):
        if path.suffix in {".html", ".txt"}:
            path.unlink()
    assert type_command(project, "invoke", "report").returncode == 0
    assert "Cell" in (project / "outputs" / "c_alone.html").read_text()
    assert 'data-n="3"' in (project / "outputs" / "c_alone.html").read_text()


@pytest.mark.parametrize("flags", [(), ("--json",), ("--open",)])
def test_without_outputs(tmp_path, flags):
    (tmp_path / "tasks.py").write_text(TASKS)
    said = type_command(tmp_path, "invoke", "report", *flags)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.splitlines() == [
        f"error: there are no outputs in {tmp_path / 'outputs'}",
        "  run the notebooks first: doit",
    ]
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != "") == ["tasks.py"]
    assert not (tmp_path / "outputs").exists()


def test_it_opens_in_the_browser(tmp_path):
    from tests.unit.report.samples import everything

    from brickloop.report.saved import save_outputs

    (tmp_path / "tasks.py").write_text(TASKS)
    save_outputs(everything(), tmp_path / "outputs", "n")
    opened = tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    program.chmod(0o755)
    made = type_command(tmp_path, "invoke", "report", "--open", BROWSER=f"{program} %s")
    assert made.returncode == 0, made.stderr
    assert opened.read_text().strip() == (tmp_path / "outputs" / "index.html").as_uri()
