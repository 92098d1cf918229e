"""How the files of a project hang together: who needs what, who comes before whom, and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from brickloop.errors import UsageError
from brickloop.model.references import Kind, Place

if TYPE_CHECKING:
    from brickloop.flows.project import ProjectFile

_NO_PLACE = Place(0, 0)


@dataclass(frozen=True)
class Edge:
    """One reason why something comes before something else."""

    source: str
    """What is needed: a file, or the notebook that makes a table."""
    target: str
    """Who needs it."""
    kind: Kind
    what: str
    """The table, or what was written: the module, the path, the notebook's name."""
    place: Place
    """Where in the target's file; line 0 where a run or a dodo.py said so."""


@dataclass(frozen=True)
class Observed:
    """What a run was seen to do, or what a dodo.py declares."""

    reads: tuple[str, ...] = ()
    """Tables, as ``schema.table`` or ``catalog.schema.table`` in small letters."""
    writes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Names of files of the project."""
    code: str = ""
    """Hash of the code that was seen to do it; empty for what is declared."""

    def holds_for(self, file: ProjectFile) -> bool:
        """Whether it is known of a file as it is now, and not of what it was before."""
        return not self.code or self.code == file.facts.code

    def joined(self, other: Observed) -> Observed:
        """Both together."""
        return Observed(
            tuple(dict.fromkeys((*self.reads, *other.reads))),
            tuple(dict.fromkeys((*self.writes, *other.writes))),
            tuple(dict.fromkeys((*self.files, *other.files))),
            self.code or other.code,
        )


_UNNAMED_SCHEMA = "default."


class Links:
    """The edges between the files of a project."""

    def __init__(
        self, files: Mapping[str, ProjectFile], observed: Mapping[str, Observed] | None = None
    ) -> None:
        self._files = files
        self._observed = observed or {}
        self._direct = {name: self._needs(file) for name, file in files.items()}

    def included(self) -> set[str]:
        """Notebooks that are a part of another one, by ``%run``."""
        return {
            name
            for file in self._files.values()
            for name in _included(file, self._files)
            if file.is_notebook and name != file.name
        }

    def reached_by(self, start: str) -> tuple[str, ...]:
        """The files that a notebook's run depends on, itself left out; in order of name."""
        found: set[str] = set()
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self._direct[name]
        found.discard(start)
        return tuple(sorted(found))

    def file_edges(self, name: str) -> list[Edge]:
        """The edges from the files that one file names itself, each with its place."""
        file = self._files[name]
        found = list(_file_edges(file, self._files))
        seen = {edge.source for edge in found}
        known = self._observed.get(name, Observed())
        for other in known.files if known.holds_for(file) else ():
            if other in self._files and other not in seen and other != name:
                found.append(Edge(other, name, Kind.PATH, other, _NO_PLACE))
        return found

    def _needs(self, file: ProjectFile) -> list[str]:
        return list(dict.fromkeys(edge.source for edge in self.file_edges(file.name)))


