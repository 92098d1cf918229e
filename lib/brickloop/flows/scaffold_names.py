"""What a new project is called, in each place that has rules of its own for names."""

from __future__ import annotations

import keyword
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from brickloop.errors import UsageError

_ALLOWED = re.compile(r"[^\W_][\w .-]*")
_LONGEST = 60
_HINT = "take letters, digits, '-', '_' and '.', such as: my_project"
_PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
_DEVICES = {"con", "prn", "aux", "nul", *_PORTS}
_TAKEN = {"default", "global_temp", "information_schema", "main", "samples", "system"}
"""Schemas and catalogs that a workspace has, or that mean something to it."""


@dataclass(frozen=True)
class ProjectName:
    """One name in the forms that a project needs."""

    given: str
    """As it was typed: what the folder is called."""
    identifier: str
    """For schemas, modules and workspace folders: ``my_project``."""
    distribution: str
    """For ``[project] name``: ``my-project``; never that of a package that is installed."""
    title: str
    """For people: ``My project``."""


def project_name(given: str) -> ProjectName:
    """The forms of a project's name.

    Raises UsageError for what is no name: empty, too long, a path, or with characters that a
    folder, a schema or a package cannot have.
    """
    plain = unicodedata.normalize("NFKD", given.strip())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    if not plain:
        raise UsageError("the project has no name", hint=_HINT)
    if len(plain) > _LONGEST:
        raise UsageError(
            f"the name has {len(plain)} characters, more than {_LONGEST}", hint="take a shorter one"
        )
    if not plain.isascii() or not _ALLOWED.fullmatch(plain) or plain.endswith("."):
        raise UsageError(f"'{given}' is no name for a project", hint=_HINT)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", plain) if word]
    identifier = "_".join(words).lower()
    if identifier in _DEVICES:
        raise UsageError(f"'{given}' is the name of a device on Windows", hint=_HINT)
    distribution = "-".join(words).lower()
    if _is_taken(identifier):
        identifier, distribution = f"{identifier}_project", f"{distribution}-project"
    if identifier[0].isdigit():
        identifier = f"p_{identifier}"
    title = " ".join(word for word in re.split(r"[\W_]+", given) if word)
    return ProjectName(given.strip(), identifier, distribution, title[0].upper() + title[1:])


def _is_taken(identifier: str) -> bool:
    """Whether the name means something already, to Python, to SQL or to an installer."""
    checks: tuple[Callable[[], bool], ...] = (
        lambda: keyword.iskeyword(identifier),
        lambda: identifier in _TAKEN,
        lambda: identifier in sys.stdlib_module_names,
        lambda: _is_installed(identifier),
    )
    return any(check() for check in checks)


def _is_installed(identifier: str) -> bool:
    try:
        metadata.distribution(identifier.replace("_", "-"))
    except metadata.PackageNotFoundError:
        return False
    return True
