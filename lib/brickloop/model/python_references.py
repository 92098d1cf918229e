"""What Python text names: modules, notebooks, files and tables; with texts known without running.

A name that is assigned one text and nothing else is known, f-strings and sums of known texts are,
and a widget has its default.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from brickloop.model.references import Kind, Place, Reference
from brickloop.model.sql_references import TableScope, scan_sql

_TABLE_READERS = {"table", "forName"}
_TABLE_WRITERS = {"saveAsTable", "insertInto", "writeTo"}
_CHANGES = {"insertInto", "forName"}
"""Calls on a table that must be there and may change it."""
_TEMPORARY = {"createOrReplaceTempView", "createTempView", "registerTempTable"}
_WIDGETS = {"text", "dropdown", "combobox", "multiselect"}
_PATH_LIKE = re.compile(r"^[\w./ +#%@-]{1,200}$")


@dataclass(frozen=True)
class Known:
    """Names with the text they hold, and widgets with their defaults."""

    names: Mapping[str, str] = field(default_factory=dict)
    widgets: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, sources: Iterable[str]) -> Known:
        """What the assignments of these texts make known, taken together."""
        assigned: dict[str, list[ast.expr | None]] = {}
        widgets: dict[str, ast.expr] = {}
        for source in sources:
            for node in ast.walk(parse_cell(source) or ast.Module([], [])):
                _note_assignment(node, assigned)
                if isinstance(node, ast.Call):
                    _note_widget(node, widgets)
        single = {
            name: values[0]
            for name, values in assigned.items()
            if len(values) == 1 and values[0] is not None
        }
        known = cls()
        # a text may be made of others that are assigned later in the file
        for _ in range(3):
            names = {
                name: text
                for name, value in single.items()
                if (text := known.text_of(value)) is not None
            }
            defaults = {
                name: text
                for name, value in widgets.items()
                if (text := known.text_of(value)) is not None
            }
            known = cls(names, defaults)
        return known

    def text_of(self, node: ast.expr | None) -> str | None:
        """The text that an expression has, None where it is known at run time only."""
        if isinstance(node, ast.Constant):
            return str(node.value) if isinstance(node.value, str | int) else None
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.text_of(node.left), self.text_of(node.right)
            return None if left is None or right is None else left + right
        if isinstance(node, ast.JoinedStr):
            parts = [self._part(value) for value in node.values]
            return None if None in parts else "".join(part or "" for part in parts)
        if isinstance(node, ast.Call):
            return self._widget(node)
        return None

    def _part(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.FormattedValue):
            plain = node.conversion == -1 and node.format_spec is None
            return self.text_of(node.value) if plain else None
        return self.text_of(node)

    def _widget(self, node: ast.Call) -> str | None:
        called = dotted_name(node.func)
        if called not in {"dbutils.widgets.get", "getArgument"} or not node.args:
            return None
        name = self.text_of(node.args[0])
        return None if name is None else self.widgets.get(name)


class PythonScan:
    """Reads the references of one cell or module."""

    def __init__(self, known: Known, scope: TableScope, place: Place) -> None:
        self._known = known
        self._scope = scope
        self._place = place
        self._found: list[Reference] = []

    def references(self, source: str) -> list[Reference]:
        """What the text names, in its order; nothing for text that is no Python."""
        self._found = []
        nodes = ast.walk(parse_cell(source) or ast.Module([], []))
        for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
            line = getattr(node, "lineno", 1)
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._add(Kind.IMPORT, alias.name, line)
            elif isinstance(node, ast.ImportFrom):
                self._from_import(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if _PATH_LIKE.match(text) and ("." in text or "/" in text):
                    self._add(Kind.PATH, text.lstrip("/"), line)
            elif isinstance(node, ast.Call):
                self._call(node)
        return self._found

    def _from_import(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        dot = "." if node.module else ""
        self._add(Kind.IMPORT, module, node.lineno)
        for alias in node.names:
            self._add(Kind.IMPORT, f"{module}{dot}{alias.name}", node.lineno)

    def _call(self, node: ast.Call) -> None:
        called = dotted_name(node.func)
        name = called.rsplit(".", 1)[-1]
        if called.endswith("notebook.run"):
            self._named(node, 0, "a notebook", Kind.CALL)
        elif name in _TABLE_WRITERS or (name in _TABLE_READERS and _reads_table(called)):
            kinds = [Kind.WRITE] if name in _TABLE_WRITERS else [Kind.READ]
            if name in _CHANGES:
                kinds = [Kind.WRITE, Kind.READ]
            self._named(node, 1 if name == "forName" else 0, "a table", *kinds)
        elif name in _TEMPORARY:
            text = self._known.text_of(node.args[0]) if node.args else None
            if text:
                self._scope.hide(text)
        elif called in {"sql", "spark.sql"} or called.endswith(("spark.sql", "session.sql")):
            self._sql(node)

    def _named(self, node: ast.Call, position: int, what: str, *kinds: Kind) -> None:
        if len(node.args) <= position:
            return
        text = self._known.text_of(node.args[position])
        if text is None:
            self._unresolved(node, f"{what} named by {_short(node.args[position])}")
            return
        for kind in kinds:
            is_table = kind is not Kind.CALL
            self._add(kind, self._scope.qualified(text) if is_table else text, node.lineno)

    def _sql(self, node: ast.Call) -> None:
        if not node.args:
            return
        text = self._known.text_of(node.args[0])
        if text is None:
            self._unresolved(node, f"SQL made by {_short(node.args[0])}")
            return
        begins = self._place.below(node.args[0].lineno)
        self._found += scan_sql(text, self._scope, begins)

    def _unresolved(self, node: ast.Call, what: str) -> None:
        self._add(Kind.UNRESOLVED, what, node.lineno)

    def _add(self, kind: Kind, target: str, line: int) -> None:
        self._found.append(Reference(kind, target, self._place.below(line)))


def parse_cell(source: str) -> ast.Module | None:
    """The syntax tree of a cell, None for text that is no Python; line magics are passed over."""
    try:
        return ast.parse(source)
    except SyntaxError:
        pass
    # line magics are not Python; without their lines most cells are
    lines = [_without_magic(line) for line in source.split("\n")]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return None


def dotted_name(node: ast.expr) -> str:
    """A call's name as written, such as ``spark.read.table``; calls in between are left out."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            break
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def _without_magic(line: str) -> str:
    bare = line.lstrip()
    return line[: len(line) - len(bare)] + "pass" if bare[:1] in {"%", "!"} else line


