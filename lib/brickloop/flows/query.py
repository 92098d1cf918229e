"""``invoke query``: words on the command line, statements, results. Reads straight down."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from brickloop.config.profile import resolve_target
from brickloop.config.settings import Settings, load_settings
from brickloop.display import console, diagnostics
from brickloop.display.query_view import show_origin, show_refusal, show_result
from brickloop.display.result_format import BINARY, FORMATS, format_of_file, write_file
from brickloop.display.screen import SCREEN
from brickloop.errors import StatementFailed, UsageError
from brickloop.flows.result_cache import open_cache
from brickloop.flows.warehouse import Warehouse
from brickloop.model.query import (
    Parameter,
    Statement,
    parse_duration,
    parse_parameter,
    split_statements,
)
from brickloop.sql.pool import SessionPool
from brickloop.sql.query import QueryRunner, Wishes
from brickloop.sql.result import QueryResult

_POLL_SECONDS = 0.1
_TELL_AFTER = 1.0
_CANCEL_SECONDS = 15.0
_CHARTS = ("bar", "line")

T = TypeVar("T")


@dataclass(frozen=True)
class QueryWords:
    """What a person asked for, as it was typed."""

    sql: str | None = None
    """Statements, or ``-`` for stdin."""
    file: str | None = None
    parameters: Sequence[str] = ()
    form: str | None = None
    output: str | None = None
    limit: str | None = None
    ttl: str | None = None
    refresh: bool = False
    cache: bool = True
    offline: bool = False
    fresh: bool = False
    chart: tuple[str, str, str] | None = None
    """``bar`` or ``line``, and the columns X and Y."""


@dataclass(frozen=True)
class _Order:
    """What was asked for, understood."""

    statements: tuple[Statement, ...]
    parameters: dict[str, Parameter]
    where: str | None
    """The file that the statements are from."""
    form: str
    output: Path | None
    wishes: Wishes
    chart: tuple[str, str, str] | None


def run_query(root: Path, words: QueryWords, overrides: dict[str, str | None]) -> None:
    """Run the statements one after the other and show each result.

    Raises UsageError before anything is asked, and what the first statement that fails raises.
    """
    settings = load_settings(root, overrides=overrides)
    order = understand(words, settings)
    warehouse = Warehouse(settings, resolve_target(settings), note=diagnostics.note)
    # later statements must find the first one's USE and SET: one session for all
    pool = SessionPool(warehouse.open_session, size=1)
    cache = open_cache(settings, diagnostics.warn)
    runner = QueryRunner(
        pool, warehouse.identify, cache, host=lambda: warehouse.host, on_wait=_say_waiting
    )
    try:
        for number, statement in enumerate(order.statements, start=1):
            is_last = number == len(order.statements)
            _run_one(runner, statement, order, is_last=is_last)
    finally:
        pool.close()
        warehouse.close()
        cache.close()


def understand(words: QueryWords, settings: Settings) -> _Order:
    """What a person asked for; raises UsageError for what cannot be done."""
    text, where = _read_statements(words)
    statements = split_statements(text)
    if not statements:
        raise UsageError(
            "there is no statement to run", where=where, hint='write it as: invoke query "SELECT 1"'
        )
    parameters = _read_parameters(words.parameters, statements)
    output = Path(words.output) if words.output else None
    form = words.form
    if form is not None and form not in FORMATS:
        raise UsageError(
            f"there is no format '{form}'", hint=f"the formats are: {', '.join(FORMATS)}"
        )
    if output is not None and not output.absolute().parent.is_dir():
        raise UsageError("its folder does not exist", where=str(output), hint="make the folder")
    if output is not None and output.is_dir():
        raise UsageError("is a folder", where=str(output), hint="name a file")
    if form is None:
        form = format_of_file(output) if output is not None else "table"
    if form in BINARY and output is None and console.is_terminal():
        raise UsageError(f"{form} is not for a terminal", hint="name a file with --output")
    if words.chart is not None and words.chart[0] not in _CHARTS:
        raise UsageError(
            f"there is no chart '{words.chart[0]}'", hint="write it as: --chart bar X Y, or line"
        )
    if words.offline and (words.refresh or words.fresh or not words.cache):
        raise UsageError("--offline answers from the cache alone", hint="leave the other word out")
    if len(statements) > 1 and words.offline:
        raise UsageError("several statements are never cached", hint="run them one by one")
    wishes = Wishes(
        # a later statement may depend on what an earlier one did
        cache=words.cache and len(statements) == 1,
        ttl=parse_duration(words.ttl, "--ttl") if words.ttl else settings.seconds("cache_ttl"),
        refresh=words.refresh,
        offline=words.offline,
        fresh=words.fresh,
        row_limit=_read_limit(words.limit),
    )
    return _Order(statements, parameters, where, form, output, wishes, words.chart)


def _run_one(runner: QueryRunner, statement: Statement, order: _Order, *, is_last: bool) -> None:
    bound = [order.parameters[n] for n in statement.parameters if n in order.parameters]
    try:
        result = watch(lambda: runner.run(statement, bound, order.wishes), runner)
    except StatementFailed as error:
        show_refusal(error, statement.line)
        if order.where is not None:
            line = statement.line + (error.line or 1) - 1
            error.where = error.where or f"{order.where}:{line}"
        raise
    whole = True
    if order.output is not None and is_last:
        size = write_file(result, order.form, order.output)
        diagnostics.note(f"wrote {order.output} ({order.form}, {size:,} bytes)")
    if order.chart is not None and is_last:
        _show_chart(result, order.chart)
    elif order.output is None or not is_last:
        form = order.form if order.output is None else "table"
        whole = show_result(result, form, row_count=result.row_count)
    _say_origin(result, order, whole)


def _say_origin(result: QueryResult, order: _Order, whole: bool) -> None:
    origin = result.origin
    multiple = len(order.statements) > 1
    show_origin(
        cached=origin.cached,
        created=origin.created,
        seconds=origin.seconds,
        connecting=origin.connecting,
        row_count=result.row_count,
        why="not cached: one of several statements" if multiple else origin.why,
        columns=len(result.columns),
    )
    if result.truncated:
        diagnostics.note(f"there are more rows: --limit {order.wishes.row_limit} cut them off")
    if not whole:
        diagnostics.note("--format csv, or --output FILE, gives all rows")


def _show_chart(result: QueryResult, chart: tuple[str, str, str]) -> None:
    from brickloop.display.chart import MOST_POINTS, chart_lines

    kind, x, y = chart
    rows = list(result.plain_rows(MOST_POINTS))
    for line in chart_lines(kind, result.columns, rows, x, y):
        console.write(line)
    if result.row_count > len(rows):
        diagnostics.note(f"the first {len(rows):,} of {result.row_count:,} rows are drawn")


def watch(work: Callable[[], T], runner: QueryRunner) -> T:
    """What the work gives, with its time on the moving line; Ctrl-C cancels it on the server."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def do() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
            failure.append(error)

    # a signal must not reach the connector in the middle of an answer
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    try:
        begun, told = time.monotonic(), ""
        thread.join(_TELL_AFTER)
        while thread.is_alive():
            doing = "running" if runner.is_running else "connecting"
            if doing != told:
                SCREEN.tell("query", doing, time.monotonic() - begun)
                told = doing
            thread.join(_POLL_SECONDS)
    except KeyboardInterrupt:
        SCREEN.forget("query")
        cancelled = runner.cancel()
        thread.join(_CANCEL_SECONDS if cancelled else 0)
        diagnostics.note("cancelled on the server" if cancelled else "stopped before it ran")
        raise
    finally:
        SCREEN.forget("query")
    if failure:
        raise failure[0]
    return outcome[0]


