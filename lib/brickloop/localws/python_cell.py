"""Python cells as notebooks run them: line magics, ``!`` commands, the last value shown."""

from __future__ import annotations
import __future__

import ast
import asyncio
import inspect
import re
import types
from typing import Any

from brickloop.localws.traces import remember_source

_FUTURES = [getattr(__future__, name) for name in __future__.all_feature_names]
_LINE_MAGIC = re.compile(r"^(\s*)(?:([^=!%'\"#()]+?)\s*=\s*)?([!%])(?![=%])\s*(.+)$")
_HELP = re.compile(r"^\s*\?{0,2}[\w.]+\?{1,2}\s*$|^\s*\?{1,2}[\w.]+\s*$")
_QUOTES = re.compile(r"'''|\"\"\"|'|\"")
SHELL_CALL = "__brickloop_shell__"
MAGIC_CALL = "__brickloop_magic__"


class PythonCells:
    """Compiles and runs the Python cells of one notebook in their common namespace."""

    def __init__(self) -> None:
        self._flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    def run(self, source: str, filename: str, namespace: dict[str, Any]) -> Any:
        """The value of the cell's last expression, None without one or when ``;`` ends it.

        Whatever the cell raises comes through; a trace shows its lines under ``filename``.
        """
        source = dedent(source)
        remember_source(filename, source)
        tree = self._parse(source, filename)
        last: ast.Expression | None = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            value = tree.body.pop().value  # type: ignore[attr-defined]
            if ends_quietly(source):
                tree.body.append(ast.copy_location(ast.Expr(value), value))
            else:
                last = ast.Expression(value)
        if tree.body:
            self._evaluate(tree, "exec", filename, namespace)
        if last is None:
            return None
        return self._evaluate(last, "eval", filename, namespace)

    def _parse(self, source: str, filename: str) -> ast.Module:
        flags = self._flags | ast.PyCF_ONLY_AST
        try:
            tree = compile(source, filename, "exec", flags, dont_inherit=True)
        except SyntaxError as error:
            rewritten = rewrite_magics(source)
            if rewritten == source:
                raise error.with_traceback(None) from None
            tree = compile(rewritten, filename, "exec", flags, dont_inherit=True)
        assert isinstance(tree, ast.Module)
        return tree

    def _evaluate(
        self, tree: ast.Module | ast.Expression, mode: str, filename: str, namespace: dict[str, Any]
    ) -> Any:
        code: types.CodeType = compile(tree, filename, mode, self._flags, dont_inherit=True)
        for feature in _FUTURES:
            # a __future__ import holds for the cells after it
            self._flags |= code.co_flags & feature.compiler_flag
        result = eval(code, namespace)
        if code.co_flags & inspect.CO_COROUTINE:
            return asyncio.run(_await(result))
        return result


async def _await(coroutine: Any) -> Any:
    return await coroutine


def rewrite_magics(source: str) -> str:
    """The source with ``!command``, ``%magic`` and ``name?`` lines made into calls.

    Only lines that begin a statement are looked at; the number of lines stays as it is.
    """
    result: list[str] = []
    state = _LexState()
    lines = source.split("\n")
    index = 0
    while index < len(lines):
        line = lines[index]
        found = _LINE_MAGIC.match(line) if state.begins_statement else None
        if found is not None:
            joined, index, blank = _joined(lines, index)
            found = _LINE_MAGIC.match(joined) or found
            result += [_call(*found.groups()), *blank]
            continue
        if state.begins_statement and _HELP.match(line):
            line = f"help({line.strip().strip('?')})"
        else:
            state.take(line)
        result.append(line)
        index += 1
    return "\n".join(result)


def dedent(source: str) -> str:
    """The source with the indent of its first line taken off: a cell may begin with a blank."""
    first = next((line for line in source.split("\n") if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    if not indent:
        return source
    return "\n".join(line.removeprefix(indent) for line in source.split("\n"))


def ends_quietly(source: str) -> bool:
    """Whether a ``;`` ends the source, comments aside."""
    state = _LexState()
    for line in source.split("\n"):
        state.take(line)
    return state.last == ";"


class _LexState:
    """Where the lines taken so far end: within a string, within brackets, after ``\\``."""

    def __init__(self) -> None:
        self._quote = ""
        self._depth = 0
        self._continued = False
        self.last = ""
        """The last character of code."""

    @property
    def begins_statement(self) -> bool:
        """Whether the next line begins a statement."""
        return not self._quote and self._depth == 0 and not self._continued

    def take(self, line: str) -> None:
        """Go on to the end of one line."""
        position = 0
        self._continued = False
        while position < len(line):
            if self._quote:
                position = self._within_string(line, position)
                continue
            char = line[position]
            if char == "#":
                break
            quote = _QUOTES.match(line, position)
            if quote:
                self._quote = quote.group()
                position = quote.end()
                continue
            self._depth += (char in "([{") - (char in ")]}")
            self._continued = char == "\\" and position == len(line) - 1
            if not char.isspace():
                self.last = char
            position += 1
        if len(self._quote) == 1:
            # a short string ends with its line, whatever it lacks, unless a backslash goes on
            if line.endswith("\\"):
                return
            self._quote = ""

    def _within_string(self, line: str, position: int) -> int:
        while position < len(line):
            if line[position] == "\\":
                position += 2
            elif line.startswith(self._quote, position):
                position += len(self._quote)
                self._quote = ""
                self.last = "'"
                return position
            else:
                position += 1
        return position


def _joined(lines: list[str], index: int) -> tuple[str, int, list[str]]:
    """A magic's line with those a backslash adds, the next index, blank lines to keep count."""
    text = lines[index]
    count = 1
    while text.endswith("\\") and index + count < len(lines):
        text = text[:-1] + lines[index + count].strip()
        count += 1
    return text, index + count, [""] * (count - 1)


def _call(indent: str, target: str | None, sign: str, rest: str) -> str:
    if sign == "!":
        wanted = target is not None
        call = f"{SHELL_CALL}({rest.removeprefix('!')!r}, {wanted})"
    else:
        word, _, body = rest.partition(" ")
        if word in {"time", "timeit"} and body.strip() and target is None:
            return f"{indent}{MAGIC_CALL}({word!r}, {body.strip()!r})"
        call = f"{MAGIC_CALL}({word!r}, {body.strip()!r})"
    return f"{indent}{target} = {call}" if target is not None else f"{indent}{call}"
