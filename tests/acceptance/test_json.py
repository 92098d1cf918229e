"""Every command with --json prints one JSON document; what is a dry run changes nothing."""

from __future__ import annotations

import json
import sys

import pytest
from invoke import Program
from tests.acceptance.conftest import type_command, write_notebook

from brickloop.tasks import namespace
from brickloop.tasks.description import commands_of, describe_command

# in an order in which each finds what it needs; the last word of a pair is the exit code
CASES = [
    ("version", 0),
    ("info", 0),
    ("doctor --offline", 0),
    ("new another --dry-run", 0),
    ("local.status", 0),
    ("local.start", 0),
    ("local.env", 0),
    ("doctor", 0),
    ("health", 0),
    ("run notebooks/c_alone.py", 0),
    ("dev.run notebooks/broken.py", 1),
    ("dev.deploy notebooks/c_alone.py --dry-run", 0),
    ("dev.deploy notebooks/c_alone.py", 0),
    ("runs", 0),
    ("output latest", 0),
    ("plan", 0),
    ("why c_alone", 0),
    ("graph", 0),
    ("build --select c_alone --dry-run", 0),
    ("build --select c_alone", 0),
    ("report", 0),
    ("state.export --file state.json --dry-run", 0),
    ("state.export --file state.json", 0),
    ("state.import --file state.json --dry-run", 0),
    ("state.import --file state.json", 0),
    ("query 'SELECT 1 AS n'", 0),
    ("cache.stats", 0),
    ("cache.list", 0),
    ("cache.clear --dry-run", 0),
    ("cache.clear", 0),
    ("sync.init notebooks ~/carried --dry-run", 0),
    ("sync.init notebooks ~/carried", 0),
    ("sync.push --dry-run", 0),
    ("sync.push", 0),
    ("sync.status", 0),
    ("sync.explain notebooks/shared.py", 0),
    ("adopt ~/carried adopted --dry-run", 0),
    ("adopt ~/carried adopted", 0),
    ("EDIT", 0),
    ("sync.pull --dry-run", 1),
    ("sync.bidirectional", 1),
    ("sync.resolve notebooks/shared.py --keep local", 0),
    ("sync.pull", 0),
    ("sync.history notebooks/shared.py", 0),
    ("sync.restore notebooks/shared.py", 0),
    ("clean --dry-run", 0),
    ("clean --yes", 0),
    ("local.reset --dry-run", 0),
    ("local.stop", 0),
    ("local.reset --yes", 0),
]
STREAMING = {"sync.watch"}
"""A line for each event, until Ctrl-C: see test_sync."""


def test_each_command_with_json_has_a_case():
    takes = {
        name for name, task in commands_of(namespace()) if describe_command(name, task)["json"]
    }
    assert {words.split()[0] for words, _ in CASES} - {"EDIT"} == takes - STREAMING


def test_stdout_is_one_document(project, monkeypatch, capfd):
    import shlex

    monkeypatch.chdir(project)
    monkeypatch.setattr("sys.dont_write_bytecode", sys.dont_write_bytecode)
    write_notebook(project / "notebooks" / "broken.py", "1 / 0")
    wrong = []
    for words, code in CASES:
        if words == "EDIT":
            _edit_both_sides(project)
            continue
        before = _tree(project) if "--dry-run" in words else None
        capfd.readouterr()
        with_json = [*shlex.split(words), "--json"]
        try:
            Program(namespace=namespace(), binary="invoke").run(["invoke", *with_json])
            found = 0
        except SystemExit as left:
            found = left.code or 0
        shown = capfd.readouterr()
        try:
            json.loads(shown.out)
        except ValueError:
            wrong.append(f"{words}: no JSON: {shown.out[:200]!r} {shown.err[-300:]!r}")
        if found != code:
            wrong.append(f"{words}: ended with {found}: {shown.err[-300:]!r}")
        if before is not None and _tree(project) != before:
            wrong.append(f"{words}: changed {_tree(project) ^ before}")
    assert wrong == []


@pytest.mark.parametrize("words", [("clean",), ("local.reset",)])
def test_nobody_is_asked_without_a_terminal(project, words):
    (project / "outputs").mkdir()
    (project / "outputs" / "c_alone.txt").write_text("x")
    result = type_command(project, "invoke", *words)
    assert result.returncode == 2, result.stderr
    assert "--yes" in result.stderr


def _edit_both_sides(project):
    """Let one file differ on both sides from what was last equal."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.workspace import ImportFormat

    from brickloop import launcher

    server = launcher.find_running(project / ".brickloop" / "local")
    client = WorkspaceClient(host=server.host, token=server.token)
    path = "/Workspace/Users/local@brickloop.test/carried/shared.py"
    client.workspace.upload(path, b"FACTOR = 30\n", format=ImportFormat.RAW, overwrite=True)
    (project / "notebooks" / "shared.py").write_text("FACTOR = 20\n")


def _tree(project):
    """The user's files; what brickloop remembers of them is its own."""
    return {
        (str(path.relative_to(project)), path.stat().st_size)
        for path in project.rglob("*")
        if path.is_file() and ".brickloop" not in path.parts and "__pycache__" not in path.parts
    }
