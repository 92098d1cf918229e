"""The deploy job of a new project's CI file, step by step, on fresh checkouts of its repository."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml
from tests.acceptance.conftest import type_command
from tests.acceptance.test_doit import ran

# what the steps call; the environment of these tests is the one that it would make
UV = """#!/bin/sh
[ "$1" = sync ] && exit 0
shift
exec "$@"
"""


@pytest.fixture
def repository(tmp_path):
    """A new project under git, all of it committed."""
    name = f"shipped{uuid.uuid4().hex[:8]}"
    assert type_command(tmp_path, "brickloop", "new", name).returncode == 0
    folder = tmp_path / name
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        git(folder, *words)
    return folder


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.test"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def deploy(folder: Path, variables: dict[str, str]) -> list[subprocess.CompletedProcess[str]]:
    """What each step of the GitHub deploy job gave, run as the runner runs it."""
    workflow = yaml.safe_load((folder / ".github/workflows/brickloop.yml").read_text())
    programs = folder.parent / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return [
        subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=folder,
            env={**os.environ, **variables, "PATH": path, "GITHUB_ACTIONS": "true"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        for step in workflow["jobs"]["deploy"]["steps"]
        if "run" in step
    ]


def test_a_second_deploy_from_a_fresh_checkout_runs_only_what_changed(
    repository, tmp_path, local_server, client
):
    # the token stands for the identity that the job would sign in with
    there = {
        "DATABRICKS_HOST": local_server.host,
        "DATABRICKS_TOKEN": local_server.token,
        "BRICKLOOP_JUNIT": "outputs/notebooks.xml",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    checkouts = [tmp_path / "first" / repository.name, tmp_path / "second" / repository.name]
    for checkout in checkouts:
        checkout.parent.mkdir()
    git(tmp_path, "clone", "-q", str(repository), str(checkouts[0]))
    steps = deploy(checkouts[0], there)
    assert [step.returncode for step in steps] == [0, 0, 0, 0], [s.stderr for s in steps]
    _, taken, built, _ = steps
    assert "yet: doit runs everything" in taken.stderr
    assert "3 succeeded" in built.stderr
    assert (checkouts[0] / "outputs" / "prod" / "03_figures.html").is_file()
    assert 'name="01_load"' in (checkouts[0] / "outputs" / "notebooks.xml").read_text()
    assert "3 succeeded" in (tmp_path / "summary.md").read_text()
    schemas = type_command(
        checkouts[0], "invoke", "query", "SHOW SCHEMAS", "--format", "csv", **there
    )
    assert repository.name in schemas.stdout.splitlines()
    assert f"{repository.name}_dev" not in schemas.stdout, "prod has tables of its own"

    notebook = repository / "notebooks" / "03_figures.py"
    notebook.write_text(notebook.read_text().replace("Gentoos are the heavy ones", "Heavy Gentoos"))
    git(repository, "commit", "-q", "-a", "-m", "Shorten a title")
    git(tmp_path, "clone", "-q", str(repository), str(checkouts[1]))
    steps = deploy(checkouts[1], there)
    assert [step.returncode for step in steps] == [0, 0, 0, 0], [s.stderr for s in steps]
    assert "took over the state" in steps[1].stderr
    assert ran(steps[2].stderr) == ["03_figures"], steps[2].stderr


def test_what_is_not_committed_does_not_go_to_production(repository, local_server):
    notebook = repository / "notebooks" / "03_figures.py"
    notebook.write_text(notebook.read_text() + "\n# not committed\n")
    there = {"DATABRICKS_HOST": local_server.host, "DATABRICKS_TOKEN": local_server.token}
    refused = type_command(repository, "invoke", "build", "--target", "prod", **there)
    assert refused.returncode == 2, refused.stderr
    assert "03_figures.py" in refused.stderr and "--force" in refused.stderr