def _reads_table(called: str) -> bool:
    """Whether a call of this name reads a table: many libraries have a ``table`` of their own."""
    owner = called.rpartition(".")[0]
    if called.endswith("forName"):
        return owner.endswith("DeltaTable")
    last = owner.rsplit(".", 1)[-1]
    return not owner or last in {"spark", "session", "catalog"} or ".read" in f".{owner}"


def _note_assignment(node: ast.AST, assigned: dict[str, list[ast.expr | None]]) -> None:
    value: ast.expr | None = None
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets, value = [node.target], node.value
    elif isinstance(node, ast.AugAssign | ast.For | ast.comprehension | ast.NamedExpr):
        targets = [node.target]
    elif isinstance(node, ast.With):
        targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            assigned.setdefault(argument.arg, []).append(None)
    for target in targets:
        if isinstance(target, ast.Name):
            assigned.setdefault(target.id, []).append(value)
            continue
        for inner in ast.walk(target):
            if isinstance(inner, ast.Name):
                assigned.setdefault(inner.id, []).append(None)


def _note_widget(node: ast.Call, widgets: dict[str, ast.expr]) -> None:
    called = dotted_name(node.func)
    owner, _, kind = called.rpartition(".")
    if owner != "dbutils.widgets" or kind not in _WIDGETS or len(node.args) < 2:
        return
    name = node.args[0]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        widgets[name.value] = node.args[1]


def _short(node: ast.expr) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
