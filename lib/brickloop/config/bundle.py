"""``databricks.yml``, the file of a Databricks Asset Bundle: workspace and targets are taken.

Of a bundle brickloop reads ``bundle.name``, ``variables``, ``workspace`` and ``targets``, each with
``workspace.host``, ``profile`` and ``root_path``, ``mode``, ``default`` and ``variables``; its
resources, and files that it includes, are left to the Databricks CLI. References are filled in as
far as they are known before anyone is asked; what is not stays in its braces, and is an error where
it is used.
Settings: https://docs.databricks.com/aws/en/dev-tools/bundles/settings
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brickloop.config.named_target import NamedTarget, check_name
from brickloop.config.value import Value
from brickloop.errors import SettingsError

FILE_NAMES = ("databricks.yml", "databricks.yaml")
_REFERENCE = re.compile(r"\$\{([A-Za-z0-9_.\-\[\]]+)\}")
_DEEPEST = 10
"""How often a value may refer to another one before that is taken for a circle."""
_SETTINGS = {"host": "host", "profile": "profile", "root_path": "folder"}


@dataclass(frozen=True)
class Bundle:
    """What a databricks.yml says of workspace and targets."""

    name: str = ""
    file: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    """What holds where no target is chosen."""
    targets: Mapping[str, NamedTarget] = field(default_factory=dict)
    default: Value | None = None
    """The target that is meant where none is named."""


def read_bundle(root: Path, env: Mapping[str, str]) -> Bundle:
    """What the databricks.yml of a folder says; an empty one where there is none.

    ``env`` may give variables, as ``BUNDLE_VAR_name``. Raises SettingsError for a file that is no
    YAML, with its line, and for values of a wrong kind.
    """
    for name in FILE_NAMES:
        path = root / name
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot be read: {error}", where=str(path)) from None
        reader = _Reader(path, env)
        return reader.bundle(reader.table(_parse(path, text), ""))
    return Bundle()


def _parse(path: Path, text: str) -> Any:
    # only where there is such a file: most projects have none
    import yaml

    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
        raise SettingsError(
            f"is no valid YAML: {what}",
            where=f"{path}:{mark.line + 1}" if mark is not None else str(path),
            hint="correct the file and try again",
        ) from None


@dataclass(frozen=True)
class _Reader:
    path: Path
    env: Mapping[str, str]

    def bundle(self, data: Mapping[str, Any]) -> Bundle:
        """The whole file."""
        head = self.table(data.get("bundle"), "bundle")
        name = self.text(head.get("name"), "bundle.name") or ""
        variables = self.table(data.get("variables"), "variables")
        workspace = self.table(data.get("workspace"), "workspace")
        key = "targets" if "targets" in data else "environments"
        targets: dict[str, NamedTarget] = {}
        defaults: list[str] = []
        for given, table in self.table(data.get(key), key).items():
            check_name(str(given), f"{self.path}, {key}")
            where = f"{key}.{given}"
            content = self.table(table, where)
            targets[str(given)] = self._target(
                name, str(given), where, content, variables, workspace
            )
            if content.get("default") is True:
                defaults.append(str(given))
        if len(defaults) > 1:
            raise SettingsError(
                f"{' and '.join(defaults)} are both the default target", where=str(self.path)
            )
        # the only target is the one that is meant
        usual = defaults or (list(targets) if len(targets) == 1 else [])
        scope = _Scope(name, "", variables, {}, self.env)
        return Bundle(
            name,
            self.path.name,
            self._values(workspace, "workspace", scope),
            targets,
            Value(usual[0], self.path.name) if usual else None,
        )

    def table(self, value: Any, where: str) -> Mapping[str, Any]:
        """The value, or an empty table for nothing; raises SettingsError for another kind."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise SettingsError(f"{where or 'it'} is not a mapping", where=str(self.path))
        return value

    def text(self, value: Any, where: str) -> str | None:
        """The value; raises SettingsError for what is no text."""
        if value is None or isinstance(value, str):
            return value
        raise SettingsError(f"{where} is not text", where=str(self.path))

    def _target(
        self,
        bundle: str,
        name: str,
        where: str,
        table: Mapping[str, Any],
        variables: Mapping[str, Any],
        workspace: Mapping[str, Any],
    ) -> NamedTarget:
        own = self.table(table.get("variables"), f"{where}.variables")
        theirs = self.table(table.get("workspace"), f"{where}.workspace")
        scope = _Scope(bundle, name, variables, own, self.env)
        mode = self.text(table.get("mode"), f"{where}.mode")
        source = f"{self.path.name} {where}"
        return NamedTarget(
            name,
            source,
            self._values({**workspace, **theirs}, f"{where}.workspace", scope),
            protected=Value("true", f"{source}.mode") if mode == "production" else None,
        )

    def _values(self, table: Mapping[str, Any], where: str, scope: _Scope) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key, name in _SETTINGS.items():
            text = self.text(table.get(key), f"{where}.{key}")
            if text:
                found[name] = Value(scope.filled(text), f"{self.path.name} {where}")
        return found


@dataclass(frozen=True)
class _Scope:
    """What references mean on one target."""

    bundle: str
    target: str
    variables: Mapping[str, Any]
    own: Mapping[str, Any]
    """The target's own variables."""
    env: Mapping[str, str]

    def filled(self, text: str, depth: int = 0) -> str:
        """The text with every reference replaced whose value is known."""

        def fill(match: re.Match[str]) -> str:
            value = self._value(match[1])
            if value is None or depth == _DEEPEST:
                return match[0]
            return self.filled(value, depth + 1)

        return _REFERENCE.sub(fill, text)

    def _value(self, name: str) -> str | None:
        if name == "bundle.name":
            return self.bundle or None
        if name in {"bundle.target", "bundle.environment"}:
            return self.target or None
        for start, end in (("var.", ""), ("variables.", ".value")):
            if name.startswith(start) and name.endswith(end):
                return self._variable(name[len(start) : len(name) - len(end)])
        return None

    def _variable(self, name: str) -> str | None:
        typed = self.env.get(f"BUNDLE_VAR_{name}")
        if typed is not None:
            return typed
        for given in (self.own.get(name), self.variables.get(name)):
            value = given.get("default") if isinstance(given, dict) else given
            if isinstance(value, bool):
                return str(value).lower()
            if isinstance(value, str | int | float):
                return str(value)
        return None
