"""``invoke state.*``: what is known of the project's runs, carried to another machine."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any

from brickloop.tasks.command import command

_HELP = {
    "file": "a file; without one the workspace keeps it, beside the project's folder",
    "json": "print JSON",
}


@command(
    workspace="reads",
    changes="a file, or the workspace",
    help={**_HELP, "dry_run": "say what would be kept, and keep nothing"},
)
def export(_context: Any, file: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Keep what is known of the project's runs, for a machine that does not know it.

    Example: invoke state.export --file state.json
    """
    from brickloop.display import console, diagnostics
    from brickloop.graph.dodo import project_graphs
    from brickloop.graph.state_file import export_state, push_state, write_state

    graphs = project_graphs()
    data = export_state(graphs)
    where = file or graphs[0].deployment.state_place()[1]
    if not dry_run:
        if file:
            write_state(Path(file), data)
        else:
            push_state(graphs[0], data)
    if json:
        names = [graph.folder.name for graph in graphs]
        facts = {"projects": names, "where": where, "bytes": len(data), "dry_run": dry_run}
        console.write(dumps(facts, indent=2))
        return
    said = "would keep" if dry_run else "kept"
    diagnostics.note(f"{said} the state of {len(graphs)} project(s) in {where}")


@command(
    workspace="reads",
    changes="what is known of runs",
    help={**_HELP, "dry_run": "say what would be taken over, and take nothing"},
    name="import",
)
def take_over(_context: Any, file: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Take over what another machine knew: the next `doit` runs only what has changed since.

    Where the workspace keeps nothing yet, that is said and is no failure.

    Example: invoke state.import --file state.json
    """
    from brickloop.display import console, diagnostics
    from brickloop.graph.dodo import project_graphs
    from brickloop.graph.state_file import import_state, pull_state, read_state

    graphs = project_graphs()
    if file:
        data, where = read_state(Path(file)), file
    else:
        found, where = pull_state(graphs[0])
        if found is None:
            # so it is before the first export, and a CI job asks each time
            diagnostics.note(f"nothing is kept in {where} yet: doit runs everything")
            if json:
                console.write(dumps({"projects": [], "where": where, "dry_run": dry_run}, indent=2))
            return
        data = found
    taken = import_state(graphs, data, where, dry_run=dry_run)
    if json:
        console.write(dumps({"projects": taken, "where": where, "dry_run": dry_run}, indent=2))
        return
    said = "would take over" if dry_run else "took over"
    diagnostics.note(f"{said} the state of {', '.join(taken)} from {where}")
