"""What the terminal shows of a query: the data on stdout, where it came from on stderr."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from brickloop.display import console, diagnostics
from brickloop.display.result_format import BINARY, show_value, text_chunks, write_binary
from brickloop.errors import StatementFailed, UsageError
from brickloop.model.query import Token, tokens, write_age
from brickloop.model.text import harmless

if TYPE_CHECKING:
    from brickloop.display.result_format import Result

_ROWS_ASKED = 100
_ROWS_SURE = 40
_LINES_AROUND = 3
_LONG_SECONDS = 0.5


def show_result(result: Result, form: str, *, row_count: int) -> bool:
    """Write a result to stdout; whether all of its rows are there."""
    if form in BINARY:
        if console.is_terminal():
            raise UsageError(
                f"{form} is not for a terminal", hint="name a file with --output, or pipe it on"
            )
        sys.stdout.flush()
        write_binary(result, form, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return True
    if not result.columns:
        return True
    if form == "table" and console.is_terminal():
        return _show_boxed(result, row_count)
    terminal = console.is_terminal()
    for chunk in text_chunks(result, form):
        text = harmless(chunk) if terminal else chunk
        console.write(text.removesuffix("\n"))
    return True


def _show_boxed(result: Result, row_count: int) -> bool:
    from brickloop.display.table import show_table

    rows = [[show_value(v) for v in row] for row in result.plain_rows(_ROWS_ASKED)]
    more = row_count > len(rows)
    show_table(
        result.columns,
        rows,
        total=row_count if more and not result.truncated else None,
        truncated=more or result.truncated,
    )
    # the table takes as many rows as it thinks fit, and says so itself
    return row_count <= _ROWS_SURE


def show_origin(
    *,
    cached: bool,
    created: float,
    seconds: float,
    connecting: float,
    row_count: int,
    why: str,
    columns: int,
) -> None:
    """Say on stderr whether the result is cached or live, and why; its age, rows and seconds."""
    rows = f"{row_count:,} row{'' if row_count == 1 else 's'}" if columns else "done"
    if cached:
        age = write_age(max(time.time() - created, 0.0))
        took = f"{seconds:.2f} s then"
        tail = "" if why.endswith(" old") else f"; {why}"
        diagnostics.note(f"cached {age} ago: {rows} ({took}{tail}); --refresh asks anew")
    else:
        before = f", {connecting:.1f} s to connect" if connecting >= _LONG_SECONDS else ""
        diagnostics.note(f"live: {rows} in {seconds:.2f} s{before} ({why})")


def show_refusal(error: StatementFailed, first_line: int) -> None:
    """Show the statement that failed, with the place that the warehouse names marked."""
    if not error.statement:
        return
    lines = harmless(error.statement).split("\n")
    line, begin, end = find_place(error)
    first, last = 1, len(lines)
    if line is not None:
        first, last = max(line - _LINES_AROUND, 1), min(line + _LINES_AROUND, len(lines))
    elif len(lines) > 2 * _LINES_AROUND + 1:
        last = 2 * _LINES_AROUND + 1
    for number in range(first, last + 1):
        mark = ">" if number == line else " "
        text = lines[number - 1]
        diagnostics.note(f"{mark} {number + first_line - 1:>3} │ {text}".rstrip())
        if number == line:
            # tabs stay tabs, so that the mark stands where the text does
            lead = "".join("\t" if char == "\t" else " " for char in text[:begin])
            diagnostics.note(f"      │ {lead}{'^' * max(end - begin, 1)}")
    if last < len(lines):
        diagnostics.note(f"      … {len(lines) - last} lines below")


def find_place(error: StatementFailed) -> tuple[int | None, int, int]:
    """Line, and first and last character, of what an error means; no line where it says none."""
    lines = error.statement.split("\n")
    if error.line is not None and 1 <= error.line <= len(lines):
        begin = max(error.position or 0, 0)
        text = lines[error.line - 1]
        word = next((t for t in tokens(text) if t.begin <= begin < t.end), None)
        return error.line, begin, word.end if word else begin + 1
    for named in _names_in(error.message):
        token = _token_of(error.statement, named)
        if token is not None:
            before = error.statement[: token.begin]
            line = before.count("\n") + 1
            begin = len(before) - (before.rfind("\n") + 1)
            return line, begin, begin + token.end - token.begin
    return None, 0, 0


def _names_in(message: str) -> list[str]:
    """What a message quotes, the most exact first."""
    import re

    return re.findall(r"`([^`\n]{1,80})`", message) + re.findall(
        r"(?:near|found|at) ['\"]([^'\"\n]{1,80})['\"]", message
    )


def _token_of(statement: str, name: str) -> Token | None:
    found = [t for t in tokens(statement) if t.text.strip("`").lower() == name.lower()]
    return found[0] if len(found) == 1 else None
