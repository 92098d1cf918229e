"""Python cells: errors name the cell, the last value is shown, line magics are understood."""

from __future__ import annotations

import ast
import linecache
import re
import types
from typing import Any

_MAGIC_LINE = re.compile(r"^(\s*)(?:([\w.]+)\s*=\s*)?([!%])(?!=)(.*)$")
_SILENT_MAGICS = {
    "matplotlib", "load_ext", "autoreload", "reload_ext", "restart_python", "config", "env",
    "set_cell_max_output_size_in_mb",
}  # fmt: skip


def execute(source: str, filename: str, namespace: dict[str, Any]) -> Any:
    """Run a cell's source in ``namespace``; the value of its last expression, unless ``;`` ends it.

    Whatever the cell raises comes through; a trace shows the cell's own lines under ``filename``.
    """
    source = _dedent(source)
    linecache.cache[filename] = (
        len(source), None, source.splitlines(keepends=True), filename,
    )  # fmt: skip
    try:
        tree = ast.parse(source, filename)
    except SyntaxError:
        rewritten = rewrite_magics(source)
        if rewritten == source:
            raise
        tree = ast.parse(rewritten, filename)
    last: ast.Expression | None = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not _ends_quietly(source):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    exec(_compiled(tree, filename), namespace)
    return eval(_compiled(last, filename), namespace) if last is not None else None


def rewrite_magics(source: str) -> str:
    """The source with ``!command`` and ``%magic`` lines made into calls."""
    lines = []
    for line in source.split("\n"):
        found = _MAGIC_LINE.match(line)
        if found is None:
            lines.append(line)
            continue
        indent, name, sign, rest = found.groups()
        call = f"__shell__({rest!r})" if sign == "!" else _magic_call(rest)
        lines.append(f"{indent}{name} = {call}" if name else f"{indent}{call}")
    return "\n".join(lines)


def _magic_call(rest: str) -> str:
    word, _, body = rest.strip().partition(" ")
    if word in {"time", "timeit"} and body:
        return body
    if word in {"pip", "uv"}:
        return f"__pip__({rest!r})"
    if word == "sh":
        return f"__shell__({body!r})"
    if word in _SILENT_MAGICS:
        return "None"
    return f"__unknown_magic__({word!r})"


def _compiled(tree: ast.Module | ast.Expression, filename: str) -> types.CodeType:
    mode = "exec" if isinstance(tree, ast.Module) else "eval"
    return compile(tree, filename, mode, dont_inherit=True)


def _dedent(source: str) -> str:
    """A cell may begin with a blank, as notebooks allow; its first line then sets the indent."""
    first = next((line for line in source.split("\n") if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    if not indent:
        return source
    return "\n".join(line.removeprefix(indent) for line in source.split("\n"))


def _ends_quietly(source: str) -> bool:
    lines = [line for line in source.rstrip().split("\n") if not line.lstrip().startswith("#")]
    return bool(lines) and lines[-1].split("#")[0].rstrip().endswith(";")
