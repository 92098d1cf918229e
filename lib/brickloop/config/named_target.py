"""A target: a name for a workspace, a folder in it, and what differs there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brickloop.config.value import Value
from brickloop.errors import SettingsError

PRODUCTION = "prod"
"""The target that is protected unless it says otherwise."""
NAME_PATTERN = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""What a target may be called, as a regular expression."""


@dataclass(frozen=True)
class NamedTarget:
    """One of the targets of a project."""

    name: str
    source: str
    """The table that it stands in."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """The settings that hold on it."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Notebooks' parameters: a value is for all notebooks, a mapping for the one of that name."""
    protected: Value | None = None
    """``true`` or ``false``; None where nothing was said."""

    @property
    def is_protected(self) -> bool:
        """Whether only what is committed is sent to it."""
        if self.protected is None:
            return self.name == PRODUCTION
        return self.protected.value == "true"

    def parameters_of(self, notebook: str) -> dict[str, Any]:
        """The parameters that a notebook gets on this target; its own win over those of all."""
        common = {
            name: value for name, value in self.parameters.items() if not isinstance(value, dict)
        }
        own = self.parameters.get(notebook)
        return {**common, **own} if isinstance(own, dict) else common

    @property
    def notebooks(self) -> list[str]:
        """The notebooks that parameters of their own are given for."""
        return [name for name, value in self.parameters.items() if isinstance(value, dict)]

    def above(self, other: NamedTarget) -> NamedTarget:
        """Both as one, where this one wins."""
        return NamedTarget(
            self.name,
            self.source,
            laid(other.values, self.values),
            {**other.parameters, **self.parameters},
            self.protected or other.protected,
        )


def check_name(name: str, where: str) -> None:
    """Raise SettingsError for what cannot be a target's name: it becomes part of folders' names."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise SettingsError(
            f"'{name}' cannot be the name of a target",
            where=where,
            hint="letters, digits, '_', '-' and '.' can be in it",
        )


def laid(below: Mapping[str, Value], above: Mapping[str, Value]) -> dict[str, Value]:
    """Settings with others laid over them.

    ``profile`` and ``host`` say one thing, the workspace: whoever gives one of them takes the
    other one away, so that no layer's host is met with another layer's credentials.
    """
    found = {**below, **above}
    if "profile" in above or "host" in above:
        for name in {"profile", "host"} - set(above):
            found[name] = Value(None, next(iter(above.values())).source)
    return found
