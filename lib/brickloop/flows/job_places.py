"""Where what a run needs is in the workspace, and what it is called: for JobRunner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from brickloop.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from brickloop.flows.run import Runs
    from brickloop.flows.target import OpenTarget
    from brickloop.jobs.submit import Work


def texts_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as the workspace takes them: text, or JSON for what is not text."""
    found = {}
    for name, value in parameters.items():
        try:
            found[str(name)] = value if isinstance(value, str) else json.dumps(value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"parameter {name} cannot be written as JSON: {error}") from None
    return found


def warehouse_of(runs: Runs, wanted: str | None) -> str:
    """The id of the warehouse of this id or name; without one the first that runs, or is there.

    Raises SettingsError where there is none.
    """
    found = find_warehouse(runs.opened, wanted)
    if found is None:
        listed = _warehouses(runs.opened)
        names = ", ".join(f"{one.name} ({one.id})" for one in listed) or "none"
        raise SettingsError(
            f"there is no SQL warehouse '{wanted}'" if wanted else "there is no SQL warehouse",
            where=runs.opened.host,
            hint=f"a SQL file is run by one; those that you may use: {names}",
        )
    return found


def find_warehouse(opened: OpenTarget, wanted: str | None) -> str | None:
    """As ``warehouse_of``, None where there is none."""
    listed = _warehouses(opened)
    found = [one for one in listed if one.id and (wanted is None or wanted in {one.id, one.name})]
    running = [one for one in found if one.state is not None and one.state.value == "RUNNING"]
    return str((running or found)[0].id) if found else None


def _warehouses(opened: OpenTarget) -> list[Any]:
    from brickloop.clients.workspace import translate

    with translate(opened.host):
        return list(opened.client.warehouses.list())


def modified_ms(runs: Runs, path: str) -> int | None:
    """When a file of the workspace was last written, None where there is none or nobody says."""
    from email.utils import parsedate_to_datetime

    from databricks.sdk.errors import NotFound

    from brickloop.clients.workspace import translate
    from brickloop.model.paths import Store, parse_remote_path

    remote, client = parse_remote_path(path), runs.opened.client
    with translate(runs.opened.host):
        try:
            if remote.store is Store.DBFS:
                return client.dbfs.get_status(remote.path).modification_time
            if remote.store is Store.WORKSPACE:
                return client.workspace.get_status(remote.path).modified_at
            said = client.files.get_metadata(remote.path).last_modified
        except NotFound:
            return None
    # a volume says whole seconds: the last moment of that second
    return int(parsedate_to_datetime(said).timestamp() * 1000) + 999 if said else None


def remote_path(runs: Runs, text: str) -> str:
    from brickloop.model.notebook import SUFFIX_LANGUAGES
    from brickloop.model.paths import join_remote, workspace_path

    if not text.strip("/ "):
        raise UsageError("the notebook has no path", hint="such as /Workspace/Users/me/analysis")
    path = workspace_path(text) if text.startswith("/") else join_remote(runs.opened.home, text)
    suffix = PurePosixPath(path).suffix
    is_named = suffix.lower() in (*SUFFIX_LANGUAGES, ".ipynb")
    return path[: -len(suffix)] if is_named else path


def path_of(work: Work) -> str:
    from brickloop.jobs.submit import WheelWork

    return f"{work.package}:{work.entry_point}" if isinstance(work, WheelWork) else work.path


def name_of(work: Work) -> str:
    return PurePosixPath(path_of(work)).name
