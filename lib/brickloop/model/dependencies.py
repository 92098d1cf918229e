"""What a notebook or module depends on, read from its text: a first graph, never a sound one.

Names that are computed at run time cannot be seen here; where a place is known at which one is
used, it is listed as unresolved.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from brickloop.model.notebook import Cell, CellKind, Notebook
from brickloop.model.python_references import Known, PythonScan
from brickloop.model.references import Kind, Place, Reference
from brickloop.model.sql_references import TableScope, scan_sql

_NOT_RUN = {CellKind.MARKDOWN, CellKind.EMPTY, CellKind.SKIP}
_RUN_TARGET = re.compile(r"^\s*(\"[^\"]*\"|'[^']*'|\S+)")


Row = tuple[str, str, int, int]
"""A reference as plain values: kind, target, cell, line."""


@dataclass(frozen=True)
class Facts:
    """What one file says about what it needs and makes."""

    code: str = ""
    """Hash of what is run; titles, Markdown and blank space between cells do not enter."""
    cells: tuple[tuple[int, str], ...] = ()
    """Of each cell that is run: its number, counted from 1, and the hash of its code."""
    rows: tuple[Row, ...] = ()
    """The references as plain values: a large project has a hundred thousand of them."""

    @property
    def references(self) -> list[Reference]:
        """What the file names, in its order."""
        return [
            Reference(Kind(kind), name, Place(cell, line)) for kind, name, cell, line in self.rows
        ]

    def targets(self, kind: Kind) -> list[str]:
        """What is named by references of a kind, each once, in their order."""
        return list(dict.fromkeys(row[1] for row in self.rows if row[0] == kind.value))

    def to_json(self) -> list[Any]:
        """The facts as JSON types."""
        return [self.code, self.cells, self.rows]

    @classmethod
    def from_json(cls, data: list[Any]) -> Facts:
        """The facts that ``to_json`` gave."""
        return cls(data[0], data[1], data[2])


def scan_notebook(notebook: Notebook) -> Facts:
    """The facts of a notebook, cell by cell."""
    digest = hashlib.sha256()
    cells: list[tuple[int, str]] = []
    run = [cell for cell in notebook.cells if cell.kind not in _NOT_RUN]
    known = Known.of(cell.source for cell in run if cell.kind is CellKind.PYTHON)
    scope = TableScope()
    found: list[Reference] = []
    for cell in run:
        text = f"{cell.kind.value}\0{cell.source.strip()}\0".encode()
        digest.update(text)
        cells.append((cell.index + 1, hashlib.sha256(text).hexdigest()[:16]))
        found += _cell_references(cell, known, scope)
    return Facts(digest.hexdigest(), tuple(cells), _rows(scope, found))


def scan_module(source: str) -> Facts:
    """The facts of a Python module."""
    scope = TableScope()
    scan = PythonScan(Known.of([source]), scope, Place(0, 1))
    found = scan.references(source)
    return Facts(hashlib.sha256(source.encode()).hexdigest(), rows=_rows(scope, found))


def _cell_references(cell: Cell, known: Known, scope: TableScope) -> list[Reference]:
    place = Place(cell.index + 1, cell.line or 1)
    if cell.kind is CellKind.RUN:
        target = _RUN_TARGET.match(cell.source)
        return [Reference(Kind.RUN, target.group(1).strip("\"'"), place)] if target else []
    if cell.kind is CellKind.PIP:
        # an install may have code below it
        code = "pass" + cell.source.partition("\n")[1] + cell.source.partition("\n")[2]
        return PythonScan(known, scope, place).references(code)
    if cell.kind is CellKind.PYTHON:
        return PythonScan(known, scope, place).references(cell.source)
    if cell.kind is CellKind.SQL:
        return scan_sql(cell.source, scope, place)
    return []


def _rows(scope: TableScope, references: Iterable[Reference]) -> tuple[Row, ...]:
    return tuple(
        (found.kind.value, found.target, found.place.cell, found.place.line)
        for found in scope.settled(tuple(dict.fromkeys(references)))
    )
