"""A graph as text: a tree for the terminal, Mermaid for Markdown, DOT for Graphviz."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Marks = Mapping[str, str]
"""For each notebook what is to be done with it, as one word."""


@dataclass(frozen=True)
class Drawing:
    """What is drawn: notebooks in their order, each with those before it and the tables between."""

    upstream: Mapping[str, Mapping[str, tuple[str, ...]]]
    files: Mapping[str, tuple[str, ...]]
    """For each notebook the files that it reaches."""
    marks: Marks
    """Empty where nothing is marked."""

    def tree(self) -> list[str]:
        """Lines of a tree that begins at what depends on nothing; a notebook is spread out once."""
        after: dict[str, list[str]] = {name: [] for name in self.upstream}
        for name, before in self.upstream.items():
            for other in before:
                after[other].append(name)
        lines: list[str] = []
        seen: set[str] = set()
        for name, before in self.upstream.items():
            if not before:
                self._branch(name, "", "", after, seen, lines)
        return lines

    def _branch(
        self,
        name: str,
        head: str,
        below: str,
        after: Mapping[str, list[str]],
        seen: set[str],
        lines: list[str],
        tables: Iterable[str] = (),
    ) -> None:
        mark = f"  [{self.marks[name]}]" if name in self.marks else ""
        through = f"  ({', '.join(tables)})" if tables else ""
        again = name in seen and after[name]
        lines.append(f"{head}{name}{through}{'  ...' if again else mark}")
        if again:
            return
        seen.add(name)
        for other in self.files.get(name, ()) if not head else ():
            lines.append(f"{below}{'│' if after[name] else ' '} · {other}")
        for index, other in enumerate(after[name]):
            last = index + 1 == len(after[name])
            self._branch(
                other,
                f"{below}{'└─ ' if last else '├─ '}",
                f"{below}{'   ' if last else '│  '}",
                after,
                seen,
                lines,
                self.upstream[other][name],
            )

    def to_json(self) -> list[dict[str, Any]]:
        """The drawing as JSON types, a value for each notebook."""
        return [
            {
                "notebook": name,
                "upstream": {other: list(tables) for other, tables in before.items()},
                "files": list(self.files.get(name, ())),
                "step": self.marks.get(name),
            }
            for name, before in self.upstream.items()
        ]

    def mermaid(self) -> list[str]:
        """Lines of a Mermaid flowchart."""
        ids = {name: f"n{number}" for number, name in enumerate(self.upstream)}
        lines = ["flowchart LR"]
        for name, node in ids.items():
            lines.append(f'    {node}["{_mermaid(name)}"]')
        for name, before in self.upstream.items():
            for other, tables in before.items():
                label = f'|"{_mermaid(", ".join(tables))}"|' if tables else ""
                lines.append(f"    {ids[other]} -->{label} {ids[name]}")
        busy = [ids[name] for name, mark in self.marks.items() if mark != "up to date"]
        if busy:
            lines.append("    classDef todo stroke-width:3px;")
            lines.append(f"    class {','.join(busy)} todo;")
        return lines

    def dot(self) -> list[str]:
        """Lines of a DOT graph."""
        lines = ["digraph notebooks {", "    rankdir=LR;", "    node [shape=box];"]
        for name in self.upstream:
            bold = self.marks.get(name, "up to date") != "up to date"
            lines.append(f"    {_dot(name)}{' [style=bold]' if bold else ''};")
        for name, before in self.upstream.items():
            for other, tables in before.items():
                label = f" [label={_dot(', '.join(tables))}]" if tables else ""
                lines.append(f"    {_dot(other)} -> {_dot(name)}{label};")
        return [*lines, "}"]


def _mermaid(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "#quot;").replace("<", "&lt;")


def _dot(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
