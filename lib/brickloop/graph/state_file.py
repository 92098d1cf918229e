"""What is known of a project's runs, to be carried to another machine: a file, or the workspace.

A fresh machine that takes it over runs only what has changed since. Holds hashes, names, run ids
and parameters' values, as the ledger does; no credentials.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import brickloop
from brickloop.errors import OutputUnavailable, UsageError

if TYPE_CHECKING:
    from brickloop.graph.notebook_graph import NotebookGraph

_VERSION = 1
_TABLES = {"remote_objects": 6, "task_state": 3, "runs": 8}
"""Names of the tables in it, with the number of values in a row."""


def export_state(graphs: list[NotebookGraph]) -> bytes:
    """The state of all graphs of a project on their target."""
    projects = {}
    for graph in graphs:
        user = graph.ledger.fact("user", graph.key)
        memory = graph.memory.to_json(graph.project.upstream)
        projects[graph.folder.name] = {"user": user, **memory}
    state = {
        "version": _VERSION,
        "brickloop": brickloop.__version__,
        "target": _target_of(graphs),
        "projects": projects,
    }
    return (json.dumps(state, indent=1, sort_keys=True) + "\n").encode()


def import_state(
    graphs: list[NotebookGraph], data: bytes, where: str, *, dry_run: bool = False
) -> list[str]:
    """Names of the projects whose state was taken over, or, ``dry_run``, would be.

    Raises UsageError for what is no state, or that of another target.
    """
    projects = _checked(data, where, _target_of(graphs))
    taken = []
    for graph in graphs:
        found = projects.get(graph.folder.name)
        if found is not None:
            if not dry_run:
                if found["user"]:
                    graph.ledger.record_fact("user", graph.key, found["user"])
                graph.memory.restore(found)
            taken.append(graph.folder.name)
    if not taken:
        raise UsageError(
            f"it holds the state of {', '.join(projects) or 'nothing'}, and of nothing here",
            where=where,
        )
    return taken


def write_state(path: Path, data: bytes) -> None:
    """Write a state file, whole or not at all."""
    from brickloop.report.saved import write_whole

    write_whole(path, data.decode("utf-8"))


def read_state(path: Path) -> bytes:
    """A state file's bytes; raises UsageError where there is none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}", where=str(path), hint="write one: state.export"
        ) from None


def push_state(graph: NotebookGraph, data: bytes) -> str:
    """The path in the workspace that the state was kept under, beside the project's folder."""
    files, path = graph.deployment.state_place()
    files.write(path, data)
    return path


def pull_state(graph: NotebookGraph) -> tuple[bytes | None, str]:
    """The state that is kept in the workspace, None where there is none, and where."""
    files, path = graph.deployment.state_place()
    try:
        return files.read(path), path
    except OutputUnavailable:
        return None, path


def _target_of(graphs: list[NotebookGraph]) -> str | None:
    """The name of the target that the graphs are on, None where there is none."""
    target = graphs[0].settings.target if graphs else None
    return target.name if target is not None else None


def _checked(data: bytes, where: str, target: str | None) -> dict[str, Any]:
    try:
        state = json.loads(data)
        if state["version"] != _VERSION:
            raise UsageError(
                f"it has version {state['version']}, this brickloop reads {_VERSION}",
                where=where,
                hint="export it again with this version",
            )
        theirs = state.get("target")
        if theirs != target:
            # what was done there has not been done here
            raise UsageError(
                f"it is the state of {f'target {theirs!r}' if theirs else 'no target'},"
                f" and {f'target {target!r}' if target else 'no target'} is meant",
                where=where,
                hint=f"say --target {theirs}" if theirs else "export it again, with --target",
            )
        for found in state["projects"].values():
            for table, width in _TABLES.items():
                if any(len(row) != width for row in found[table]):
                    raise ValueError(f"a row of {table} is too short or too long")
            for kind in ("inputs", "digest", "observed"):
                dict(found["facts"][kind])
            if not isinstance(found["user"], str | None):
                raise ValueError("the user is no name")
        return dict(state["projects"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"is no state of brickloop: {error}", where=where) from None
