"""What a person wants to know of a run that failed: where, what, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from brickloop.model.run import CellResult, LifeCycle, ResultState, RunResult

# Python's own form, IPython's (`File <command-1>, line 3`, `File /x.py:3, in f()`), and `cell 2`
_PLACE = re.compile(
    r'^\s*File (?:"(?P<quoted>[^"\n]+)", line (?P<line1>\d+)'
    r"|(?P<plain><[^>\n]+>|[^\s,]+?)(?:, line |:)(?P<line2>\d+))(?P<rest>.*)$"
)
_CELL = re.compile(r" cell (\d+)$")
_COMMAND = re.compile(r"<command-[\w-]+>")
_LIBRARY = re.compile(
    r"[/\\](?:site-packages|dist-packages|lib[/\\]python3|databricks[/\\](?:python|spark|jars))"
    r"|^<(?!command|stdin|string)|\.(?:pyx|pxi)$|^/databricks/"
)
_JAVA = re.compile(r"^\s+at [\w.$/<>]+\(|^\s*\.\.\. \d+ more$")
_CHAINED = re.compile(
    r"\n\n((?:The above exception was the direct cause of|During handling of the above exception)"
    r"[^\n]*)\n\n"
)
_ARROW = re.compile(r"^-+> (\d+) ")
_SQL_PLACE = re.compile(r"\(line (\d+), pos(?:ition)? \d+\)|\bline (\d+), pos(?:ition)? \d+")
_SQL_OFFSET = re.compile(r"\bfound .{1,200}? at (\d+):\d+ expected", re.S)
_MAGIC = re.compile(r"^\s*%\w+[^\n]*(?:\n|$)")
_WRAPPERS = {"", "Py4JJavaError", "SparkException", "Exception", "RuntimeError"}


@dataclass(frozen=True)
class Failure:
    """A failed run in a person's terms. All texts are untrusted."""

    state: str
    """The result state, or the life-cycle state of a run that has none."""
    name: str
    """Class of the error; empty where the run itself gives the reason."""
    message: str
    cell: CellResult | None
    """The cell that failed, where it is known."""
    line: int | None
    """Line of the cell's source that failed, from 1."""
    trace: str
    """The trace with the notebook's own lines; empty where there is none."""
    shortened: bool
    """Whether lines of libraries were left out of ``trace``."""
    hint: str | None


def describe_failure(result: RunResult) -> Failure:
    """The failure of a run that did not succeed."""
    status = result.status
    state = status.result.value if status.result else status.life_cycle.value
    cell = next((cell for cell in result.cells if cell.error is not None), None)
    error = cell.error if cell is not None else None
    if cell is not None and error is not None:
        name, message, full = error.name, error.message, error.trace
    else:
        name, message = "", result.error or status.message or "the run gave no reason"
        full = result.error_trace or ""
    trace, shortened = own_lines(full)
    return Failure(
        state=state,
        name=name,
        message=message,
        cell=cell,
        line=failing_line(cell, full, message) if cell is not None else None,
        trace=without_message(trace, message),
        shortened=shortened,
        hint=hint_for(name, message, full) or _hint_for_state(result),
    )


def failing_line(cell: CellResult, trace: str, message: str = "") -> int | None:
    """The line of a cell that a trace or a SQL message names, None where it names none."""
    lines = cell.command.split("\n")
    found = _line_in_trace(cell, trace)
    if found is not None:
        number, code = found
        if code and not _holds(lines, number, code):
            # counted from below a magic line, or in another version of the cell
            same = [at for at, line in enumerate(lines, 1) if line.strip() == code]
            if same:
                return min(same, key=lambda at: abs(at - number))
        return number if 1 <= number <= len(lines) else None
    return _line_in_sql(cell.command, f"{message}\n{trace}")


def own_lines(trace: str) -> tuple[str, bool]:
    """The trace without the lines of libraries, and whether there were any.

    An error that was raised and handled within libraries alone is left out as a whole.
    """
    *earlier, last = _CHAINED.split(trace.rstrip("\n"))
    kept = []
    shortened = False
    for part, link in zip(earlier[::2], earlier[1::2], strict=True):
        text, cut, own = _own_part(part)
        shortened |= cut
        if own or not cut:
            kept.append(f"{text}\n\n{link}\n\n")
    text, cut, _ = _own_part(last)
    return "".join(kept) + text, shortened or cut


