"""Tool settings: flags win over ``BRICKLOOP_*``, the target, ``[tool.brickloop]``, databricks.yml.

Authentication is not a setting of ours: it stays in ``.databrickscfg`` and the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from brickloop.config.bundle import FILE_NAMES as BUNDLE_NAMES
from brickloop.config.bundle import read_bundle
from brickloop.config.flags import given_flags
from brickloop.config.named_target import NamedTarget, laid
from brickloop.config.tables import FILE_NAME, read_tables
from brickloop.config.value import Value as Value
from brickloop.errors import SettingsError

DEFAULTS: dict[str, str | None] = {
    "target": None,
    "profile": None,
    "host": None,
    "folder": None,
    "output_root": None,
    "compute": "serverless",
    "run_timeout": "3600",
    "outputs": "outputs",
    "warehouse": None,
    "offline": None,
    "on_interrupt": "cancel",
    "as_job": None,
    "catalog": None,
    "schema": None,
    "cache": None,
    "cache_ttl": "300",
    "cache_size": "1024",
    "force": None,
    "local.engine": None,
}
"""Every setting with its default; what each means stands in ``DESCRIPTIONS``.

A name with a dot is one of a table: ``local.engine`` is ``engine`` of ``[tool.brickloop.local]``.
"""

DESCRIPTIONS: dict[str, str] = {
    "target": "one of the targets, whose settings hold then",
    "profile": "profile of .databrickscfg; 'local' is the local workspace",
    "host": "workspace by its address; who we are say the profile with it, or the environment",
    "folder": "workspace folder that notebooks are uploaded to",
    "output_root": "remote folder that runs write their output to",
    "compute": "'serverless', 'cluster:' and an id or name, or a job cluster's settings as a table",
    "run_timeout": "seconds after which the workspace ends a run",
    "outputs": "local folder that outputs are saved in",
    "on_interrupt": "what Ctrl-C does to runs: 'cancel', or 'detach' to let them go on",
    "as_job": "'true' or a job's name: doit runs what has to run in one go, as that job's tasks",
    "offline": "'true': do not look whether what was sent is still there",
    "warehouse": "SQL warehouse, by id or name; without one that runs is taken",
    "catalog": "catalog that unqualified names in queries are looked up in",
    "schema": "schema that unqualified names in queries are looked up in",
    "cache": "folder of cached query results (default: .brickloop/cache in the project)",
    "cache_ttl": "seconds that a cached query result is good for",
    "cache_size": "most megabytes that cached query results may take",
    "force": "anything: send to a protected target also what is not committed",
    "local.engine": "Spark Connect server that the local workspace runs on: sc://host:port",
}

SAID_EACH_TIME = frozenset({"force"})
"""Settings that only a variable and a flag give: in a file they would be forgotten."""


@dataclass(frozen=True)
class Settings:
    """The settings of one project."""

    root: Path
    """The project's folder."""
    values: Mapping[str, Value]
    project: str = "project"
    """The project's name."""
    target: NamedTarget | None = None
    """The target that was chosen, None where none is."""
    targets: Mapping[str, NamedTarget] = field(default_factory=dict)
    """All targets of the project."""
    default_target: str | None = None
    """The target that is meant where none is named."""
    target_is_named: bool = False
    """Whether a flag or a variable chose the target."""

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
                hint=f"set {name} in pyproject.toml [tool.brickloop], or {variable_of(name)}",
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
    def is_protected(self) -> bool:
        """Whether the target that was chosen takes only what is committed."""
        return self.target is not None and self.target.is_protected

    @property
    def other_targets(self) -> frozenset[str]:
        """The names of the targets that have a folder of their own among these outputs."""
        if self.target is not None and self.target.name != self.default_target:
            return frozenset()
        return frozenset(self.targets) - {self.default_target or ""}

    @property
    def state_folder(self) -> Path:
        """Where the project's own state is kept: ledger, runs, the local workspace."""
        return self.root / ".brickloop"


def find_root(start: Path) -> Path:
    """The project's folder: the nearest one upwards with a dodo.py, tasks.py or pyproject.toml.

    Where there is none, the nearest one with a databricks.yml, else ``start`` itself.
    """
    start = start.resolve()
    for names in (("dodo.py", "tasks.py", FILE_NAME), BUNDLE_NAMES):
        for folder in (start, *start.parents):
            if any((folder / name).is_file() for name in names):
                return folder
    return start


def variable_of(name: str) -> str:
    """The variable of the environment that gives a setting."""
    return f"BRICKLOOP_{name.replace('.', '_').upper()}"


def load_settings(
    root: Path,
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, str | Value | None] | None = None,
) -> Settings:
    """The settings that hold in a project, each with its source.

    ``overrides`` win; a text among them is a flag. Raises SettingsError for a file that is no TOML,
    an unknown name in it, a value of a wrong kind, or a target that is none.
    """
    environment = os.environ if env is None else env
    tables = read_tables(root, set(DEFAULTS) - SAID_EACH_TIME)
    bundle = read_bundle(root, environment)
    variables = {
        name: Value(environment[variable_of(name)], variable_of(name))
        for name in DEFAULTS
        if environment.get(variable_of(name))
    }
    flags = {
        name: value if isinstance(value, Value) else Value(value, f"--{name.replace('_', '-')}")
        for name, value in {**given_flags(), **_given(overrides or {})}.items()
    }
    usual = tables.values.get("target") or bundle.default
    choice = flags.get("target") or variables.get("target") or usual
    targets = _joined(tables.targets, bundle.targets)
    for named in (usual, choice):
        _check_known(targets, named, root, bundle.file)
    target = targets[choice.value] if choice and choice.value else None
    values = {name: Value(default, "default") for name, default in DEFAULTS.items()}
    values["target"] = choice or values["target"]
    layers = [bundle.values, tables.values, target.values if target else {}, variables, flags]
    if target and choice is bundle.default:
        # only databricks.yml means it, so what it says there gives way to [tool.brickloop]
        own = tables.targets.get(target.name)
        layers[:3] = [bundle.targets[target.name].values, tables.values, own.values if own else {}]
    for layer in layers:
        values = laid(values, layer)
    default = usual.value if usual else None
    if target and target.name != default and "outputs" not in {*target.values, *variables, *flags}:
        # what a target left is not taken for what another one did
        place = values["outputs"]
        values["outputs"] = Value(f"{place.value}/{target.name}", f"{place.source}, per target")
    project = tables.project or bundle.name or root.resolve().name or "project"
    return Settings(root, values, project, target, targets, default, choice is not usual)


def _given(overrides: Mapping[str, str | Value | None]) -> dict[str, str | Value]:
    return {name: value for name, value in overrides.items() if value is not None}


def _joined(
    ours: Mapping[str, NamedTarget], theirs: Mapping[str, NamedTarget]
) -> dict[str, NamedTarget]:
    """All targets; of one that both files have, the first file's settings win."""
    found = {**theirs, **ours}
    return {
        name: target.above(theirs[name]) if name in ours and name in theirs else target
        for name, target in found.items()
    }


def _check_known(
    targets: Mapping[str, NamedTarget], choice: Value | None, root: Path, bundle: str
) -> None:
    if choice is None or not choice.value or choice.value in targets:
        return
    listed = f"the targets are: {', '.join(sorted(targets))}" if targets else "there are none"
    raise SettingsError(
        f"there is no target '{choice.value}' ({choice.source}); {listed}",
        where=f"{root / FILE_NAME}{f', {bundle}' if bundle else ''}",
        hint=f"a target is a table: [tool.brickloop.targets.{choice.value}]",
    )
