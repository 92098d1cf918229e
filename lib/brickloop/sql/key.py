"""The key of a cached result: a pure function of everything that the result depends on.

Parts stand in a fixed order in one canonical JSON text, whose SHA-256 is the key. Two users, two
warehouses, two catalogs or two session settings never share a key. No secret is ever a part of it:
who asks is a name, and parameters are hashed with the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from brickloop.model.query import Parameter

FORMAT_VERSION = 1
"""Raised when entries or the rules of what may be cached change: old entries are then not found."""
CHANGE = "z"
"""First letter of a change mark's key; no hexadecimal digit, so never that of a result's."""


@dataclass(frozen=True)
class Identity:
    """Who asks where: all that a result depends on besides the statement."""

    host: str
    """The workspace; for the local one ``local:`` and its id, which a reset changes."""
    warehouse: str
    """The path that statements are sent to, which names the warehouse or the cluster."""
    user: str
    catalog: str
    schema: str
    session: tuple[str, ...] = ()
    """``name=value`` of the session's configuration, and USE or SET statements in their order."""


def cache_key(
    identity: Identity,
    statement: str,
    parameters: Sequence[Parameter] = (),
    row_limit: int | None = None,
    label: str | None = None,
) -> str:
    """The key, 64 hexadecimal digits.

    Blanks and semicolons around the statement do not count, letter case does: it may stand in a
    string. Named parameters count in any order. ``label`` stands for statement and parameters where
    the caller names the result itself.
    """
    asked = label if label is not None else statement.strip().rstrip("; \t\r\n")
    bound = [(p.name, p.type, p.text) for p in parameters]
    if all(p.name for p in parameters):
        bound.sort(key=lambda one: one[0])
    parts = [
        FORMAT_VERSION,
        identity.host,
        identity.warehouse,
        identity.user,
        identity.catalog,
        identity.schema,
        list(identity.session),
        "label" if label is not None else "statement",
        asked,
        bound if label is None else [],
        row_limit,
    ]
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def change_mark(host: str) -> str:
    """The key under which the time of the last change made to a workspace from here is kept."""
    return CHANGE + hashlib.sha256(host.encode("utf-8")).hexdigest()[:63]
