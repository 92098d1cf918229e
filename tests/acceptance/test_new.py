"""`brickloop new` as a person types it: what it makes runs, and its tests pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.conftest import DODO, type_command

from brickloop.flows import scaffold

PROJECTS = [one.name for one in scaffold.project_templates()]
NOTEBOOKS = [
    f"{one.name}{suffix}" for one in scaffold.notebook_templates() for suffix in one.languages
]


@pytest.fixture
def there(local_server):
    """The variables that lead to the local workspace of these tests."""
    return {"DATABRICKS_HOST": local_server.host, "DATABRICKS_TOKEN": local_server.token}


@pytest.mark.parametrize("template", PROJECTS)
def test_a_project_runs_at_once_and_its_tests_pass(tmp_path, there, template):
    name = f"new_{template}"
    made = type_command(tmp_path, "brickloop", "new", name, "--template", template)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / name
    assert {line.removeprefix(f"{name}/") for line in made.stdout.splitlines()} == {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".brickloop" not in path.parts
    }
    unresolved = type_command(folder, "invoke", "graph", "--unresolved", **there)
    assert unresolved.stdout == "everything that notebooks name can be seen\n", unresolved
    done = type_command(folder, "doit", **there)
    assert done.returncode == 0, done.stdout + done.stderr
    saved = [json.loads(path.read_text()) for path in (folder / "outputs").glob("*.json")]
    assert len(saved) >= 3
    assert {one["run"]["result"] for one in saved} == {"SUCCESS"}
    kinds = {part["kind"] for one in saved for part in one["sections"]}
    assert {"figure", "table"} <= kinds, "there is something to see"
    again = type_command(folder, "doit", **there)
    assert again.stdout.startswith("nothing to do"), again.stdout
    tested = run_tests(folder)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """The project's own tests, run as its owner runs them; a warning fails them too."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_every_notebook_template_runs(tmp_path, there):
    for name in NOTEBOOKS:
        stem, _, suffix = name.rpartition(".")
        file = f"notebooks/{stem}_{suffix}.{suffix}"
        made = type_command(tmp_path, "brickloop", "new", file, "--template", stem)
        assert made.returncode == 0, made.stderr
    (tmp_path / "dodo.py").write_text(DODO)
    done = type_command(tmp_path, "doit", **there)
    assert done.returncode == 0, done.stdout + done.stderr
    saved = {p.stem: json.loads(p.read_text()) for p in (tmp_path / "outputs").glob("*.json")}
    assert set(saved) == {name.replace(".", "_") for name in NOTEBOOKS}
    for name, one in saved.items():
        seen = one["sections"] + [out for cell in one["cells"] for out in cell["outputs"]]
        assert any(part["kind"] in {"table", "query", "figure"} for part in seen), name


def test_a_dry_run_and_json_tell_what_would_be_written(tmp_path):
    would = type_command(
        tmp_path, "brickloop", "new", "sales", "--template", "analysis", "--dry-run", "--json"
    )
    assert would.returncode == 0, would.stderr
    told = json.loads(would.stdout)
    assert told["dry_run"] is True and not list(tmp_path.iterdir())
    made = json.loads(
        type_command(
            tmp_path, "brickloop", "new", "sales", "--template", "analysis", "--json"
        ).stdout
    )
    assert made["files"] == told["files"] and made["name"] == "sales"
    assert all((tmp_path / "sales" / file).is_file() for file in made["files"])


def test_the_templates_are_listed(tmp_path):
    shown = type_command(tmp_path, "brickloop", "new", "--list-templates")
    assert shown.returncode == 0, shown.stderr
    assert all(name in shown.stdout for name in (*PROJECTS, "output", "query"))
    listed = json.loads(
        type_command(tmp_path, "brickloop", "new", "--list-templates", "--json").stdout
    )
    assert {one["template"] for one in listed if one["kind"] == "project"} == set(PROJECTS)
    assert {suffix for one in listed for suffix in one["languages"]} == {".py", ".sql", ".ipynb"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "new needs a name"),
        (("a", "b"), "2 names were given"),
        (("full",), "the folder is not empty: notes.txt"),
        (("full/notes.txt",), "there is a file of that name"),
        (("bad$name",), "'bad$name' is no name for a project"),
        (("..",), "is no name for a project"),
        (("x", "--template", "nothing"), "there is no template 'nothing'"),
        (("x.py", "--template", "analysis"), "there is no notebook template 'analysis' in .py"),
        (("x.scala",), "there is no notebook template for '.scala'"),
        (("x", "--force"), "has no flag '--force'"),
    ],
)
def test_what_cannot_be_made_is_named_and_nothing_is_written(tmp_path, words, said):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    result = type_command(tmp_path, "brickloop", "new", *words)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["notes.txt"]
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


def test_brickloop_has_every_command_of_invoke_in_any_folder(tmp_path):
    listed = type_command(tmp_path, "brickloop", "--list")
    assert listed.returncode == 0, listed.stderr
    for name in ("new", "query", "sync.push", "local.start", "dev.watch"):
        assert f" {name} " in listed.stdout
    version = type_command(tmp_path, "brickloop", "--version")
    assert version.stdout.lower().startswith("brickloop 0."), version.stdout
    assert type_command(tmp_path, "brickloop", "nonsense").returncode == 2
    same = subprocess.run(
        [sys.executable, "-m", "brickloop", "--list"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert same.stdout == listed.stdout.replace(" brickloop ", " brickloop ")
