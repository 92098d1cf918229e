"""The project's own commands: doctor."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from json import dumps
from pathlib import Path
from typing import Any

from brickloop.errors import BrickloopError
from brickloop.tasks.command import command

_PACKAGES = ("brickloop", "databricks-sdk", "doit", "invoke", "pysail", "pyspark-client", "pandas")


@command(workspace="reads", help={"json": "print JSON", "offline": "do not contact the workspace"})
def doctor(_context: Any, json: bool = False, offline: bool = False) -> None:
    """Show every setting with its source, the workspace that is meant and why, and what is wrong.

    Example: invoke doctor --offline
    """
    from brickloop.config.profile import resolve_target
    from brickloop.config.settings import DESCRIPTIONS, find_root, load_settings
    from brickloop.display import console, diagnostics

    settings = load_settings(find_root(Path.cwd()))
    target = resolve_target(settings)
    found = findings()
    failure: BrickloopError | None = None
    user = None
    if not offline:
        from brickloop.flows.target import open_target

        try:
            user = open_target(settings, target).user
        except BrickloopError as error:
            failure = error
    facts: dict[str, Any] = {
        "root": str(settings.root),
        "python": platform.python_version(),
        "versions": versions(),
        "workspace": {"kind": target.kind, "host": target.host, "why": target.why, "user": user},
        "settings": {
            name: {"value": settings[name].value, "source": settings[name].source}
            for name in DESCRIPTIONS
        },
        "findings": found + ([{"what": str(failure), "do": failure.hint}] if failure else []),
    }
    if json:
        console.write(dumps(facts, indent=2))
    else:
        _show(facts)
    if failure is not None:
        raise failure
    if found:
        diagnostics.note(f"{len(found)} finding{'s' if len(found) > 1 else ''}")


def versions() -> dict[str, str | None]:
    """The installed version of each package that matters, None for one that is missing."""
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def findings() -> list[dict[str, str]]:
    """What is likely to cause trouble on this machine, each with what to do."""
    found = []
    installed = {dist.name.lower() for dist in importlib.metadata.distributions() if dist.name}
    clashing = {"databricks-connect", "pyspark"} & installed
    for name in sorted(clashing):
        found.append(
            {
                "what": f"{name} and pyspark-client overwrite each other's files",
                "do": f"pip uninstall {name}, then pip install --force-reinstall pyspark-client",
            }
        )
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        found.append(
            {
                "what": "PYTHONDONTWRITEBYTECODE is set: every command compiles its modules again",
                "do": "unset PYTHONDONTWRITEBYTECODE",
            }
        )
    return found


def _show(facts: dict[str, Any]) -> None:
    from brickloop.display import console

    workspace = facts["workspace"]
    console.write(f"project    {facts['root']}")
    host = workspace["host"] or "the local workspace"
    console.write(f"workspace  {host} ({workspace['why']})")
    if workspace["user"]:
        console.write(f"user       {workspace['user']}")
    console.write(f"python     {facts['python']}")
    for name, version in facts["versions"].items():
        console.write(f"           {name} {version or 'is not installed'}")
    console.write("settings")
    for name, setting in facts["settings"].items():
        console.write(f"  {name:<12} {setting['value'] or '-':<28} {setting['source']}")
    for finding in facts["findings"]:
        console.write(f"! {finding['what']}")
        console.write(f"  {finding['do'] or ''}")