@dataclass(frozen=True)
class TableUse:
    """Who reads and who writes which table, notebook by notebook."""

    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each notebook the tables that it reads, with all that it includes and imports."""
    writers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def edges_of(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """Who makes what one notebook reads: the maker, and the tables in question."""
        return self.edges.get(name, {})

    def makers_of(self, tables: Iterable[str], reader: str) -> dict[str, tuple[str, ...]]:
        """Who else makes some tables: the maker, and which of them."""
        found: dict[str, list[str]] = {}
        for table in tables:
            for maker, made in self._makers.get(short_name(table), ()):
                if maker != reader and _same_table(made, table):
                    found.setdefault(maker, []).append(table)
        return {maker: _each_once(found[maker]) for maker in sorted(found)}

    def has_one_maker(self, table: str) -> bool:
        """Whether no more than one notebook makes or changes a table."""
        return len({maker for maker, _ in self._makers.get(short_name(table), ())}) <= 1

    @cached_property
    def _makers(self) -> dict[str, list[tuple[str, str]]]:
        makers: dict[str, list[tuple[str, str]]] = {}
        for name, tables in self.writers.items():
            for table in tables:
                makers.setdefault(short_name(table), []).append((name, table))
        return makers

    @cached_property
    def edges(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """For each notebook who makes what it reads: the maker, and the tables in question.

        Two notebooks that both read and write a table say nothing about their order.
        """
        reads, written = _short_names(self.readers), _short_names(self.writers)
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for name, tables in self.readers.items():
            plain = [table for table in tables if short_name(table) not in written.get(name, ())]
            before = self.makers_of(plain, name)
            # of a table that it changes itself, only who does not read it comes before
            for maker, changed in self.makers_of(set(tables) - set(plain), name).items():
                others = [one for one in changed if short_name(one) not in reads.get(maker, ())]
                if others:
                    before[maker] = tuple(sorted({*before.get(maker, ()), *others}))
            found[name] = dict(sorted(before.items()))
        return found


def table_use(
    tops: Iterable[str],
    reaches: Mapping[str, tuple[str, ...]],
    files: Mapping[str, ProjectFile],
    observed: Mapping[str, Observed],
) -> TableUse:
    """The tables that each notebook reads and writes, by its text and by what its runs did."""

    def all_of(name: str, kind: Kind) -> tuple[str, ...]:
        found = {
            table for member in (name, *reaches[name]) for table in files[member].targets(kind)
        }
        seen = observed.get(name)
        if seen is not None and seen.holds_for(files[name]):
            found.update(seen.reads if kind is Kind.READ else seen.writes)
        return tuple(sorted(found))

    names = list(tops)
    return TableUse(
        {name: all_of(name, Kind.READ) for name in names},
        {name: all_of(name, Kind.WRITE) for name in names},
    )


def direct_needs(file: ProjectFile, files: Mapping[str, ProjectFile]) -> list[str]:
    """The names of the files that one file names itself, each once."""
    return list(dict.fromkeys(edge.source for edge in _file_edges(file, files)))


def in_order(
    upstream: Mapping[str, Iterable[str]],
    where: str,
    why: Callable[[str, str], str] | None = None,
) -> dict[str, tuple[str, ...]]:
    """The notebooks with their upstream, each after those it depends on.

    Raises UsageError that draws the loop where they depend on each other in a circle; ``why`` says
    of a notebook, and of one that it depends on, how that comes.
    """
    ordered: dict[str, tuple[str, ...]] = {}
    for start in upstream:
        # by hand: a chain may be longer than Python's stack
        path: list[str] = []
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            name, done = waiting.pop()
            if done:
                path.pop()
                ordered[name] = tuple(upstream[name])
                continue
            if name in ordered:
                continue
            if name in path:
                loop = [*path[path.index(name) :], name]
                raise UsageError(
                    f"notebooks depend on each other in a circle: {' -> '.join(loop)}"
                    + "".join(_drawn_loop(loop, why) if why else ()),
                    where=where,
                    hint="let one of them write another table, or join the two notebooks",
                )
            path.append(name)
            waiting.append((name, True))
            waiting += [(before, False) for before in reversed(tuple(upstream[name]))]
    return ordered


def reading(
    name: str, maker: str, tables: Iterable[str], members: Mapping[str, Iterable[ProjectFile]]
) -> str:
    """How a notebook comes to depend on another one, as a sentence with lines where texts say so.

    ``members`` are for each notebook its own file and those that it reaches.
    """
    told = []
    for table in tables:
        reads = _line_of(Kind.READ, table, members[name])
        writes = _line_of(Kind.WRITE, table, members[maker])
        told.append(f"{name} reads {table}{reads}, which {maker} writes{writes}")
    return "; ".join(told)


def _line_of(kind: Kind, table: str, files: Iterable[ProjectFile]) -> str:
    for file in files:
        for row_kind, target, _, line in file.facts.rows:
            if row_kind == kind.value and short_name(target) == short_name(table):
                return f" ({file.relative}:{line})"
    return ""


def _drawn_loop(loop: list[str], why: Callable[[str, str], str]) -> Iterator[str]:
    pairs = list(pairwise(loop))
    for number, (name, before) in enumerate(pairs):
        edge = "└─" if number + 1 == len(pairs) else "├─" if number else "┌─"
        yield f"\n  {edge} {why(name, before)}"


def _file_edges(file: ProjectFile, files: Mapping[str, ProjectFile]) -> Iterator[Edge]:
    folder = _folder_of(file)
    for kind, target, cell, line in file.facts.rows:
        if kind == "run" or kind == "call":
            candidates = [_beside(folder, target)]
            notebook = True
        elif kind == "import":
            candidates = list(_module_files(target, folder))
            notebook = False
        elif kind == "path":
            candidates = [_beside(folder, target), _beside("", target)]
            notebook = False
        else:
            continue
        for name in candidates:
            other = files.get(name)
            if other is not None and other.is_notebook == notebook and name != file.name:
                yield Edge(name, file.name, Kind(kind), target, Place(cell, line))


def _included(file: ProjectFile, files: Mapping[str, ProjectFile]) -> list[str]:
    folder = _folder_of(file)
    names = [_beside(folder, target) for target in file.targets(Kind.RUN)]
    return [name for name in names if name in files and files[name].is_notebook]


def _module_files(module: str, folder: str) -> Iterable[str]:
    """Where a module may be: beside the importer, then at the root; its packages with it."""
    # texts, not paths: a large project has a hundred thousand imports
    inner = module.lstrip(".")
    level = len(module) - len(inner)
    bases = [folder, ""]
    if level:
        # one dot is the folder itself, each further one a step up; the root is as far as it goes
        base = folder
        for _ in range(level - 1):
            base = base.rpartition("/")[0]
        bases = [base]
    parts = inner.split(".") if inner else []
    for base in bases:
        path = f"{base}/" if base else ""
        yield f"{path}__init__.py"
        for part in parts:
            path = f"{path}{part}/"
            yield f"{path}__init__.py"
        if parts:
            yield f"{path[:-1]}.py"


def _folder_of(file: ProjectFile) -> str:
    return file.relative.rpartition("/")[0]


def _beside(folder: str, target: str) -> str:
    return os.path.normpath(f"{folder or '.'}/{target}").replace(os.sep, "/")


def _short_names(tables: Mapping[str, tuple[str, ...]]) -> dict[str, set[str]]:
    return {name: {short_name(table) for table in found} for name, found in tables.items()}


def short_name(table: str) -> str:
    """A table's name without its catalog."""
    return ".".join(table.split(".")[-2:])


def _each_once(tables: Iterable[str]) -> tuple[str, ...]:
    """Each table once, by the longest of its names: a run is seen to read it with its catalog.

    A name without a schema stands for the default one until a run shows which schema it is in.
    """
    kept: list[str] = []
    for table in tables:
        short = short_name(table)
        for place, one in enumerate(kept):
            if short_name(one) == short and _same_table(one, table):
                kept[place] = max(one, table, key=lambda name: name.count("."))
                break
        else:
            kept.append(table)
    shown = {name.rpartition(".")[2] for name in kept if name.count(".") == 2}
    return tuple(
        name
        for name in kept
        if not (name.startswith(_UNNAMED_SCHEMA) and name.removeprefix(_UNNAMED_SCHEMA) in shown)
    )


def _same_table(one: str, other: str) -> bool:
    """Whether two names can be one table: a catalog that is not named may be any."""
    return one == other or one.count(".") != other.count(".")
