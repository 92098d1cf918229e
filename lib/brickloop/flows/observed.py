"""What a run was seen to read and write, as the graph takes it: tables and files of the project."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from brickloop.flows.edges import Observed

OBSERVED_NAME = "_OBSERVED.json"


def read_observed(data: bytes, folder: str) -> Observed | None:
    """What the file beside an output document says; None for one that cannot be understood.

    ``folder`` is the project's folder in the workspace, which names of files are relative to.
    """
    try:
        seen: Any = json.loads(data)
        if seen.get("version") != 1:
            return None
        paths = [*_texts(seen["files"]), *(_plain(path) for path in _texts(seen["paths_read"]))]
        return Observed(
            reads=tuple(sorted({name.lower() for name in _texts(seen["tables_read"])})),
            writes=tuple(sorted({name.lower() for name in _texts(seen["tables_written"])})),
            files=tuple(sorted({name for path in paths for name in _below(path, folder)})),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


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
