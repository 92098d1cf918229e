"""References: what a line of a notebook or module names, and where that line is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What a reference means."""

    RUN = "run"
    """A notebook that ``%run`` includes."""
    CALL = "call"
    """A notebook that ``dbutils.notebook.run`` calls."""
    IMPORT = "import"
    """A module; dotted, leading dots as written."""
    PATH = "path"
    """A text that may name a file."""
    READ = "read"
    """A table that is read, or must be there: ``schema.table`` or ``catalog.schema.table``."""
    WRITE = "write"
    """A table that is made or changed."""
    UNRESOLVED = "unresolved"
    """Something is named here that is computed at run time."""


@dataclass(frozen=True)
class Place:
    """A place in a file."""

    cell: int
    """Counted from 1; 0 in a module."""
    line: int
    """Line of the file, or of the cell in an .ipynb, counted from 1."""

    def below(self, line: int) -> Place:
        """The place of a line of the text that begins here, counted from 1."""
        return Place(self.cell, self.line + line - 1)


@dataclass(frozen=True)
class Reference:
    """One thing that is named at one place."""

    kind: Kind
    target: str
    place: Place
