"""The tasks that doit sees: upload, run and fetch for each notebook of a folder.

Whether a task is up to date is decided here, from contents and the ledger alone: no network, no
engine, and none of the heavy libraries.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import brickloop
from brickloop.config.profile import resolve_target
from brickloop.config.settings import Settings, find_root, load_settings
from brickloop.display import diagnostics
from brickloop.errors import BrickloopError, UsageError
from brickloop.flows.deploy import Deployment
from brickloop.flows.project import Project, ProjectFile, read_project
from brickloop.flows.target import ledger_key
from brickloop.graph import outcome
from brickloop.graph.fingerprint import fingerprints
from brickloop.graph.state import open_ledger, state_name
from brickloop.runtime.wheel import runtime_wheel

_INTERRUPTED = 130


def doit_config() -> dict[str, Any]:
    """doit's settings for brickloop's tasks; a wrong setting ends the process with exit code 2."""
    with _for_people():
        settings = _settings()
        name = state_name(_ledger_path(settings), ledger_key(settings))
    return {
        "backend": "brickloop",
        "reporter": "brickloop",
        "dep_file": name,
        "verbosity": 2,
    }


def notebook_tasks(
    folder: str | Path, *, parameters: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[dict[str, Any]]:
    """The tasks of the notebooks in a folder, for a ``task_...`` function of a dodo.py.

    ``parameters`` gives a notebook's parameters by its name. What is wrong with the folder is said
    on stderr and ends the process with the error's exit code, before anything is done.
    """
    with _for_people():
        settings = _settings()
        ledger = open_ledger(_ledger_path(settings))
        project = read_project(settings.root / folder, ledger)
        given = _texts(parameters or {}, project)
        wheel, _ = runtime_wheel(brickloop.__version__)
        prints = fingerprints(project, given, settings.required("compute"), wheel)
        target = resolve_target(settings)
        key = ledger_key(settings, target=target)
        deployment = Deployment(settings, target, key, ledger, Path(folder).name)
    # doit takes the first kind first: so each notebook is shown before the next one is run
    for notebook in project.notebooks:
        yield _fetch_task(notebook, deployment, prints[notebook.name])
    for notebook in project.notebooks:
        yield _run_task(project, notebook, deployment, prints[notebook.name], given)
    yield from _upload_tasks(project, deployment)


def _upload_tasks(project: Project, deployment: Deployment) -> Iterator[dict[str, Any]]:
    needed = {notebook.name for notebook in project.notebooks}
    needed |= {name for notebook in project.notebooks for name in project.reaches[notebook.name]}
    uploaded = deployment.uploaded()
    for name in sorted(needed):
        file = project.files[name]
        yield _task(
            "upload",
            name,
            partial(deployment.upload, file.path, name),
            uptodate=uploaded.get(name) == file.sha256,
            doc=f"send {file.relative} to the workspace",
        )


def _run_task(
    project: Project,
    notebook: ProjectFile,
    deployment: Deployment,
    fingerprint: str,
    parameters: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    name = notebook.name
    return _task(
        "run",
        name,
        lambda: deployment.run(name, fingerprint, parameters.get(name, {})),
        uptodate=_saved("fingerprint", fingerprint),
        task_dep=[
            *(f"upload:{_task_name(reached)}" for reached in (name, *project.reaches[name])),
            *(f"run:{_task_name(before)}" for before in project.upstream[name]),
        ],
        doc=f"run {notebook.relative} as a job",
    )


def _fetch_task(notebook: ProjectFile, deployment: Deployment, fingerprint: str) -> dict[str, Any]:
    return _task(
        "fetch",
        notebook.name,
        lambda: deployment.fetch(notebook.name, fingerprint),
        uptodate=_saved("fingerprint", fingerprint),
        task_dep=[f"run:{_task_name(notebook.name)}"],
        targets=[str(path) for path in deployment.output_files(notebook.name)],
        clean=True,
        doc=f"fetch, show and save the output of {notebook.relative}",
    )


def _task(
    basename: str, name: str, work: Callable[[], dict[str, Any]], *, uptodate: Any, **more: Any
) -> dict[str, Any]:
    label = f"{basename}:{_task_name(name)}"
    return {
        "basename": basename,
        "name": _task_name(name),
        "actions": [(_guarded, [label, work])],
        "uptodate": [uptodate],
        "io": {"capture": False},
        "verbosity": 2,
        **more,
    }


def _guarded(label: str, work: Callable[[], dict[str, Any]]) -> Any:
    """Do a task's work; a failure is shown here and once, and remembered for the exit code."""
    from doit.exceptions import TaskFailed

    try:
        return work()
    except BrickloopError as error:
        diagnostics.report_error(error)
        outcome.record(label, error.exit_code)
        return TaskFailed(str(error), report=False)
    except KeyboardInterrupt:
        diagnostics.note(f"{label}: interrupted")
        raise SystemExit(_INTERRUPTED) from None


def _saved(key: str, value: str) -> Callable[[Any, dict[str, Any]], bool]:
    def check(task: Any, values: dict[str, Any]) -> bool:
        return values.get(key) == value

    return check


def _task_name(name: str) -> str:
    # doit keeps the equals sign for parameters
    return name.replace("%", "%25").replace("=", "%3D")


def _settings() -> Settings:
    return load_settings(find_root(Path.cwd()))


def _ledger_path(settings: Settings) -> Path:
    return settings.state_folder / "ledger.db"


def _texts(
    parameters: Mapping[str, Mapping[str, Any]], project: Project
) -> dict[str, dict[str, str]]:
    """Parameters as the workspace takes them: text, or JSON for what is not text."""
    found: dict[str, dict[str, str]] = {}
    for notebook, values in parameters.items():
        if notebook not in project.upstream:
            raise UsageError(
                f"parameters are given for '{notebook}', which is no notebook here",
                hint=f"the notebooks are: {', '.join(project.upstream)}",
            )
        found[notebook] = {}
        for key, value in values.items():
            try:
                text = value if isinstance(value, str) else json.dumps(value)
            except (TypeError, ValueError) as error:
                raise UsageError(
                    f"parameter {key} of {notebook} cannot be written as JSON: {error}"
                ) from None
            found[notebook][str(key)] = text
    return found


@contextlib.contextmanager
def _for_people() -> Iterator[None]:
    """doit would show a traceback for an error while a dodo.py is loaded."""
    try:
        yield
    except BrickloopError as error:
        diagnostics.report_error(error)
        sys.exit(error.exit_code)
