"""Projects and notebooks made from templates: what is written, and what never is."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.words import commands, fault

from brickloop.config.sync_file import parse_sync_file
from brickloop.errors import UsageError
from brickloop.flows import scaffold
from brickloop.flows.scaffold_names import project_name
from brickloop.model.notebook import parse_notebook

PROJECTS = [one.name for one in scaffold.project_templates()]
NOTEBOOKS = [
    (one.name, suffix) for one in scaffold.notebook_templates() for suffix in one.languages
]
NEEDED = {
    "dodo.py", "tasks.py", "pyproject.toml", ".databricks_sync.json", ".gitignore", "README.md",
    "AGENTS.md", ".cursor/rules/brickloop.mdc", ".vscode/settings.json", ".vscode/extensions.json",
    ".vscode/tasks.json", ".github/workflows/brickloop.yml", "azure-pipelines.yml",
    ".gitlab-ci.yml", "tests/conftest.py",
}  # fmt: skip


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file's content, but for what brickloop keeps for itself."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".brickloop" not in path.parts
    }


@pytest.mark.parametrize("template", PROJECTS)
def test_a_project_is_whole_and_bears_its_name(tmp_path, template):
    made = scaffold.write_project(tmp_path / "Sales 2024", template, "Sales 2024")
    files = snapshot(tmp_path / "Sales 2024")
    assert set(made.files) == set(files)
    assert set(files) >= NEEDED
    for relative, data in files.items():
        assert b"my_project" not in data and b"my-project" not in data, relative
        assert b"My project" not in data and b"\r" not in data, relative
        assert data.endswith(b"\n") and "my_project" not in relative
    settings = scaffold.tomllib.loads(files["pyproject.toml"].decode())
    assert settings["project"]["name"] == "sales-2024"
    sync = parse_sync_file(tmp_path / ".databricks_sync.json", files[".databricks_sync.json"])
    schema = tmp_path / "Sales 2024" / json.loads(files[".databricks_sync.json"])["$schema"]
    assert json.loads(schema.read_text())["title"] == ".databricks_sync.json"
    assert [(pair.local, pair.workspace) for pair in sync.pairs] == [("notebooks", "~/sales_2024")]
    for relative in (".vscode/settings.json", ".vscode/extensions.json", ".vscode/tasks.json"):
        assert json.loads(files[relative])
    for relative in ("AGENTS.md", ".cursor/rules/brickloop.mdc"):
        assert 15 < files[relative].count(b"\n") < 60
    assert "notebooks/setup.py" in files


@pytest.mark.parametrize(("template", "suffix"), NOTEBOOKS)
def test_a_notebook_is_one(tmp_path, template, suffix):
    path = tmp_path / "deep" / f"04_my sales{suffix}"
    made = scaffold.write_notebook(path, template)
    assert (made.template, made.files) == (template, (path.name,))
    notebook = parse_notebook(path.read_bytes(), suffix, where=str(path))
    assert len(notebook.cells) >= 3
    assert "04 my sales" in path.read_text(), "the title is the notebook's own"


def test_the_first_template_of_a_language_is_the_default(tmp_path):
    assert scaffold.write_notebook(tmp_path / "a.py").template == "output"
    assert scaffold.write_notebook(tmp_path / "b.sql").template == "query"


def test_every_purpose_and_every_language_has_a_notebook():
    assert {suffix for _, suffix in NOTEBOOKS} == set(scaffold.NOTEBOOK_SUFFIXES)
    assert all(one.languages for one in scaffold.notebook_templates())


def test_a_folder_with_files_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"not empty: notes\.txt") as raised:
        scaffold.write_project(tmp_path, "analysis", "sales")
    assert raised.value.hint
    assert snapshot(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_of_the_name_is_left_alone(tmp_path):
    (tmp_path / "sales").write_text("mine")
    with pytest.raises(UsageError, match="there is a file of that name"):
        scaffold.write_project(tmp_path / "sales", "analysis", "sales")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="there is a file of that name"):
        scaffold.write_project(tmp_path / "gone", "analysis", "sales")


def test_a_fresh_repository_is_an_empty_folder(tmp_path):
    (tmp_path / ".git").mkdir()
    assert scaffold.write_project(tmp_path, "analysis", "sales").files


def test_around_notebooks_that_are_there_stands_no_other_notebook():
    files = scaffold.plan_project(project_name("sales"), None)
    names = {file.relative for file in files}
    assert names >= NEEDED
    assert not [name for name in names if name.startswith("notebooks/")]


def test_notebooks_that_are_there_do_not_fail_the_linter(tmp_path):
    for file in scaffold.plan_project(project_name("sales"), None):
        (tmp_path / file.relative).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.relative).write_bytes(file.data)
    ugly = tmp_path / "notebooks" / "a.py"
    ugly.parent.mkdir()
    ugly.write_text(
        "# Databricks notebook source\nimport os, sys\nx = l == None\n%s\n" % ("#" * 200)
    )
    words = [sys.executable, "-m", "ruff", "check", "--no-cache", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if "No module named ruff" in done.stderr:
        pytest.skip("ruff is not installed")
    assert done.returncode == 0, done.stdout


def test_a_dry_run_writes_nothing_and_tells_the_same(tmp_path):
    would = scaffold.write_project(tmp_path / "sales", "analysis", "sales", dry_run=True)
    assert not (tmp_path / "sales").exists()
    assert scaffold.write_project(tmp_path / "sales", "analysis", "sales").files == would.files
    assert scaffold.write_notebook(tmp_path / "x" / "a.py", dry_run=True).files == ("a.py",)
    assert not (tmp_path / "x").exists()


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    # a folder stands where a file should be, which is only found out amid the work
    plan = scaffold.plan_project(project_name("sales"))
    broken = [*plan, scaffold.NewFile("zz/last.txt", b"x"), scaffold.NewFile("zz", b"y")]
    monkeypatch.setattr(scaffold, "plan_project", lambda *_: broken)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / ".git").mkdir()
    for folder in (tmp_path / "deep" / "sales", tmp_path / "kept"):
        with pytest.raises(UsageError, match=r"cannot be written: .*; nothing was kept"):
            scaffold.write_project(folder, "analysis", "sales")
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", ".git"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(UsageError, match="cannot be written"):
            scaffold.write_project(tmp_path / "sales", "analysis", "sales")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_unknown_templates_name_those_that_there_are(tmp_path):
    with pytest.raises(UsageError, match="no template 'elt'") as raised:
        scaffold.write_project(tmp_path / "sales", "elt", "sales")
    assert "analysis, report, etl, quality, ml" in str(raised.value.hint)
    with pytest.raises(UsageError, match=r"no notebook template 'load' in \.sql") as raised:
        scaffold.write_notebook(tmp_path / "a.sql", "load")
    assert "query" in str(raised.value.hint)
    with pytest.raises(UsageError, match="no notebook template for"):
        scaffold.write_notebook(tmp_path / "a.scala")


def test_a_notebook_never_stands_beside_its_twin(tmp_path):
    scaffold.write_notebook(tmp_path / "a.py")
    before = snapshot(tmp_path)
    with pytest.raises(UsageError, match="there is a file of that name"):
        scaffold.write_notebook(tmp_path / "a.py")
    with pytest.raises(UsageError, match=r"a\.py and a\.sql would be one object"):
        scaffold.write_notebook(tmp_path / "a.sql")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["a\x1b[31m.py", "a:b.py", "a\nb.py"])
def test_names_that_a_file_system_or_a_terminal_cannot_bear_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="no name for a notebook"):
        scaffold.write_notebook(tmp_path / name)


@pytest.mark.parametrize("template", PROJECTS)
def test_python_of_the_templates_is_python_of_3_10(tmp_path, template):
    scaffold.write_project(tmp_path / "p", template, "p")
    for path in (tmp_path / "p").rglob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 10))


def test_the_code_of_the_templates_is_clean():
    """The linter's exclusion of templates is for their magics; their own settings hold for them."""
    folder = scaffold.templates_folder()
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    settings = ["--config", str(folder / "project" / "pyproject.toml"), "--no-cache", str(folder)]
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run([ruff, *words, *settings], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("template", PROJECTS)
def test_every_command_that_a_project_names_is_a_real_one(template):
    made = {one.relative: one.data for one in scaffold.plan_project(project_name("p"), template)}
    texts = [
        made[name].decode() for name in ("README.md", "AGENTS.md", ".cursor/rules/brickloop.mdc")
    ]
    found = [code for text in texts for code in re.findall(r"`([^`\n]+)`", text)]
    found += [
        line.strip() for text in texts for line in text.splitlines() if line.startswith("    ")
    ]
    found += [task["command"] for task in json.loads(made[".vscode/tasks.json"])["tasks"]]
    ours = 0
    for code in found:
        if not re.match(r"uv |invoke |doit\b", code):
            continue
        for words in commands(code):
            words = words[2:] if words[:2] == ["uv", "run"] else words
            ours += words[0] in {"invoke", "doit"}
            assert fault(words) is None, (code, fault(words))
    assert ours >= 15
