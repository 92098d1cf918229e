"""Tool settings: defaults, then ``[tool.brickloop]``, then ``BRICKLOOP_*``, then flags.

Authentication is not a setting of ours: it stays in ``.databrickscfg`` and the environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brickloop.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # the same module, before it joined the standard library


@dataclass(frozen=True)
class Value:
    """A setting and the place it came from."""

    value: str | None
    source: str
    """``default``, ``pyproject.toml [tool.brickloop]``, a variable's name or a flag."""


DEFAULTS: dict[str, str | None] = {
    "profile": None,
    "folder": None,
    "output_root": None,
    "compute": "serverless",
    "run_timeout": "3600",
    "outputs": "outputs",
    "warehouse": None,
    "offline": None,
    "on_interrupt": "cancel",
    "catalog": None,
    "schema": None,
    "cache": None,
    "cache_ttl": "300",
    "cache_size": "1024",
}
"""Every setting with its default; what each means stands in ``DESCRIPTIONS``."""

DESCRIPTIONS: dict[str, str] = {
    "profile": "profile of .databrickscfg; 'local' is the local workspace",
    "folder": "workspace folder that notebooks are uploaded to",
    "output_root": "remote folder that runs write their output to",
    "compute": "'serverless', 'cluster:' and an id or name, or a job cluster's settings as a table",
    "run_timeout": "seconds after which the workspace ends a run",
    "outputs": "local folder that outputs are saved in",
    "on_interrupt": "what Ctrl-C does to runs: 'cancel', or 'detach' to let them go on",
    "offline": "'true': do not look whether what was sent is still there",
    "warehouse": "SQL warehouse, by id or name; without one that runs is taken",
    "catalog": "catalog that unqualified names in queries are looked up in",
    "schema": "schema that unqualified names in queries are looked up in",
    "cache": "folder of cached query results (default: .brickloop/cache in the project)",
    "cache_ttl": "seconds that a cached query result is good for",
    "cache_size": "most megabytes that cached query results may take",
}


@dataclass(frozen=True)
class Settings:
    """The settings of one project."""

    root: Path
    """The project's folder."""
    values: Mapping[str, Value]

    def __getitem__(self, name: str) -> Value:
        return self.values[name]

    def text(self, name: str) -> str | None:
        """The setting's value."""
        return self.values[name].value

    def required(self, name: str) -> str:
        """The setting's value; raises SettingsError naming the places that were looked at."""
        value = self.values[name].value
        if not value:
            raise SettingsError(
                f"'{name}' is not set ({DESCRIPTIONS[name]})",
                hint=f"set {name} in pyproject.toml [tool.brickloop], or BRICKLOOP_{name.upper()}",
            )
        return value

    def seconds(self, name: str) -> float:
        """The setting as a number of seconds above 0; raises SettingsError for anything else."""
        value = self.values[name]
        try:
            number = float(value.value or "")
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            raise SettingsError(
                f"{name} is '{value.value}', not a number of seconds",
                where=value.source,
                hint=f"write it as a number above 0, such as {DEFAULTS[name]}",
            )
        return number

    @property
    def state_folder(self) -> Path:
        """Where the project's own state is kept: ledger, runs, the local workspace."""
        return self.root / ".brickloop"


def find_root(start: Path) -> Path:
    """The project's folder: the nearest one upwards with a dodo.py, tasks.py or pyproject.toml.

    ``start`` itself where none is found.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if any((folder / name).is_file() for name in ("dodo.py", "tasks.py", "pyproject.toml")):
            return folder
    return start


def load_settings(
    root: Path,
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, str | None] | None = None,
) -> Settings:
    """The settings that hold in a project, each with its source.

    ``overrides`` are flags and win. Raises SettingsError for a file that is no TOML, an unknown
    name in it, or a value that is neither text nor number.
    """
    environment = os.environ if env is None else env
    values = {name: Value(default, "default") for name, default in DEFAULTS.items()}
    where = "pyproject.toml [tool.brickloop]"
    for name, raw in _project_table(root).items():
        values[name] = Value(raw, where)
    for name in DEFAULTS:
        variable = f"BRICKLOOP_{name.upper()}"
        if environment.get(variable):
            values[name] = Value(environment[variable], variable)
    for name, given in (overrides or {}).items():
        if given is not None:
            values[name] = Value(given, f"--{name.replace('_', '-')}")
    return Settings(root, values)


def _project_table(root: Path) -> dict[str, str]:
    path = root / "pyproject.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"is no valid TOML: {error}", where=str(path), hint="correct the file and try again"
        ) from None
    table: Any = data.get("tool", {}).get("brickloop", {})
    found: dict[str, str] = {}
    for name, value in table.items():
        if name not in DEFAULTS:
            raise SettingsError(
                f"[tool.brickloop] has no setting '{name}'",
                where=str(path),
                hint=f"the settings are: {', '.join(sorted(DEFAULTS))}",
            )
        if name == "compute" and isinstance(value, dict):
            # a job cluster's settings as a table: what --compute takes as JSON
            value = json.dumps(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SettingsError(
                f"[tool.brickloop] {name} must be text or a number", where=str(path)
            )
        found[name] = str(value)
    return found
