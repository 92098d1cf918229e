"""``invoke report``: one page of all notebooks, and where each one's own page is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brickloop.tasks.command import command


@command(
    workspace="reads",
    changes="the page of all notebooks, below outputs",
    help={
        "open": "open the page in the browser",
        "json": "print the same as JSON, and write no page",
    },
)
def report(_context: Any, open: bool = False, json: bool = False) -> None:
    """Make a page of all notebooks with their last runs: state, time, figures, errors.

    It is made of the saved outputs; nothing is run and nothing is asked of the workspace.
    Example: invoke report --open
    """
    from brickloop.config.settings import find_root, load_settings
    from brickloop.display import console, diagnostics
    from brickloop.report.index import collect, write_index

    settings = load_settings(find_root(Path.cwd()))
    folder = settings.root / settings.required("outputs")
    entries, unread = collect(folder, apart=settings.other_targets)
    for error in unread:
        diagnostics.warn(f"left out: {error}", error.hint)
    if json:
        import json as writer

        console.write(writer.dumps([entry.as_json() for entry in entries], indent=2))
        return
    path = write_index(entries, folder, settings.root.name)
    bad = sum(not entry.status.succeeded for entry in entries)
    said = f"{len(entries)} notebook{'' if len(entries) == 1 else 's'}"
    diagnostics.note(f"{said}, {bad} did not succeed" if bad else f"{said}, all succeeded")
    console.write(str(path))
    if open:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()):
            diagnostics.warn("no browser could be opened", f"open {path} yourself")