def _own_part(trace: str) -> tuple[str, bool, bool]:
    """One error's trace without the lines of libraries; whether there were such, and others."""
    lines = trace.split("\n")
    kept: list[str] = []
    left_out = at = 0
    cut = own = False
    while at < len(lines):
        place = _PLACE.match(lines[at])
        end = at + 1
        foreign = bool(_JAVA.match(lines[at]))
        if place is not None:
            indent = _indent(lines[at])
            while end < len(lines) and _belongs(lines[end], indent, place):
                end += 1
            foreign = bool(_LIBRARY.search(place["quoted"] or place["plain"]))
            own |= not foreign
        if foreign:
            left_out += 1
            cut = True
        else:
            if left_out:
                kept.append(_left_out(left_out))
                left_out = 0
            kept += lines[at:end]
        at = end
    if left_out:
        kept.append(_left_out(left_out))
    return "\n".join(kept), cut, own


def without_message(trace: str, message: str) -> str:
    """A trace without its last lines, where they repeat a message that is shown beside it."""
    trace, message = trace.rstrip(), message.strip()
    if not message or not trace.endswith(message):
        return trace
    head = trace[: len(trace) - len(message)]
    return head[: head.rfind("\n") + 1].rstrip()


def hint_for(name: str, message: str, trace: str = "") -> str | None:
    """What to do about an error that is met often, as one sentence; None for another one."""
    text = f"{name}: {message}"
    if name in _WRAPPERS:
        # what is wrapped stands in the last lines; elsewhere they would be the notebook's own code
        text += f"\n{trace[-4000:]}"
    for pattern, hint in _HINTS:
        found = pattern.search(text)
        if found:
            return hint.format(*(part or "" for part in found.groups()))
    return None


def _line_in_trace(cell: CellResult, trace: str) -> tuple[int, str] | None:
    """Line number and code of the innermost frame in the cell."""
    found: tuple[int, str] | None = None
    command = None
    lines = trace.split("\n")
    for at, text in enumerate(lines):
        place = _PLACE.match(text)
        if place is None:
            continue
        file = place["quoted"] or place["plain"]
        number = int(place["line1"] or place["line2"])
        in_cell = _CELL.search(file)
        in_command = _COMMAND.search(file)
        if in_command and command is None:
            # the outermost frame is the cell that failed
            command = in_command.group()
        if (in_cell and int(in_cell[1]) == cell.index + 1) or (
            in_command and in_command.group() == command
        ):
            found = number, _code_below(lines, at)
    return found


def _code_below(lines: Sequence[str], at: int) -> str:
    """The line of code that a trace shows below a place; IPython marks it with an arrow."""
    for text in lines[at + 1 : at + 12]:
        if _PLACE.match(text):
            return ""
        arrow = _ARROW.match(text)
        if arrow:
            return text[arrow.end() :].strip()
    below = lines[at + 1] if at + 1 < len(lines) else ""
    return below.strip() if below.startswith("    ") else ""


def _line_in_sql(command: str, text: str) -> int | None:
    magic = _MAGIC.match(command)
    body = command[magic.end() :] if magic else command
    if magic and magic.group().strip().lower() != "%sql":
        return None
    if ";" in body.strip().rstrip(";"):
        # places are counted from the statement, and it is not known which one it was
        return None
    before = 1 if magic else 0
    place = _SQL_PLACE.search(text)
    lead = body[: len(body) - len(body.lstrip())].count("\n")
    if place:
        number = int(place[1] or place[2])
    else:
        offset = _SQL_OFFSET.search(text)
        if offset is None:
            return None
        number = body.lstrip()[: int(offset[1])].count("\n") + 1
    number += before + lead
    return number if number <= command.count("\n") + 1 else None


def _holds(lines: Sequence[str], number: int, code: str) -> bool:
    return 1 <= number <= len(lines) and lines[number - 1].strip() == code


def _belongs(line: str, indent: int, place: re.Match[str]) -> bool:
    """Whether a line goes with the place above it: its code, or the mark below that."""
    if _PLACE.match(line) or not line.strip():
        return False
    if place["quoted"]:
        return _indent(line) > indent
    return line[:1].isspace() or bool(_ARROW.match(line))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _left_out(count: int) -> str:
    return f"  … {count} line{'' if count == 1 else 's'} of libraries"


def _hint_for_state(result: RunResult) -> str | None:
    status = result.status
    if status.result is not None and status.result in _STATE_HINTS:
        return _STATE_HINTS[status.result]
    # a run whose task failed by its own code is an internal error too, by the API's rules
    if status.life_cycle is LifeCycle.INTERNAL_ERROR and not result.error_trace:
        return "the workspace could not run it; its page says more, and another try may succeed"
    return None


