"""``invoke clean``: outputs and what was uploaded, listed first."""

from __future__ import annotations

import sys
from json import dumps
from typing import TYPE_CHECKING, Any

from brickloop.errors import UsageError
from brickloop.model.file_names import shown_path
from brickloop.tasks.command import command

if TYPE_CHECKING:
    from pathlib import Path

    from brickloop.graph.notebook_graph import NotebookGraph


@command(
    workspace="reads",
    changes="outputs, and with --remote the workspace",
    help={
        "remote": "also remove from the workspace what was sent and was not changed there",
        "select": "notebooks, such as '02_clean+' or 'tag:daily' (default: all)",
        "exclude": "notebooks that are left out, written likewise",
        "dry_run": "list, and remove nothing",
        "yes": "do not ask",
        "json": "print JSON",
    },
)
def clean(
    _context: Any,
    remote: bool = False,
    select: str = "",
    exclude: str = "",
    dry_run: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Remove the outputs of notebooks; what is removed is listed first.

    Example: invoke clean --select tag:daily --yes
    """
    from brickloop.display import console, diagnostics
    from brickloop.graph.dodo import project_graphs

    found = [_Cleaning(graph, remote, select, exclude) for graph in project_graphs()]
    count = sum(len(one.local) + len(one.sent) for one in found)
    if json and (dry_run or yes):
        # what would be asked about is no data
        console.write(dumps([{**one.to_json(), "removed": not dry_run} for one in found], indent=2))
    for one in found if not json else ():
        for path in one.local:
            console.write(f"output  {shown_path(path, one.graph.settings.root)}")
        for remote_path in one.sent.values():
            console.write(f"remote  {remote_path}")
        for what in one.kept:
            diagnostics.note(f"kept: {what}")
    if not count:
        diagnostics.note("there is nothing to remove")
        return
    if dry_run or not (yes or _is_agreed(count)):
        diagnostics.note("nothing was removed")
        return
    for one in found:
        one.remove()
    diagnostics.note(f"removed {count}")


class _Cleaning:
    """What is removed of one folder of notebooks."""

    def __init__(self, graph: NotebookGraph, remote: bool, select: str, exclude: str) -> None:
        self.graph = graph
        self.names = graph.select(select, exclude)
        deployment = graph.deployment
        self.local: list[Path] = [
            path for name in self.names for path in deployment.outputs.present(name)
        ]
        self.sent: dict[str, str] = {}
        self.kept: list[str] = []
        if remote:
            chosen = self._files() if select or exclude else None
            self.sent, self.kept = deployment.removable(chosen)

    def to_json(self) -> dict[str, Any]:
        """What is removed, and what is kept, in JSON types."""
        root = self.graph.settings.root
        return {
            "folder": str(self.graph.folder),
            "outputs": [shown_path(path, root) for path in self.local],
            "remote": list(self.sent.values()),
            "kept": list(self.kept),
        }

    def remove(self) -> None:
        for name in self.names:
            self.graph.deployment.outputs.remove(name)
        if self.sent:
            self.graph.deployment.remove_sent(self.sent)

    def _files(self) -> list[str]:
        """The notebooks, and what they reach and no other notebook does."""
        project = self.graph.project
        chosen = {*self.names}
        others: set[str] = set()
        for name, reached in project.reaches.items():
            if name in project.upstream and name not in chosen:
                others.update((name, *reached))
        reached_too = {one for name in chosen for one in project.reaches[name]}
        return sorted(chosen.union(reached_too) - others)


def _is_agreed(count: int) -> bool:
    from brickloop.display import diagnostics

    if not sys.stdin.isatty():
        raise UsageError(f"this removes {count}, and nobody can be asked", hint="say so with --yes")
    diagnostics.note(f"type yes to remove {count}:")
    return sys.stdin.readline().strip().lower() == "yes"
