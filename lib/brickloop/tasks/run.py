"""``invoke run``: one notebook, now, with its output on the screen."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brickloop.errors import NotebookError, UsageError
from brickloop.tasks.command import command


@command(
    help={
        "notebook": "path of the notebook",
        "parameter": "key=value, may be given several times",
        "parameters": "parameters as one JSON object",
        "profile": "profile of .databrickscfg; 'local' is the local workspace",
        "compute": "'serverless', or 'cluster:' and an id or name",
    },
    positional=["notebook"],
    iterable=["parameter"],
)
def run(
    _context: Any,
    notebook: str,
    parameter: Sequence[str],
    parameters: str = "",
    profile: str = "",
    compute: str = "",
) -> None:
    """Upload a notebook, run it, and show its output. It always runs, changed or not.

    Example: invoke run projects/nyc_flights/02_clean.py
    """
    from brickloop.config.profile import resolve_target
    from brickloop.config.settings import find_root, load_settings
    from brickloop.flows.deploy import Deployment
    from brickloop.flows.project import read_project
    from brickloop.flows.target import ledger_key
    from brickloop.sync.ledger import Ledger

    given = read_parameters(parameter, parameters)
    root = find_root(Path.cwd())
    settings = load_settings(
        root, overrides={"profile": profile or None, "compute": compute or None}
    )
    target = resolve_target(settings)
    path = Path(notebook).resolve()
    if not path.is_file():
        raise UsageError("there is no such file", where=notebook)
    ledger = Ledger(settings.state_folder / "ledger.db")
    project = read_project(path.parent, ledger)
    found = next((file for file in project.files.values() if file.path == path), None)
    if found is None or not found.is_notebook:
        raise NotebookError(
            "is no notebook",
            where=notebook,
            hint="line 1 of a notebook is '# Databricks notebook source'",
        )
    key = ledger_key(settings, target=target)
    deployment = Deployment(settings, target, key, ledger, path.parent.name)
    for name in (found.name, *project.reaches.get(found.name, ())):
        deployment.upload(project.files[name].path, name)
    # a fingerprint of its own: doit's idea of what is up to date is not touched
    fingerprint = f"invoke-{uuid.uuid4().hex}"
    deployment.run(found.name, fingerprint, given)
    deployment.fetch(found.name, fingerprint)
    ledger.close()


def read_parameters(pairs: Sequence[str], text: str) -> dict[str, str]:
    """The parameters that flags give; raises UsageError for what is no pair and no JSON object."""
    found: dict[str, str] = {}
    if text:
        try:
            values = json.loads(text)
        except ValueError as error:
            raise UsageError(
                f"--parameters is not JSON: {error}",
                hint="""write it like this: --parameters '{"key": "value"}'""",
            ) from None
        if not isinstance(values, dict):
            raise UsageError(
                "--parameters is no JSON object", hint='write it like {"key": "value"}'
            )
        found = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in values.items()
        }
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"'{pair}' is no parameter", hint="write it as key=value")
        found[key] = value
    return found