_STATE_HINTS = {
    ResultState.TIMEDOUT: "give it more time, or look on the run's page where the time went",
    ResultState.CANCELED: "someone or something cancelled it; run it again when that is cleared up",
    ResultState.MAXIMUM_CONCURRENT_RUNS_REACHED: (
        "another run of this job goes on: wait for it, or raise the job's max_concurrent_runs"
    ),
    ResultState.UPSTREAM_FAILED: "mend the task that it depends on first",
    ResultState.UPSTREAM_CANCELED: "the task that it depends on was cancelled: run that one again",
}


def _compile(*pairs: tuple[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern, re.I), hint) for pattern, hint in pairs)


_HINTS = _compile(
    (
        r"OutOfMemoryError|MemoryError|exit code:? 137|\bOOM\b|driver (?:\w+ )*(?:is restarting"
        r"|stopped unexpectedly)|memory limit",
        "it ran out of memory: take less to the driver (limit() before toPandas() or collect()), "
        "or use larger compute",
    ),
    (
        r"TABLE_OR_VIEW_NOT_FOUND|Table or view not found|Table not found",
        "look for the table with SHOW TABLES: is the name complete (catalog.schema.table), and "
        "did the notebook that writes it run on this workspace?",
    ),
    (
        r"SCHEMA_NOT_FOUND|Database '?[^\n]*' not found|NO_SUCH_CATALOG|CATALOG_NOT_FOUND",
        "create it first (CREATE SCHEMA IF NOT EXISTS ...), or name the catalog that it is in",
    ),
    (
        r"AMBIGUOUS_REFERENCE|ambiguous (?:attribute|column|reference)|is ambiguous",
        'both sides have this column: name the side (a["id"], a.id), or join with on="id"',
    ),
    (
        r"UNRESOLVED_COLUMN|missing from the schema|cannot resolve (?:attribute|column)",
        "there is no such column here: compare with df.columns or DESCRIBE TABLE",
    ),
    (
        r"No module named '([\w.]+)'",
        "install it in the first cell (%pip install ...), or put a file of that name beside the "
        "notebook",
    ),
    (
        r"INSUFFICIENT_PERMISSIONS|PERMISSION_DENIED|Permission ?denied|does not have (?:\w+ )*"
        r"privilege|User does not have|UNAUTHORIZED",
        "ask the owner to GRANT it to you, or use another catalog, schema or compute",
    ),
    (
        r"DBFS (?:root|is disabled)|Public DBFS root is disabled",
        "this workspace has no DBFS root: use a volume, /Volumes/<catalog>/<schema>/<volume>/...",
    ),
    (
        r"PATH_NOT_FOUND|FileNotFoundError|No such file or directory|NoSuchFile",
        "is the path right on the workspace? Files beside the notebook are at a relative path, "
        "volumes at /Volumes/<catalog>/<schema>/<volume>/...",
    ),
    (
        r"InputWidgetNotDefined|No input widget named (\w+)",
        "give the parameter (-p name=value), or define it: dbutils.widgets.text(name, default)",
    ),
    (
        r"NOT_SUPPORTED_WITH_SERVERLESS|JVM_ATTRIBUTE_NOT_SUPPORTED|is not supported on serverless",
        "serverless compute has no RDDs, JVM or caching: use DataFrames, or name a cluster with "
        "--compute",
    ),
    (
        r"DELTA_CONCURRENT|ConcurrentAppendException|ConcurrentModification|"
        r"ConcurrentDeleteReadException",
        "something else wrote to the table meanwhile: run it again",
    ),
    (
        r"DELTA_FAILED_TO_MERGE_FIELDS|schema mismatch",
        "the frame and the table differ: compare their schemas, or write with "
        'option("mergeSchema", "true")',
    ),
    (
        r"PARSE_SYNTAX_ERROR|ParseException|\bfound .{1,200}? at \d+:\d+ expected",
        "the SQL does not parse: look at what stands just before the place that is named",
    ),
    (
        r"\b(?:SyntaxError|IndentationError|TabError)\b",
        "Python cannot read this cell: look at the marked line and the one above it",
    ),
    (
        r"NameError: name '(\w+)' is not defined",
        "the cell that makes {0} must stand above this one: a job runs the cells in their order, "
        "in a fresh process",
    ),
    (
        r"^KeyError: ",
        "there is no such key or column here: look at what there is (frame.columns, data.keys())",
    ),
    (
        r"CAST_INVALID_INPUT|NUMERIC_VALUE_OUT_OF_RANGE|DIVIDE_BY_ZERO",
        "ANSI mode makes this an error: use try_cast, try_divide, or filter the rows first",
    ),
    (
        r"timed out|TimeoutError|DEADLINE_EXCEEDED",
        "something did not answer in time: run it again, and look whether the other side is up",
    ),
)
