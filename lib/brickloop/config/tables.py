"""``[tool.brickloop]`` of a pyproject.toml: its settings, the tables in it, and the targets."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brickloop.config.named_target import NamedTarget, check_name
from brickloop.config.value import Value
from brickloop.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # the same module, before it joined the standard library

FILE_NAME = "pyproject.toml"
SWITCHES = frozenset({"as_job", "offline"})
"""Settings that may be true or false."""
PER_PROJECT = frozenset({"target", "cache", "cache_size"})
"""Settings that are the same on every target, as are those of tables such as ``local``."""


@dataclass(frozen=True)
class Tables:
    """What a pyproject.toml says of brickloop."""

    project: str = ""
    """``[project] name``, empty where there is none."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """The settings; one of a table in the table has a name such as ``local.engine``."""
    targets: Mapping[str, NamedTarget] = field(default_factory=dict)


def read_tables(root: Path, known: Collection[str]) -> Tables:
    """What the pyproject.toml of a project says; ``known`` are the settings that there are.

    Raises SettingsError for a file that is no TOML, an unknown name, or a value of a wrong kind.
    """
    path = root / FILE_NAME
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Tables()
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"is no valid TOML: {error}", where=str(path), hint="correct the file and try again"
        ) from None
    reader = _Reader(str(path), frozenset(known))
    table = reader.table(data.get("tool", {}), "tool").get("brickloop", {})
    table = dict(reader.table(table, "tool.brickloop"))
    targets = reader.targets(table.pop("targets", {}))
    name = reader.table(data.get("project", {}), "project").get("name")
    project = name if isinstance(name, str) else ""
    return Tables(project, reader.values(table, "tool.brickloop"), targets)


@dataclass(frozen=True)
class _Reader:
    where: str
    known: frozenset[str]

    def values(self, table: Mapping[str, Any], title: str, prefix: str = "") -> dict[str, Value]:
        """The settings of a table and of the tables in it."""
        found: dict[str, Value] = {}
        for key, value in table.items():
            name = f"{prefix}{key}"
            inner = any(one.startswith(f"{name}.") for one in self.known)
            if inner and isinstance(value, dict):
                found.update(self.values(value, f"{title}.{key}", f"{name}."))
                continue
            if name not in self.known or inner:
                raise self._unknown(key, title, prefix)
            found[name] = Value(self._text(name, value, title), f"{FILE_NAME} [{title}]")
        return found

    def targets(self, table: Any) -> dict[str, NamedTarget]:
        """The targets, each with its settings."""
        title = "tool.brickloop.targets"
        found: dict[str, NamedTarget] = {}
        for name, given in self.table(table, title).items():
            check_name(name, f"{self.where} [{title}]")
            found[name] = self._target(name, dict(self.table(given, f"{title}.{name}")))
        return found

    def table(self, value: Any, title: str) -> Mapping[str, Any]:
        """The value; raises SettingsError where it is no table."""
        if not isinstance(value, dict):
            raise SettingsError(f"{title} is no table", where=self.where, hint=f"write [{title}]")
        return value

    def _target(self, name: str, table: dict[str, Any]) -> NamedTarget:
        title = f"tool.brickloop.targets.{name}"
        parameters = self.table(table.pop("parameters", {}), f"{title}.parameters")
        try:
            json.dumps(parameters)
        except (TypeError, ValueError):
            raise SettingsError(
                f"[{title}.parameters] holds a value that JSON does not have, such as a date",
                where=self.where,
                hint="write it as text, in quotes",
            ) from None
        protected = table.pop("protected", None)
        if protected is not None and not isinstance(protected, bool):
            raise SettingsError(f"[{title}] protected is not true or false", where=self.where)
        reader = _Reader(self.where, self.known - PER_PROJECT - {n for n in self.known if "." in n})
        source = f"{FILE_NAME} [{title}]"
        return NamedTarget(
            name,
            source,
            reader.values(table, title),
            parameters,
            None if protected is None else Value(str(protected).lower(), source),
        )

    def _text(self, name: str, value: Any, title: str) -> str:
        if name == "compute" and isinstance(value, dict):
            # a job cluster's settings as a table: what --compute takes as JSON
            return json.dumps(value)
        if isinstance(value, bool) and name in SWITCHES:
            return str(value).lower()
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SettingsError(f"[{title}] {name} must be text or a number", where=self.where)
        return str(value)

    def _unknown(self, key: str, title: str, prefix: str) -> SettingsError:
        names = {one[len(prefix) :] for one in self.known if one.startswith(prefix)}
        tables = {f"[{title}.{one.partition('.')[0]}]" for one in names if "." in one}
        if title == "tool.brickloop":
            tables.add(f"[{title}.targets.NAME]")
        elif title.startswith("tool.brickloop.targets."):
            names |= {"parameters", "protected"}
        listed = [*sorted(one for one in names if "." not in one), *sorted(tables)]
        return SettingsError(
            f"[{title}] has no setting '{key}'",
            where=self.where,
            hint=f"the settings are: {', '.join(listed)}",
        )
