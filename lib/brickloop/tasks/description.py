"""The whole tool as data: commands with their arguments, settings, files, notebooks, exit codes.

What ``invoke info`` shows, and what completion chooses from. Nothing heavy is imported, and no
workspace is asked. The JSON form is published as ``info.schema.json`` beside this file.
"""

from __future__ import annotations

import inspect
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from invoke import Argument, Collection, Task

import brickloop
from brickloop.errors import BrickloopError
from brickloop.tasks.command import CHANGES
from brickloop.tasks.parsing import example_of

SCHEMA_VERSION = 1
EXIT_CODES = {
    0: "all is well",
    1: "the work was done and did not succeed, or something was held back",
    2: "the command, a file or a setting is wrong; nothing was changed",
    3: "the workspace is out of reach or does not accept who we are",
    4: "a time limit was reached",
    10: "only plan --check: there is something to do",
    130: "interrupted with Ctrl-C",
}
ENVIRONMENT = {
    "DATABRICKS_CONFIG_PROFILE": "profile of .databrickscfg; wins over the settings",
    "DATABRICKS_CONFIG_FILE": "another file than ~/.databrickscfg",
    "DATABRICKS_HOST": "workspace by its address, where no profile is named",
    "DATABRICKS_TOKEN": "with DATABRICKS_HOST: a token; the SDK's other ways to sign in work too",
    "BRICKLOOP_JUNIT": "file that `doit` writes its outcome to as JUnit XML",
    "BRICKLOOP_SUMMARY": "file that `doit` writes its outcome to as JSON",
    "NO_COLOR": "anything: no colours",
    "FORCE_COLOR": "anything but 0: colours in a pipe too",
    "COLUMNS": "width of tables where it is not that of the terminal",
    "HTTPS_PROXY": "proxy to the workspace; NO_PROXY leaves hosts out",
    "CI": "anything: no moving line of progress",
}
_TASKS_OF_NOTEBOOK = ("upload", "run", "fetch")


def describe(root: Path) -> dict[str, Any]:
    """All that an editor or an agent needs to know of the tool in one project, in JSON types.

    What cannot be had, because a file is broken, is missing and named under ``problems``.
    """
    problems: list[str] = []
    collection = project_commands(root, problems)
    facts: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": "brickloop",
        "version": brickloop.__version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "root": str(root),
        "commands": [describe_command(name, task) for name, task in commands_of(collection)],
        "exit_codes": {str(code): text for code, text in EXIT_CODES.items()},
        "environment": [{"name": name, "description": text} for name, text in ENVIRONMENT.items()],
        "schemas": _schemas(),
    }
    return {**facts, **_of_project(root, problems), "problems": problems}


def project_commands(root: Path, problems: list[str]) -> Collection:
    """The commands of a project's tasks.py, its own ones among them; without one brickloop's.

    A tasks.py that cannot be loaded is named in ``problems``.
    """
    from brickloop.tasks.namespace import namespace

    path = root / "tasks.py"
    if not path.is_file():
        return namespace()
    try:
        loaded = sys.modules.get("tasks")
        if loaded is None or Path(loaded.__file__ or "") != path:
            loaded = ModuleType("tasks")
            loaded.__file__ = str(path)
            exec(compile(path.read_bytes(), str(path), "exec"), loaded.__dict__)
        return Collection.from_module(loaded)
    except (Exception, SystemExit) as error:  # noqa: BLE001  it may do anything
        problems.append(f"{path}: it cannot be loaded: {type(error).__name__}: {error}")
        return namespace()


def commands_of(collection: Collection) -> Iterator[tuple[str, Task]]:
    """Every command with its full name, in the order of ``invoke --list``."""
    for name in sorted(collection.task_names, key=lambda one: (one.count("."), one)):
        yield name, collection[name]


def describe_command(name: str, task: Task) -> dict[str, Any]:
    """One command in JSON types."""
    text = inspect.getdoc(task) or ""
    arguments = [_describe_argument(one) for one in task.get_arguments()]
    names = {one["name"] for one in arguments}
    return {
        "name": name,
        "origin": "brickloop" if hasattr(task, CHANGES) else "project",
        "summary": " ".join(text.split("\n\n", 1)[0].split()),
        "help": text,
        "example": example_of(text) or None,
        "changes": getattr(task, CHANGES, "") or None,
        "json": "json" in names,
        "dry_run": "dry_run" in names,
        "arguments": arguments,
    }


