"""``invoke info``: what an editor or an agent is told, and its published schema."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from brickloop import tasks
from brickloop.display.info_view import show_info
from brickloop.tasks.description import describe

SCHEMA = json.loads((Path(tasks.__file__).parent / "info.schema.json").read_text(encoding="utf-8"))
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None)}
DODO = """from brickloop.graph import doit_config, notebook_tasks
DOIT_CONFIG = doit_config()
def task_notebooks():
    yield from notebook_tasks("notebooks")
"""


def problems(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """Why a value does not fit a schema, for the words of JSON schema that ours uses."""
    if "$ref" in schema:
        return problems(value, SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]], where)
    known = {"$ref", "type", "const", "enum", "pattern", "items", "properties", "required",
             "additionalProperties", "description", "minItems"}  # fmt: skip
    assert set(schema) <= known, f"{where}: a word that is not checked here"
    found = []
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(
        isinstance(value, bool)
        if kind == "boolean"
        else isinstance(value, TYPES[kind]) and not isinstance(value, bool)
        for kind in kinds
    ):
        return [f"{where}: {value!r} is no {kinds}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where}: {value!r} has another form")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            found.append(f"{where}: too few")
        for place, item in enumerate(value):
            found += problems(item, schema.get("items", {}), f"{where}[{place}]")
    if isinstance(value, dict):
        inner = schema.get("properties", {})
        rest = schema.get("additionalProperties", {})
        found += [f"{where}: no {name}" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name in inner or isinstance(rest, dict):
                found += problems(item, inner.get(name, rest), f"{where}.{name}")
            else:
                found.append(f"{where}: {name} is not known")
    return found


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with two notebooks, a target, a pair and a command of its own."""
    (tmp_path / "dodo.py").write_text(DODO)
    (tmp_path / "tasks.py").write_text(
        "from invoke import task\nfrom brickloop.tasks import namespace\nns = namespace()\n"
        "@task(help={'size': 'how big'})\ndef bake(c, size=3, *, name):\n"
        "    '''Bake a cake. Example: invoke bake --size 4'''\n"
        "ns.add_task(bake)\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        '[tool.brickloop]\ntarget = "dev"\noutputs = "out"\n'
        '[tool.brickloop.targets.dev]\nprofile = "local"\n'
        "[tool.brickloop.targets.prod]\nprofile = 'local'\n"
    )
    (tmp_path / ".databricks_sync.json").write_text(
        '{"sync_pairs": [{"local": "notebooks", "workspace": "~/notebooks"}]}'
    )
    folder = tmp_path / "notebooks"
    folder.mkdir()
    head = "# Databricks notebook source\n"
    (folder / "a.py").write_text(head + 'spark.range(1).write.saveAsTable("s.t")\n')
    (folder / "b.py").write_text(head + 'spark.table("s.t")\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_project_is_described_as_the_schema_says(project, capsys):
    facts = json.loads(json.dumps(describe(project)))
    assert problems(facts, SCHEMA) == []
    assert facts["problems"] == []
    commands = {one["name"]: one for one in facts["commands"]}
    assert commands["sync.push"]["dry_run"] is True
    assert commands["sync.push"]["changes"] == "the workspace"
    assert commands["plan"]["changes"] is None
    (notebook,) = [one for one in commands["run"]["arguments"] if one["name"] == "notebook"]
    assert notebook["positional"] is True
    assert notebook["flags"][0] == "--notebook"
    (words,) = [one for one in commands["dev.watch"]["arguments"] if one["name"] == "notebook"]
    assert words["repeatable"] is True
    bake = commands["bake"]
    assert bake["origin"] == "project"
    assert bake["example"] == "invoke bake --size 4"
    assert {one["name"]: one["type"] for one in bake["arguments"]} == {
        "name": "string",
        "size": "integer",
    }
    assert [(one["name"], one["protected"]) for one in facts["targets"]] == [
        ("dev", False),
        ("prod", True),
    ]
    assert facts["notebooks"] == [
        {
            "name": "a",
            "path": "notebooks/a.py",
            "after": [],
            "tasks": {"upload": "upload:a", "run": "run:a", "fetch": "fetch:a"},
        },
        {
            "name": "b",
            "path": "notebooks/b.py",
            "after": ["a"],
            "tasks": {"upload": "upload:b", "run": "run:b", "fetch": "fetch:b"},
        },
    ]
    assert facts["files"]["outputs"] == str(project / "out")
    shipped = Path(tasks.__file__).parents[1].rglob("*.schema.json")
    assert sorted(facts["schemas"].values()) == sorted(map(str, shipped))
    show_info(facts)
    shown = capsys.readouterr().out
    assert "notebooks/b.py (doit run:b), after a" in " ".join(shown.split())
    assert "bake" in shown


def test_every_setting_and_every_exit_code_of_ours_is_described(project):
    from brickloop import errors
    from brickloop.config.settings import DEFAULTS

    facts = describe(project)
    assert [one["name"] for one in facts["settings"]] == list(DEFAULTS)
    assert all(one["description"] for one in facts["settings"])
    codes = {
        found.exit_code
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.BrickloopError)
    }
    assert {str(code) for code in codes} <= set(facts["exit_codes"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tasks.py", "import nothing_of_this_name"),
        ("tasks.py", "raise SystemExit(3)"),
        ("dodo.py", "def f(:"),
        ("pyproject.toml", "[tool.brickloop"),
        (".databricks_sync.json", "{"),
    ],
)
def test_a_broken_file_is_a_problem_and_the_rest_is_there(project, name, content):
    (project / name).write_text(content)
    facts = json.loads(json.dumps(describe(project)))
    assert problems(facts, SCHEMA) == []
    assert any(name in problem for problem in facts["problems"])
    assert len(facts["commands"]) > 30


def test_a_folder_without_a_project_is_described_too(tmp_path):
    facts = describe(tmp_path)
    assert problems(json.loads(json.dumps(facts)), SCHEMA) == []
    assert facts["notebooks"] == []
    assert list(tmp_path.iterdir()) == []


def test_the_schema_refuses_what_is_another_thing(project):
    facts = json.loads(json.dumps(describe(project)))
    facts["commands"][0]["colour"] = "red"
    facts["targets"][0]["protected"] = 1
    del facts["root"]
    assert len(problems(facts, SCHEMA)) == 3


def test_nothing_heavy_is_imported(project):
    script = (
        "import sys\nfrom pathlib import Path\nfrom brickloop.tasks.description import describe\n"
        "describe(Path.cwd())\n"
        "heavy = {'databricks.sdk', 'databricks.sql', 'pandas', 'pyarrow', 'pyspark', 'sqlglot'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr
