"""``invoke dev.watch``, ``dev.run``, ``dev.deploy``: the loop between the editor and a run."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.tasks.command import command
from brickloop.tasks.words import WordsTask

if TYPE_CHECKING:
    from brickloop.flows.dev import DevWorkflow

_END_SECONDS = 20.0
_PROFILE = "profile of .databrickscfg; 'local' is the local workspace"
_COMPUTE = "as of 'invoke run'; without a meaning for local runs"
_FROM_CHANGED = "keep the cells before the first change, where what they used is as it was"
_LOCAL = "run in the warm local kernel: nothing is uploaded, no server is asked"


@command(
    workspace="sends",
    help={
        "notebook": "notebooks, folders or globs; none means all of the dodo.py, or of this folder",
        "local": _LOCAL,
        "queue": "let a run end before what was saved meanwhile is run, instead of cancelling it",
        "now": "run them once at the start",
        "from_changed": _FROM_CHANGED,
        "parameter": "key=value, may be given several times",
        "profile": _PROFILE,
        "compute": _COMPUTE,
    },
    klass=WordsTask,
    positional=["notebook"],
    iterable=["parameter"],
)
def watch(
    _context: Any,
    notebook: Sequence[str],
    parameter: Sequence[str],
    local: bool = False,
    queue: bool = False,
    now: bool = False,
    from_changed: bool = False,
    profile: str = "",
    compute: str = "",
) -> None:
    """Save a notebook: it, and what comes after it, is deployed, run and shown, again and again.

    A save during a run cancels it and starts anew. Errors are shown and the watch goes on. Ctrl-C
    cancels what runs, and ends it.

    Example: invoke dev.watch projects/nyc_flights/02_clean.py --local
    """
    from brickloop.tasks.run import read_parameters

    workflow = _workflow(profile, compute)
    try:
        found = workflow.watch_and_deploy(
            list(notebook) or _everything(),
            local=local,
            queue=queue,
            now=now,
            from_changed=from_changed,
            parameters=read_parameters(parameter, ""),
        )
        try:
            found.join()
        except KeyboardInterrupt:
            found.stop()
            found.join(_END_SECONDS)
            raise
        if found.failure is not None:
            raise found.failure
    finally:
        workflow.close()


@command(
    workspace="sends",
    help={
        "notebook": "path of the notebook",
        "local": _LOCAL,
        "parameter": "key=value, may be given several times",
        "profile": _PROFILE,
        "compute": _COMPUTE,
        "json": "print the result as JSON, and nothing else, on stdout",
    },
    positional=["notebook"],
    iterable=["parameter"],
)
def run(
    _context: Any,
    notebook: str,
    parameter: Sequence[str],
    local: bool = False,
    profile: str = "",
    compute: str = "",
    json: bool = False,
) -> None:
    """Deploy a notebook with what it reaches, run it and show it; or run it in the local kernel.

    Example: invoke dev.run projects/nyc_flights/01_load.py --local
    """
    from brickloop.flows.run import failure_of
    from brickloop.tasks.run import read_parameters, write_json

    parameters = read_parameters(parameter, "")
    workflow = _workflow(profile, compute)
    try:
        work = workflow.run_locally if local else workflow.run_in_databricks
        result = work(notebook, parameters, show=not json)
    finally:
        workflow.close()
    if json and result.run is not None:
        write_json(result.run, Path(notebook).stem)
    if not result.success and result.run is not None:
        raise failure_of(result.run, notebook)


@command(
    workspace="sends",
    help={
        "notebook": "path of the notebook",
        "profile": _PROFILE,
        "dry_run": "list what would be sent, and send nothing",
        "json": "print JSON",
    },
    positional=["notebook"],
)
def deploy(
    _context: Any, notebook: str, profile: str = "", dry_run: bool = False, json: bool = False
) -> None:
    """Send a notebook with what it reaches, where that changed, and print its workspace path.

    Example: invoke dev.deploy projects/nyc_flights/01_load.py
    """
    from brickloop.display import console

    workflow = _workflow(profile)
    try:
        changed = workflow.changed_since_sent(notebook)
        if dry_run:
            lines = [f"{local} -> {remote}" for local, remote in changed.items()]
        else:
            lines = [workflow.deploy_to_databricks(notebook)]
    finally:
        workflow.close()
    if json:
        facts = {"sends": changed, "dry_run": dry_run, "path": None if dry_run else lines[0]}
        console.write(dumps(facts, indent=2, ensure_ascii=False))
        return
    for line in lines:
        console.write(line)


def _workflow(profile: str, compute: str = "") -> DevWorkflow:
    from brickloop.flows.dev import DevWorkflow

    return DevWorkflow(profile=profile or None, compute=compute or None)


def _everything() -> list[str | Path]:
    """The folders that the project's dodo.py makes notebooks of, else the one we are in."""
    from brickloop.config.settings import find_root
    from brickloop.graph.dodo import project_graphs

    if not (find_root(Path.cwd()) / "dodo.py").is_file():
        return [Path.cwd()]
    return [graph.folder for graph in project_graphs()]
