"""``invoke query``, ``cache.*`` and ``health``: statements, cached results, connections."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.config.settings import find_root
from brickloop.errors import UsageError
from brickloop.model.query import parse_duration
from brickloop.tasks.command import command
from brickloop.tasks.words import WordTask

if TYPE_CHECKING:
    from brickloop.sql.cache import ResultCache

_QUERY_HELP = {
    "sql": "statements, in quotes; - reads them from stdin",
    "x": "after --chart: the column along the axis",
    "y": "after --chart: the column of numbers",
    "file": "read the statements from a file",
    "param": "name=value or name:type=value for :name, bound; may be given several times",
    "json": "as --format json",
    "format": "table, csv, json, jsonl, markdown, vertical, parquet or arrow",
    "output": "write the result to a file; its suffix says the format",
    "limit": "most rows to fetch",
    "warehouse": "id or name (default: the setting, else one that runs)",
    "catalog": "catalog of unqualified names",
    "schema": "schema of unqualified names",
    "ttl": "how old a cached result may be: 300, 5m, 2h (default: the setting cache_ttl)",
    "refresh": "ask anew and keep the result",
    "no_cache": "neither use nor keep a cached result",
    "offline": "answer from the cache alone, however old",
    "fresh": "use a cached result only while its tables have the same versions",
    "chart": "bar or line, then the columns X and Y",
    "profile": "profile of .databrickscfg; 'local' is the local workspace",
}


@command(
    workspace="reads",
    changes="what the statements change",
    help=_QUERY_HELP,
    klass=WordTask,
    positional=["sql", "x", "y"],
    iterable=["param"],
)
def query(
    _context: Any,
    param: Sequence[str],
    sql: str | None = None,
    x: str | None = None,
    y: str | None = None,
    file: str | None = None,
    format: str | None = None,  # the flag's name
    output: str | None = None,
    limit: str | None = None,
    warehouse: str | None = None,
    catalog: str | None = None,
    schema: str | None = None,
    ttl: str | None = None,
    refresh: bool = False,
    no_cache: bool = False,
    offline: bool = False,
    fresh: bool = False,
    chart: str | None = None,
    json: bool = False,
    profile: str | None = None,
) -> None:
    """Run SQL statements and show their results; the same query again is answered from the cache.

    Example: invoke query "SELECT 1 AS n" --format csv
    """
    from brickloop.flows.query import QueryWords, run_query

    if json and format not in {None, "json"}:
        raise UsageError(f"--json and --format {format} exclude each other")
    text, axes = sort_words([sql, x, y], has_file=file is not None, has_chart=chart is not None)
    words = QueryWords(
        sql=text,
        file=file,
        parameters=param,
        form="json" if json else format,
        output=output,
        limit=limit,
        ttl=ttl,
        refresh=refresh,
        cache=not no_cache,
        offline=offline,
        fresh=fresh,
        chart=(chart, *axes) if chart is not None and axes is not None else None,
    )
    overrides = {"profile": profile, "warehouse": warehouse, "catalog": catalog, "schema": schema}
    run_query(find_root(Path.cwd()), words, overrides)


def sort_words(
    words: Sequence[str | None], *, has_file: bool, has_chart: bool
) -> tuple[str | None, tuple[str, str] | None]:
    """The statements and the chart's columns, in whichever order they came.

    Raises UsageError where words are missing or left over.
    """
    there = [word for word in words if word]
    if not has_chart:
        if len(there) > 1:
            raise UsageError(
                f"'{there[1]}' is left over", hint='put the statement in quotes: "SELECT 1"'
            )
        return (there[0] if there else None), None
    if has_file:
        text = None
    elif len(there) == 3:
        # a statement has blanks, a column's name hardly ever
        text = next((word for word in there if any(c.isspace() for c in word)), there[0])
        there.remove(text)
    else:
        text = None
        if len(there) == 2 and any(c.isspace() for c in there[0]):
            there = there[1:]
    if len(there) != 2:
        raise UsageError(
            "--chart needs two columns", hint='write it as: "SELECT day, n ..." --chart bar day n'
        )
    return text, (there[0], there[1])


@command(name="stats", help={"json": "print JSON"})
def cache_stats(_context: Any, json: bool = False) -> None:
    """Say how many query results are kept, how much room they take, and what they spared.

    Example: invoke cache.stats
    """
    from brickloop.display import console
    from brickloop.model.query import write_age

    cache = _open_cache()
    stats = cache.stats()
    if json:
        console.write(dumps({**vars(stats), "counts": vars(stats.counts)}, indent=2))
        return
    console.write(f"directory  {stats.directory}")
    console.write(f"results    {stats.entries:,}")
    console.write(f"size       {stats.bytes:,} of {stats.limit:,} bytes")
    if stats.oldest is not None and stats.newest is not None:
        console.write(f"oldest     {write_age(_age(stats.oldest))}")
        console.write(f"newest     {write_age(_age(stats.newest))}")
    counts = stats.counts
    if counts.since:
        asked = counts.hits + counts.misses
        share = f" ({100 * counts.hits / asked:.0f} %)" if asked else ""
        console.write(f"hits       {counts.hits:,} of {asked:,}{share}")
        console.write(f"saved      {write_age(counts.saved_seconds)}")
        console.write(f"evicted    {counts.evictions:,}")
        console.write(f"counted    since {write_age(_age(counts.since))} ago")


@command(name="list", help={"json": "print JSON"})
def cache_list(_context: Any, json: bool = False) -> None:
    """List the query results that are kept, the newest first.

    Example: invoke cache.list
    """
    from brickloop.display import console, diagnostics
    from brickloop.display.table import show_table
    from brickloop.model.query import write_age

    found: list[dict[str, Any]] = [
        {
            "key": entry.key[:12],
            "created": entry.head.created,
            "rows": entry.head.row_count,
            "bytes": entry.size,
            "user": entry.head.user,
            "host": entry.head.host,
            "statement": entry.head.statement,
        }
        for entry in _open_cache().entries()
    ]
    if json:
        console.write(dumps(found, indent=2))
    elif found:
        columns = [("age", ""), ("rows", "bigint"), ("bytes", "bigint"), ("statement", "")]
        rows = [
            (write_age(_age(one["created"])), one["rows"], one["bytes"], one["statement"])
            for one in found
        ]
        show_table(columns, rows)
    else:
        diagnostics.note("no query result is kept")


@command(
    name="clear",
    changes="kept query results",
    help={
        "older_than": "only results older than this: 300, 5m, 2h, 1d",
        "dry_run": "say how many would be forgotten, and forget none",
        "json": "print JSON",
    },
)
def cache_clear(
    _context: Any, older_than: str | None = None, dry_run: bool = False, json: bool = False
) -> None:
    """Forget the query results that are kept.

    Example: invoke cache.clear --older-than 1h
    """
    from brickloop.display import console, diagnostics

    border = parse_duration(older_than, "--older-than") if older_than else None
    cache = _open_cache()
    if dry_run:
        ages = [_age(entry.head.created) for entry in cache.entries()]
        count = sum(border is None or age > border for age in ages)
    else:
        count = cache.clear(border)
    if json:
        console.write(dumps({"results": count, "dry_run": dry_run}))
        return
    said = "would be forgotten" if dry_run else "forgotten"
    diagnostics.note(f"{count:,} result{'' if count == 1 else 's'} {said}")


@command(
    workspace="reads",
    help={
        "json": "print JSON",
        "watch": "go on checking, until Ctrl-C",
        "interval": "seconds between checks with --watch",
        "seconds": "how long a part may take to answer",
        "warehouse": "id or name (default: the setting, else one that runs)",
        "profile": "profile of .databrickscfg; 'local' is the local workspace",
    },
)
def health(
    _context: Any,
    json: bool = False,
    watch: bool = False,
    interval: str = "5",
    seconds: str = "15",
    warehouse: str | None = None,
    profile: str | None = None,
) -> None:
    """Check SQL, API, workspace and storage: does each answer, how quickly, and what to do if not.

    Example: invoke health --json
    """
    from brickloop.flows.health import check

    check(
        find_root(Path.cwd()),
        profile=profile,
        warehouse=warehouse,
        as_json=json,
        seconds=parse_duration(seconds, "--seconds"),
        every=parse_duration(interval, "--interval") if watch else None,
    )


CACHE = (cache_stats, cache_list, cache_clear)


def _open_cache() -> ResultCache:
    from brickloop.config.settings import load_settings
    from brickloop.display import diagnostics
    from brickloop.flows.result_cache import open_cache

    return open_cache(load_settings(find_root(Path.cwd())), diagnostics.warn)


def _age(created: float) -> float:
    import time

    return max(time.time() - created, 0.0)
