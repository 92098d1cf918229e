"""A setting's value, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """A setting and the place it came from."""

    value: str | None
    source: str
    """``default``, ``pyproject.toml [tool.brickloop]``, a variable's name or a flag."""