def _describe_argument(argument: Argument) -> dict[str, Any]:
    repeatable = argument.kind is list or (argument.positional and isinstance(argument.value, list))
    kinds = {bool: "boolean", int: "integer"}
    default = argument.default if isinstance(argument.default, bool | int | str) else None
    return {
        "name": argument.name,
        "flags": [f"--{one}" if len(one) > 1 else f"-{one}" for one in argument.names],
        "type": kinds.get(argument.kind, "string"),
        "positional": bool(argument.positional),
        "repeatable": repeatable,
        "value": "none" if not argument.takes_value else "may" if argument.optional else "must",
        "default": default if default != "" else None,
        "help": argument.help,
    }


def _schemas() -> dict[str, str]:
    package = Path(brickloop.__file__).parent
    found = {
        "info": "tasks/info.schema.json",
        "settings": "config/settings.schema.json",
        "sync_file": "config/databricks_sync.schema.json",
        "notebook_output": "runtime/output.schema.json",
        "saved_output": "report/output.schema.json",
        "run_events": "flows/run_events.schema.json",
    }
    return {name: str(package / path) for name, path in found.items()}


def _of_project(root: Path, problems: list[str]) -> dict[str, Any]:
    from brickloop.config.settings import DEFAULTS, DESCRIPTIONS, load_settings, variable_of

    found: dict[str, Any] = {
        "settings": [
            {
                "name": name,
                "description": DESCRIPTIONS.get(name, ""),
                "default": default,
                "variable": variable_of(name),
            }
            for name, default in DEFAULTS.items()
        ],
        "targets": [],
        "files": _files(root, "outputs", None),
        "sync_pairs": _sync_pairs(root, problems),
        "notebooks": _notebooks(root, problems),
    }
    try:
        settings = load_settings(root)
    except BrickloopError as error:
        problems.append(str(error))
        return found
    found["files"] = _files(root, settings.text("outputs") or "outputs", settings.text("cache"))
    found["targets"] = [
        {
            "name": one.name,
            "protected": one.is_protected,
            "default": one.name == settings.default_target,
        }
        for one in settings.targets.values()
    ]
    return found


def _files(root: Path, outputs: str, cache: str | None) -> dict[str, str]:
    state = root / ".brickloop"
    return {
        "outputs": str(root / outputs),
        "ledger": str(state / "ledger.db"),
        "local_workspace": str(state / "local"),
        "cache": str(root / cache) if cache else str(state / "cache"),
        "fault_log": str(state / "fault.log"),
        "settings": str(root / "pyproject.toml"),
        "sync_file": str(root / ".databricks_sync.json"),
        "dodo": str(root / "dodo.py"),
        "tasks": str(root / "tasks.py"),
    }


def _sync_pairs(root: Path, problems: list[str]) -> list[dict[str, str]]:
    from brickloop.config.sync_file import FILE_NAME, read_sync_file

    if not (root / FILE_NAME).is_file():
        return []
    try:
        pairs = read_sync_file(root).pairs
    except BrickloopError as error:
        problems.append(str(error))
        return []
    return [
        {
            "name": pair.name,
            "local": pair.local,
            "workspace": pair.workspace,
            "direction": pair.direction.value,
        }
        for pair in pairs
    ]


def _notebooks(root: Path, problems: list[str]) -> list[dict[str, Any]]:
    if not (root / "dodo.py").is_file():
        return []
    from brickloop.graph.dodo import project_graphs
    from brickloop.graph.memory import task_name

    found = []
    try:
        for graph in project_graphs(root):
            for file in graph.project.notebooks:
                path = graph.folder / file.relative
                found.append(
                    {
                        "name": file.name,
                        "path": path.relative_to(root).as_posix()
                        if path.is_relative_to(root)
                        else str(path),
                        "after": list(graph.project.upstream[file.name]),
                        "tasks": {
                            kind: f"{kind}:{task_name(file.name)}" for kind in _TASKS_OF_NOTEBOOK
                        },
                    }
                )
    except BrickloopError as error:
        problems.append(str(error))
    return found
