"""Why a notebook depends on what it depends on: each edge with the line that says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from brickloop.flows.edges import Edge, short_name
from brickloop.flows.project import Project, ProjectFile
from brickloop.model.references import Kind, Place

_VERBS = {
    Kind.RUN: "includes",
    Kind.CALL: "calls",
    Kind.IMPORT: "imports",
    Kind.PATH: "names",
}


@dataclass(frozen=True)
class Because:
    """One reason why a notebook depends on something."""

    source: str
    """The notebook or file that it depends on."""
    kind: str
    """``table``, ``run``, ``call``, ``import`` or ``path``."""
    what: str
    """The table, or what was written in the text."""
    file: str
    """The file that says so; empty where runs were seen to do it, or the dodo.py declares it."""
    cell: int
    line: int
    text: str
    """All of it as one sentence."""

    def to_json(self) -> dict[str, Any]:
        """The reason as JSON types."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "text"}


def edges_of(project: Project, name: str) -> list[Because]:
    """Every edge that leads to a notebook: first the tables, then the files it reaches."""
    found = [
        _table_edge(project, name, maker, table)
        for maker, tables in project.tables.edges_of(name).items()
        for table in tables
    ]
    members = [name, *(one for one in project.reaches[name])]
    for member in members:
        if project.links is not None:
            found += [_file_edge(project, edge) for edge in project.links.file_edges(member)]
    return list({(one.source, one.kind, one.what, one.file): one for one in found}.values())


def unresolved_in(project: Project, names: list[str]) -> Iterator[str]:
    """A line for each place where something is named that is computed at run time."""
    for name in dict.fromkeys(
        member for top in names for member in (top, *project.reaches.get(top, ()))
    ):
        file = project.files[name]
        for reference in file.facts.references:
            if reference.kind is Kind.UNRESOLVED:
                yield f"{_where(file, reference.place)}: {reference.target}"


def _table_edge(project: Project, name: str, maker: str, table: str) -> Because:
    reader = _place_of(project, name, Kind.READ, table)
    writer = _place_of(project, maker, Kind.WRITE, table)
    file, place = reader or (None, Place(0, 0))
    says = f"reads {table}{_in(file, place)}" if file else f"was seen to read {table}"
    makes = f"which {maker} writes{_in(*writer)}" if writer else f"which {maker} was seen to write"
    return Because(
        maker,
        "table",
        table,
        file.relative if file else "",
        place.cell,
        place.line,
        f"{says}, {makes}",
    )


def _place_of(
    project: Project, name: str, kind: Kind, table: str
) -> tuple[ProjectFile, Place] | None:
    for member in (name, *project.reaches[name]):
        file = project.files[member]
        for reference in file.facts.references:
            if reference.kind is kind and short_name(reference.target) == short_name(table):
                return file, reference.place
    return None


def _file_edge(project: Project, edge: Edge) -> Because:
    file = project.files[edge.target]
    source = project.files[edge.source].relative
    if edge.place.line:
        text = f"{_VERBS[edge.kind]} {source}{_in(file, edge.place)}"
    else:
        text = f"was seen to read {source}, or is declared to"
    shown = file.relative if edge.place.line else ""
    return Because(
        edge.source, edge.kind.value, edge.what, shown, edge.place.cell, edge.place.line, text
    )


def _in(file: ProjectFile, place: Place) -> str:
    return f" ({_where(file, place)})"


def _where(file: ProjectFile, place: Place) -> str:
    """A place as editors understand it, with the cell where there are cells."""
    cell = f", cell {place.cell}" if place.cell else ""
    return f"{file.relative}:{place.line}{cell}"
