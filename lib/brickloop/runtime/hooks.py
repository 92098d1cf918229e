"""Hearing what Spark's Python API and ``dbutils`` are asked for, without changing what they do.

Spark has two clients, the classic one and Connect, with the same names; each of these methods is
replaced by one that tells and then calls the original with the same arguments. What calls of ours
call in turn is not told twice. Where a classic frame comes back, its analysed plan is at hand in
the JVM: its leaves name the tables in full, those behind views too.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .recorder import workspace_path

if TYPE_CHECKING:
    from .recorder import Recorder

_MOST_LEAVES = 200
_IDENTIFIER = re.compile(r"IDENTIFIER\s*\(\s*:(\w+)\s*\)", re.IGNORECASE)
_MARK = "brickloop_original"
_inside = threading.local()
Tell = Callable[["Recorder", tuple[Any, ...], dict[str, Any]], None]


def install(recorder: Recorder, dbutils: Any) -> None:
    """Tell ``recorder`` of calls from now on; a class that is not there is passed over."""
    for owner, method, tell in _found_methods():
        with contextlib.suppress(Exception):
            _replace(owner, method, tell, recorder)
    with contextlib.suppress(Exception):
        _replace_on(dbutils.notebook, "run", _called_notebook, recorder)


def _argument(position: int, *names: str) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """A look at one argument, by position (0 is the first after ``self``) or by name."""

    def find(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if len(args) > position + 1:
            return args[position + 1]
        return next((kwargs[name] for name in names if name in kwargs), None)

    return find


def _call(kind: str, *names: str) -> Tell:
    find = _argument(0, *names)

    def tell(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        recorder.call(kind, find(args, kwargs))
        recorder.meet(_session_of(args[0]))

    return tell


def _change(*names: str) -> Tell:
    """Of what changes a table that must be there."""
    find = _argument(0, *names)

    def tell(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        recorder.call("write", find(args, kwargs))
        recorder.call("read", find(args, kwargs))
        recorder.meet(_session_of(args[0]))

    return tell


def _path(kind: str) -> Tell:
    find = _argument(0, "path", "paths")

    def tell(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = find(args, kwargs)
        recorder.saw(kind, *(given if isinstance(given, (list, tuple)) else [given]))
        # parquet and orc take several
        recorder.saw(kind, *args[2:3] if isinstance(given, (list, tuple)) else args[2:])

    return tell


def _sql(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    text = _argument(0, "sqlQuery")(args, kwargs)
    given = _argument(1, "args")(args, kwargs)
    if isinstance(text, str) and isinstance(given, dict):
        text = _IDENTIFIER.sub(lambda found: str(given.get(found[1], found[0])), text)
    recorder.call("sql", text)
    recorder.meet(args[0])


def _delta_name(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    # forName(name) and forName(session, name); the class itself may come first
    names = [one for one in (*args, *kwargs.values()) if isinstance(one, str)]
    for name in names[:1]:
        recorder.call("write", name)
        recorder.call("read", name)


def _delta_path(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    recorder.saw("paths_read", *[one for one in (*args, *kwargs.values()) if isinstance(one, str)])


def _called_notebook(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    path = args[0] if args else kwargs.get("path")
    if isinstance(path, str):
        whole = workspace_path(path)
        recorder.saw("files", whole if whole.startswith("/Workspace/") else f"/Workspace{whole}")


_READS, _WRITES = _path("paths_read"), _path("paths_written")
_FORMATS = ("csv", "json", "parquet", "orc", "text", "xml")
_READER: dict[str, Tell] = {
    "table": _call("read", "tableName"),
    "changes": _call("read", "tableName"),
    **dict.fromkeys(("load", *_FORMATS), _READS),
}
_WRITER: dict[str, Tell] = {
    "saveAsTable": _call("write", "name"),
    "insertInto": _change("tableName"),
    **dict.fromkeys(("save", *_FORMATS), _WRITES),
}
_VIEWS = (
    "createTempView",
    "createOrReplaceTempView",
    "createGlobalTempView",
    "createOrReplaceGlobalTempView",
    "registerTempTable",
)
_FRAME: dict[str, Tell] = {
    "writeTo": _call("write", "table"),
    "mergeInto": _change("table"),
    **dict.fromkeys(_VIEWS, _call("hide", "name")),
}
_METHODS: dict[str, dict[str, Tell]] = {
    "SparkSession": {"sql": _sql, "table": _call("read", "tableName")},
    "DataFrameReader": _READER,
    "DataFrameWriter": _WRITER,
    "DataFrame": _FRAME,
    "DataStreamReader": {"table": _call("read", "tableName"), "load": _READS},
    "DataStreamWriter": {"toTable": _call("write", "tableName"), "start": _WRITES},
    "Catalog": {
        "setCurrentCatalog": _call("use_catalog", "catalogName"),
        "setCurrentDatabase": _call("use_schema", "dbName"),
    },
    "DeltaTable": {"forName": _delta_name, "forPath": _delta_path},
}
_MODULES = (
    "pyspark.sql.session",
    "pyspark.sql.connect.session",
    "pyspark.sql.readwriter",
    "pyspark.sql.connect.readwriter",
    "pyspark.sql.dataframe",
    "pyspark.sql.classic.dataframe",
    "pyspark.sql.connect.dataframe",
    "pyspark.sql.streaming.readwriter",
    "pyspark.sql.connect.streaming.readwriter",
    "pyspark.sql.catalog",
    "pyspark.sql.connect.catalog",
    "delta.tables",
    "delta.connect.tables",
)


def _found_methods() -> Iterator[tuple[type, str, Tell]]:
    """The methods to be heard of the classes that are loaded, and of their subclasses."""
    waiting: list[tuple[type, dict[str, Tell]]] = []
    for name in _MODULES:
        module = sys.modules.get(name)
        for owner, methods in _METHODS.items():
            found = getattr(module, owner, None)
            if isinstance(found, type):
                waiting.append((found, methods))
    done: set[type] = set()
    while waiting:
        found, methods = waiting.pop()
        if found in done:
            continue
        done.add(found)
        children: list[type] = type.__subclasses__(found)
        waiting += [(child, methods) for child in children]
        for method, tell in methods.items():
            if method in vars(found):
                yield found, method, tell


def _replace(owner: type, method: str, tell: Tell, recorder: Recorder) -> None:
    held = vars(owner)[method]
    kind = type(held) if isinstance(held, (classmethod, staticmethod)) else None
    original = held.__func__ if kind else held
    if not callable(original) or hasattr(original, _MARK):
        return
    heard = _heard(original, tell, recorder)
    setattr(owner, method, kind(heard) if kind else heard)


def _replace_on(thing: Any, method: str, tell: Tell, recorder: Recorder) -> None:
    original = getattr(thing, method)
    if not hasattr(original, _MARK):
        setattr(thing, method, _heard(original, tell, recorder))


def _heard(original: Callable[..., Any], tell: Tell, recorder: Recorder) -> Callable[..., Any]:
    """The function, which tells of each call before it does what it did."""

    @functools.wraps(original)
    def heard(*args: Any, **kwargs: Any) -> Any:
        if getattr(_inside, "busy", False):
            return original(*args, **kwargs)
        _inside.busy = True
        try:
            with contextlib.suppress(Exception):
                tell(recorder, args, kwargs)
            result = original(*args, **kwargs)
            if recorder.has_time:
                # each look is a question to the JVM
                with recorder.spending(), contextlib.suppress(Exception):
                    _tell_leaves(recorder, result)
            return result
        finally:
            _inside.busy = False

    setattr(heard, _MARK, original)
    return heard


def _tell_leaves(recorder: Recorder, frame: Any) -> None:
    """The tables at the leaves of a classic frame's analysed plan."""
    if not hasattr(type(frame), "createOrReplaceTempView"):
        return
    plan = getattr(frame, "_jdf", None)
    if plan is None:
        return
    leaves = plan.queryExecution().analyzed().collectLeaves()
    for index in range(min(leaves.size(), _MOST_LEAVES)):
        with contextlib.suppress(Exception):
            recorder.saw("tables_read", _table_of(leaves.apply(index)))


def _table_of(leaf: Any) -> str | None:
    kind = str(leaf.getClass().getSimpleName())
    if kind == "LogicalRelation":
        table = leaf.catalogTable()
        return str(table.get().identifier().unquotedString()) if table.isDefined() else None
    if kind == "HiveTableRelation":
        return str(leaf.tableMeta().identifier().unquotedString())
    if kind.startswith("DataSourceV2"):
        return str(leaf.name())
    return None


def _session_of(thing: Any) -> Any:
    """The Spark session behind a session, a reader, a writer, a catalog or a frame."""
    if hasattr(type(thing), "catalog"):
        return thing
    # never asked of a frame's own names: to it any other is that of a column
    own = getattr(thing, "__dict__", {})
    for name in ("_spark", "_client", "_sparkSession"):
        if name in own:
            return own[name]
    return thing.sparkSession if hasattr(type(thing), "sparkSession") else None