def _say_waiting() -> None:
    diagnostics.note("another process asks the same; waiting for its answer")


def _read_statements(words: QueryWords) -> tuple[str, str | None]:
    if words.file is not None:
        if words.sql is not None:
            raise UsageError("statements and --file exclude each other", hint="give one of them")
        path = Path(words.file)
        try:
            return path.read_text(encoding="utf-8-sig"), words.file
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is no UTF-8 text"
            raise UsageError(f"cannot be read: {reason}", where=words.file) from None
    if words.sql == "-" or (words.sql is None and not sys.stdin.isatty()):
        return sys.stdin.read(), "stdin"
    return words.sql or "", None


def _read_parameters(pairs: Sequence[str], statements: Sequence[Statement]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for pair in pairs:
        parameter = parse_parameter(pair)
        if parameter.name in found:
            raise UsageError(f"parameter '{parameter.name}' is given twice")
        found[parameter.name] = parameter
    wanted = {name for statement in statements for name in statement.parameters}
    unused = sorted(set(found) - wanted)
    if unused:
        raise UsageError(
            f"no statement has the parameter :{unused[0]}",
            hint=f"those there are: {', '.join(f':{name}' for name in sorted(wanted)) or 'none'}",
        )
    missing = sorted(wanted - set(found))
    if missing:
        raise UsageError(
            f"parameter :{missing[0]} has no value", hint=f"give it: --param {missing[0]}=VALUE"
        )
    return found


def _read_limit(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise UsageError(f"--limit is '{text}', no number of rows", hint="write it as --limit 100")
    return int(text)
