"""What a notebook or module depends on, read from its text: a first graph, never a sound one.

Names that are computed at run time cannot be seen here.
"""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from brickloop.model.notebook import Cell, CellKind, Notebook

_TABLE_READERS = {"table"}
_TABLE_WRITERS = {"saveAsTable", "insertInto", "writeTo"}
_NOT_RUN = {CellKind.MARKDOWN, CellKind.EMPTY, CellKind.SKIP}
_PATH_LIKE = re.compile(r"^[\w./ +#%@-]{1,200}$")
_RUN_TARGET = re.compile(r"^\s*(\"[^\"]*\"|'[^']*'|\S+)")


@dataclass(frozen=True)
class Facts:
    """What one file says about what it needs and makes."""

    code: str = ""
    """Hash of what is run; titles, Markdown and blank space between cells do not enter."""
    runs: tuple[str, ...] = ()
    """Targets of ``%run``, as written."""
    calls: tuple[str, ...] = ()
    """Notebooks that ``dbutils.notebook.run`` names."""
    imports: tuple[str, ...] = ()
    """Dotted names of imported modules; leading dots as written."""
    paths: tuple[str, ...] = ()
    """Texts that may name a file."""
    reads: tuple[str, ...] = ()
    """Tables read, as ``schema.table`` or ``table`` in small letters."""
    writes: tuple[str, ...] = ()
    """Tables written."""

    def to_json(self) -> dict[str, Any]:
        """The facts as JSON types."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Facts:
        """The facts that ``to_json`` gave."""
        lists = {key: tuple(value) for key, value in data.items() if key != "code"}
        return cls(code=str(data["code"]), **lists)


def scan_notebook(notebook: Notebook) -> Facts:
    """The facts of a notebook, cell by cell."""
    found = _Found()
    digest = hashlib.sha256()
    for cell in notebook.cells:
        if cell.kind in _NOT_RUN:
            continue
        digest.update(f"{cell.kind.value}\0{cell.source.strip()}\0".encode())
        _scan_cell(cell, found)
    return found.facts(digest.hexdigest())


def scan_module(source: str) -> Facts:
    """The facts of a Python module."""
    found = _Found()
    found.scan_python(source)
    return found.facts(hashlib.sha256(source.encode()).hexdigest())


def _scan_cell(cell: Cell, found: _Found) -> None:
    if cell.kind is CellKind.RUN:
        target = _RUN_TARGET.match(cell.source)
        if target:
            found.runs.append(target.group(1).strip("\"'"))
    elif cell.kind is CellKind.PYTHON:
        found.scan_python(cell.source)
    elif cell.kind is CellKind.SQL:
        found.scan_sql(cell.source)


class _Found:
    def __init__(self) -> None:
        self.runs: list[str] = []
        self.calls: list[str] = []
        self.imports: list[str] = []
        self.paths: list[str] = []
        self.reads: list[str] = []
        self.writes: list[str] = []
        self._schema: str | None = None

    def facts(self, code: str) -> Facts:
        def unique(values: list[str]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(values))

        return Facts(
            code,
            unique(self.runs),
            unique(self.calls),
            unique(self.imports),
            unique(self.paths),
            unique([self._qualified(name) for name in self.reads]),
            unique([self._qualified(name) for name in self.writes]),
        )

    def scan_python(self, source: str) -> None:
        try:
            tree = ast.parse(source)
        except SyntaxError:
            # line magics are not Python; without their lines most cells are
            kept = "\n".join(
                "pass" if line.lstrip()[:1] in {"%", "!"} else line for line in source.split("\n")
            )
            try:
                tree = ast.parse(kept)
            except SyntaxError:
                return
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.imports += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                dot = "." if node.module else ""
                self.imports.append(module)
                self.imports += [f"{module}{dot}{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if _PATH_LIKE.match(node.value) and ("." in node.value or "/" in node.value):
                    self.paths.append(node.value.lstrip("/"))
            elif isinstance(node, ast.Call):
                self._scan_call(node)

    def scan_sql(self, text: str) -> None:
        import logging

        import sqlglot
        from sqlglot import exp

        logging.getLogger("sqlglot").setLevel(logging.ERROR)
        try:
            statements = sqlglot.parse(text, dialect="databricks")
        except sqlglot.errors.SqlglotError:
            return
        for statement in statements:
            if statement is None:
                continue
            if isinstance(statement, exp.Use):
                kind = str(statement.args.get("kind") or "").upper()
                if kind != "CATALOG" and statement.this is not None:
                    self._schema = statement.this.name.lower()
                continue
            target = _target_of(statement)
            known = {cte.alias_or_name.lower() for cte in statement.find_all(exp.CTE)}
            if target is not None:
                self.writes.append(_table_name(target))
            for table in statement.find_all(exp.Table):
                if table is not target and (table.db or table.name.lower() not in known):
                    self.reads.append(_table_name(table))

    def _scan_call(self, node: ast.Call) -> None:
        if not isinstance(node.func, ast.Attribute) or not node.args:
            return
        first, name = node.args[0], node.func.attr
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            return
        owner = node.func.value
        if name == "run" and isinstance(owner, ast.Attribute) and owner.attr == "notebook":
            self.calls.append(first.value)
        elif name in _TABLE_WRITERS:
            self.writes.append(_plain_name(first.value))
        elif name in _TABLE_READERS:
            self.reads.append(_plain_name(first.value))
        elif name == "sql":
            self.scan_sql(first.value)

    def _qualified(self, name: str) -> str:
        return f"{self._schema}.{name}" if self._schema and "." not in name else name


def _target_of(statement: Any) -> Any:
    from sqlglot import exp

    if isinstance(statement, exp.Create):
        if str(statement.args.get("kind") or "").upper() not in {"TABLE", "VIEW"}:
            return None
    elif not isinstance(statement, exp.Insert | exp.Merge | exp.Update | exp.Delete):
        return None
    target = statement.this
    if isinstance(target, exp.Schema):
        target = target.this
    return target if isinstance(target, exp.Table) else None


def _table_name(table: Any) -> str:
    return f"{table.db}.{table.name}".lower() if table.db else table.name.lower()


def _plain_name(name: str) -> str:
    return ".".join(name.replace("`", "").lower().split(".")[-2:])
