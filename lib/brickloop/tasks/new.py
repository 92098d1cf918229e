"""``invoke new``: a project that runs at once, or one notebook, from a template."""

from __future__ import annotations

import json as json_text
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.errors import UsageError
from brickloop.tasks.command import command
from brickloop.tasks.words import WordsTask

if TYPE_CHECKING:
    from brickloop.flows.scaffold import Written


@command(
    changes="a new folder or file",
    help={
        "name": "the new folder, also as a path; with .py, .sql or .ipynb a notebook",
        "template": "what it is made from; --list-templates shows all",
        "list_templates": "show the templates, and make nothing",
        "dry_run": "show what would be written, and write nothing",
        "json": "print JSON",
    },
    klass=WordsTask,
    positional=["name"],
)
def new(
    _context: Any,
    name: Sequence[str],
    template: str = "",
    list_templates: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Make a project that runs with `doit` at once, or a notebook. Nothing is overwritten.

    Example: invoke new my_project --template etl
    """
    from brickloop.flows.scaffold import (
        DEFAULT_TEMPLATE,
        write_notebook,
        write_project,
    )
    from brickloop.model.notebook import SUFFIX_LANGUAGES

    if list_templates:
        _list(as_json=json)
        return
    if len(name) != 1 or not name[0].strip():
        what = f"{len(name)} names were given" if len(name) > 1 else "new needs a name"
        raise UsageError(what, hint="such as: invoke new my_project --template etl")
    path = Path(name[0]).expanduser()
    is_notebook = path.suffix.lower() in {*SUFFIX_LANGUAGES, ".ipynb"}
    if is_notebook:
        written = write_notebook(path, template or None, dry_run=dry_run)
    else:
        folder = path.absolute() if path.name else path.resolve()
        written = write_project(path, template or DEFAULT_TEMPLATE, folder.name, dry_run=dry_run)
    if json:
        _write_json(written, dry_run)
    else:
        _show(written, dry_run, is_notebook)


def _show(written: Written, dry_run: bool, is_notebook: bool) -> None:
    from brickloop.display import console, diagnostics

    for file in written.files:
        console.write(str(written.folder / file))
    count = f"{len(written.files)} file{'s' if len(written.files) > 1 else ''}"
    if dry_run:
        diagnostics.note(f"would write {count} from the template '{written.template}'")
        return
    diagnostics.note(f"wrote {count} from the template '{written.template}'")
    if is_notebook:
        path = shlex.quote(str(written.folder / written.files[0]))
        diagnostics.note(f"next: invoke run {path}")
        return
    if written.folder.resolve() != Path.cwd():
        diagnostics.note(f"next: cd {shlex.quote(str(written.folder))}")
    diagnostics.note("then: uv run doit (doit alone where brickloop is installed)")


def _write_json(written: Written, dry_run: bool) -> None:
    from brickloop.display import console

    found = {
        "folder": str(written.folder.resolve()),
        "name": written.name.identifier,
        "template": written.template,
        "files": list(written.files),
        "dry_run": dry_run,
    }
    console.write(json_text.dumps(found, indent=2, ensure_ascii=False))


def _list(*, as_json: bool) -> None:
    from brickloop.display import console
    from brickloop.display.table import show_table
    from brickloop.flows.scaffold import notebook_templates, project_templates

    rows = [("project", one.name, "", one.about) for one in project_templates()]
    rows += [
        ("notebook", one.name, " ".join(one.languages), one.about) for one in notebook_templates()
    ]
    names = ("kind", "template", "languages", "what it is")
    if as_json:
        keys = ("kind", "template", "languages", "about")
        found = [dict(zip(keys, row, strict=True)) for row in rows]
        for one in found:
            one["languages"] = one["languages"].split()  # type: ignore[assignment]
        console.write(json_text.dumps(found, indent=2))
        return
    show_table([(name, "") for name in names], rows)
