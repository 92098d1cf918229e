"""``invoke state.*``: what is known of the project's runs, carried to another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brickloop.tasks.command import command

_FILE = {"file": "a file; without one the workspace keeps it, beside the project's folder"}


@command(workspace="reads", help=_FILE)
def export(_context: Any, file: str = "") -> None:
    """Keep what is known of the project's runs, for a machine that does not know it.

    Example: invoke state.export --file state.json
    """
    from brickloop.display import diagnostics
    from brickloop.graph.dodo import project_graphs
    from brickloop.graph.state_file import export_state, push_state, write_state

    graphs = project_graphs()
    data = export_state(graphs)
    if file:
        write_state(Path(file), data)
        where = file
    else:
        where = push_state(graphs[0], data)
    diagnostics.note(f"kept the state of {len(graphs)} project(s) in {where}")


@command(workspace="reads", help=_FILE, name="import")
def take_over(_context: Any, file: str = "") -> None:
    """Take over what another machine knew: the next `doit` runs only what has changed since.

    Where the workspace keeps nothing yet, that is said and is no failure.

    Example: invoke state.import --file state.json
    """
    from brickloop.display import diagnostics
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
            return
        data = found
    taken = import_state(graphs, data, where)
    diagnostics.note(f"took over the state of {', '.join(taken)} from {where}")
