"""What a run was seen to read and write, as the graph takes it: tables and files of the project."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from brickloop.flows.edges import Observed
from brickloop.model.references import Kind, Place, Reference
from brickloop.model.sql_references import TableScope, scan_sql
from brickloop.runtime.recorder import OBSERVED_VERSION

_NO_PLACE = Place(0, 0)


def read_observed(data: bytes, folder: str) -> Observed | None:
    """What the file beside an output document says; None for one that cannot be understood.

    ``folder`` is the project's folder in the workspace, which names of files are relative to.
    """
    try:
        seen: Any = json.loads(data)
        if seen.get("version") != OBSERVED_VERSION:
            return None
        paths = [*_texts(seen["files"]), *(_plain(path) for path in _texts(seen["paths_read"]))]
        called = _tables_called(seen.get("calls") or [], seen.get("namespace"))
        reads = [*_texts(seen["tables_read"]), *called[Kind.READ]]
        writes = [*_texts(seen["tables_written"]), *called[Kind.WRITE]]
        return Observed(
            reads=tuple(sorted({name.lower() for name in reads})),
            writes=tuple(sorted({name.lower() for name in writes})),
            files=tuple(sorted({name for path in paths for name in _below(path, folder)})),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _tables_called(calls: list[Any], namespace: Any) -> dict[Kind, list[str]]:
    """The tables of the calls that the runtime wheel heard, each with the schema that was current.

    It has no parser for SQL: statements come as they were, and are read here.
    """
    scope = TableScope()
    if namespace is not None:
        catalog, schema = _texts(namespace)
        scope.use(catalog=catalog)
        scope.use(schema=schema)
    found: list[Reference] = []
    for kind, text in (_texts(call) for call in calls):
        if kind == "sql":
            found += scan_sql(text, scope, _NO_PLACE)
        elif kind == "hide":
            scope.hide(text)
        elif kind == "use_catalog":
            scope.use(catalog=text)
        elif kind == "use_schema":
            *catalogs, schema = text.replace("`", "").split(".")
            scope.use(catalog=catalogs[-1] if catalogs else None)
            scope.use(schema=schema)
        else:
            found.append(Reference(Kind(kind), scope.qualified(text), _NO_PLACE))
    settled = scope.settled(tuple(found))
    return {
        kind: [one.target for one in settled if one.kind is kind]
        for kind in (Kind.READ, Kind.WRITE)
    }


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("a list of texts was expected")
    return values


def _plain(path: str) -> str:
    text = path.removeprefix("file:")
    return "/" + text.lstrip("/") if text != path else text


def _below(path: str, folder: str) -> Iterable[str]:
    """The name of a file within the project; nothing for one elsewhere."""
    start = f"{folder.rstrip('/')}/"
    if path.startswith(start) and "/../" not in path:
        yield path[len(start) :]
