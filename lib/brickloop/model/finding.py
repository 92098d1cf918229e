"""What a check found: facts, and what is not as it should be with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Severity(str, Enum):
    """How much a finding matters."""

    ERROR = "error"
    """Something will not work."""
    WARNING = "warning"
    """Something may not work, or not as meant."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    severity: Severity
    what: str
    do: str | None = None
    """What the person can do about it, as a phrase or a command."""
    exit_code: int = 1
    """What an error ends the command with: 2 for settings, 3 for a workspace out of reach."""


@dataclass(frozen=True)
class Checked:
    """What one check gave."""

    facts: dict[str, Any] = field(default_factory=dict)
    """In JSON types, without secrets."""
    findings: tuple[Finding, ...] = ()


def error(what: str, do: str | None = None, *, exit_code: int = 1) -> Finding:
    """A finding of something that will not work."""
    return Finding(Severity.ERROR, what, do, exit_code)


def warning(what: str, do: str | None = None) -> Finding:
    """A finding of something that may not work."""
    return Finding(Severity.WARNING, what, do)


def note(what: str, do: str | None = None) -> Finding:
    """A finding that is worth knowing."""
    return Finding(Severity.NOTE, what, do)
