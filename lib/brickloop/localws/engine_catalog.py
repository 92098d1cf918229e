"""One session's catalog in the engine, kept in step with the registry on disk.

The engine's catalog lives and dies with a session. Before each command the names in it are looked
up in the registry, and only those are made known to the engine: a session opens in milliseconds
however many tables there are, and what other sessions made, replaced or dropped in the meantime is
seen. A Delta table is registered by its place alone, so that its columns are read from its log at
each use and never go stale.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql.connect.dataframe import DataFrame

from brickloop.localws.engine import SPARE
from brickloop.localws.registry import (
    DEFAULT_CATALOG,
    DEFAULT_SCHEMA,
    Entry,
    Registry,
    TableName,
)
from brickloop.localws.spark_errors import catalog_not_found, unsupported
from brickloop.localws.sql_tokens import name_chains, quoted_name, read_tokens, string_literal

_DEPTH = 32
"""How many views may stand on one another."""


class EngineCatalog:
    """What the engine knows of the registry in one session."""

    def __init__(
        self, registry: Registry, run: Callable[[str], DataFrame], catalogs: Iterable[str]
    ) -> None:
        self.registry = registry
        self._run = run
        self._catalogs = frozenset(catalogs)
        """The catalogs that the engine was started with."""
        self._spares = sorted(name for name in self._catalogs if name.startswith(SPARE))
        self._is_foreign = DEFAULT_CATALOG not in self._catalogs
        """Whether somebody else set the engine up: its first catalog stands for ours then."""
        if self._is_foreign:
            self._spares = sorted(self._catalogs - {"system"})[:1]
        self._stand_ins: dict[str, str] = {}
        """Catalogs made since the engine began: the spare one that each has in this session."""
        self._schemas: set[tuple[str, str]] = set()
        self._known: dict[tuple[str, str, str], str] = {}
        """By the name as it is spelled: what is registered under it."""
        self._native: set[tuple[str, str, str]] = set()
        """What the session's own statements have made, which the engine describes by itself."""
        self._lock = threading.RLock()
        self.catalog = DEFAULT_CATALOG
        self.schema = DEFAULT_SCHEMA
        self._engine_catalog = DEFAULT_CATALOG

    def use(self, catalog: str, schema: str) -> None:
        """Make a schema the current one."""
        self.registry.check_catalog(catalog)
        self.registry.check_schema(catalog, schema)
        with self._lock:
            self._ensure_schema(catalog, schema)
            if catalog != self._engine_catalog:
                self._run(f"USE CATALOG {self.quoted(catalog)}")
            self._run(f"USE SCHEMA {quoted_name(schema)}")
            self.catalog, self.schema = catalog, schema
            self._engine_catalog = catalog

    def begin_again(self) -> None:
        """Know nothing to be registered: the session is another one, and nothing is in it yet."""
        with self._lock:
            self._schemas.clear()
            self._known.clear()
            self._native.clear()
            self._engine_catalog = ""

    def qualify(self, parts: tuple[str, ...]) -> TableName:
        """The full name that one to three parts mean here."""
        lowered = tuple(part.lower() for part in parts)
        if len(lowered) == 1:
            return TableName(self.catalog, self.schema, *lowered)
        if len(lowered) == 2:
            return TableName(self.catalog, *lowered)
        return TableName(*lowered[-3:])

    def qualify_schema(self, parts: tuple[str, ...]) -> tuple[str, str]:
        """The catalog and schema that one or two parts mean here."""
        lowered = [part.lower() for part in parts]
        if len(lowered) == 1:
            return self.catalog, lowered[0]
        return lowered[0], lowered[1]

    def quoted(self, catalog: str, *parts: str) -> str:
        """A full name as the engine takes it."""
        self._check_catalog(catalog.lower())
        lowered = catalog.lower()
        return quoted_name(self._stand_ins.get(lowered, lowered), *parts)

    def is_stand_in(self, catalog: str) -> bool:
        """Whether the engine knows this catalog by another name."""
        return catalog in self._stand_ins

    def engine_text(self, text: str) -> str:
        """A statement with its catalogs as the engine knows them: in lower case, by stand-ins."""
        tokens = read_tokens(text)
        for chain in reversed(list(name_chains(tokens))):
            if len(chain.parts) < 3:
                continue
            first, lowered = chain.tokens[0], chain.parts[0].lower()
            shown = self._stand_ins.get(lowered, lowered)
            if shown != chain.parts[0] and shown in self._catalogs:
                text = text[: first.start] + quoted_name(shown) + text[first.end :]
        return text

    def ensure_text(self, text: str) -> list[Entry]:
        """Make known what a statement or name mentions; the entries that were found."""
        return self._ensure_chains(chain.parts for chain in name_chains(read_tokens(text)))

    def ensure_all(self) -> None:
        """Make everything in the registry known, for what lists the catalog."""
        for entry in self.registry.all_entries():
            if not entry.name.catalog.startswith("_"):
                self.ensure(entry, (entry.name.catalog, entry.name.schema, entry.name.name))
        with self._lock:
            for key in [key for key in self._known if self.registry.find(_lowered(key)) is None]:
                self._unregister(key)
            for catalog in self.registry.catalogs():
                self._check_catalog(catalog)
                for schema in self.registry.schemas(catalog):
                    self._ensure_schema(catalog, schema)

    def ensure(self, entry: Entry, spelled: tuple[str, str, str], depth: int = 0) -> None:
        """Make one entry known under the name as it is spelled."""
        self._check_catalog(entry.name.catalog)
        identity = f"{entry.kind}\n{entry.location}\n{entry.statement}"
        if entry.kind == "view" and depth < _DEPTH:
            # the engine looks into a view when it is made: what it stands on comes first
            for chain in name_chains(read_tokens(entry.statement)):
                self._ensure_chain(chain.parts, depth + 1)
        with self._lock:
            kept = self._known.get(spelled)
            if kept != identity:
                self._ensure_schema(spelled[0], spelled[1])
                self._unregister(spelled)
                self._register(entry, spelled)
                self._known[spelled] = identity

    def ensure_place(self, name: TableName) -> None:
        """Make the schema known in which a table is about to be made."""
        self._check_catalog(name.catalog)
        self.registry.check_schema(name.catalog, name.schema)
        with self._lock:
            self._ensure_schema(name.catalog, name.schema)

    def mark_made(self, name: TableName) -> None:
        """Note that a statement of this session has made or replaced ``name``.

        It is registered anew, by its place, when it is next used.
        """
        with self._lock:
            for key in [key for key in self._known if _lowered(key) == name]:
                self._known.pop(key)
                self._native.add(key)
            self._native.add((name.catalog, name.schema, name.name))

    def forget(self, name: TableName) -> None:
        """Drop what the engine knows under a name; files stay."""
        with self._lock:
            keys = {key for key in {*self._known, *self._native} if _lowered(key) == name}
            for key in keys:
                self._unregister(key)

    def forget_schema(self, catalog: str, schema: str) -> None:
        """Drop a schema from the engine's catalog; files stay."""
        with self._lock:
            for key in [key for key in self._schemas if _lower(key) == (catalog, schema)]:
                self._run(f"DROP SCHEMA IF EXISTS {self.quoted(*key)} CASCADE")
                self._schemas.discard(key)
            for known in {*self._known, *self._native}:
                if _lower(known[:2]) == (catalog, schema):
                    self._known.pop(known, None)
                    self._native.discard(known)

    def _ensure_chains(self, chains: Iterable[tuple[str, ...]]) -> list[Entry]:
        found: dict[TableName, Entry] = {}
        for parts in dict.fromkeys(chains):
            entry = self._ensure_chain(parts, 0)
            if entry is not None:
                found[entry.name] = entry
        return list(found.values())

    def _ensure_chain(self, parts: tuple[str, ...], depth: int) -> Entry | None:
        """Make known what the beginning of a chain of names may mean: the longest that exists."""
        for length in (3, 2, 1):
            if len(parts) < length:
                continue
            spelled = (self.catalog, self.schema)[: 3 - length] + parts[:length]
            name = _lowered((spelled[0], spelled[1], spelled[2]))
            if any(part.startswith(".") or "/" in part for part in spelled):
                continue
            entry = self.registry.find(name)
            if entry is not None:
                self.ensure(entry, (spelled[0], spelled[1], spelled[2]), depth)
                return entry
            self._forget_gone((spelled[0], spelled[1], spelled[2]))
        return None

    def _forget_gone(self, spelled: tuple[str, str, str]) -> None:
        with self._lock:
            if spelled in self._known:
                self._unregister(spelled)

    def _check_catalog(self, catalog: str) -> None:
        if catalog in self._catalogs or catalog in self._stand_ins:
            return
        if not self.registry.has_catalog(catalog):
            raise catalog_not_found(catalog)
        with self._lock:
            if not self._spares and self._is_foreign:
                raise unsupported(
                    f"the catalog `{catalog}` on an engine that has one catalog only",
                    "Use the catalog `main`, or take the setting local.engine away.",
                )
            if not self._spares:
                raise unsupported(
                    f"more new catalogs in a session that is open already (`{catalog}`)",
                    "Open another session.",
                )
            self._stand_ins[catalog] = self._spares.pop(0)

    def _ensure_schema(self, catalog: str, schema: str) -> None:
        if (catalog, schema) in self._schemas:
            return
        folder = self.registry.schema_folder(catalog.lower(), schema.lower())
        folder.mkdir(parents=True, exist_ok=True)
        if self._is_foreign and schema.lower() == DEFAULT_SCHEMA:
            self._make_way(self.quoted(catalog, schema))
        self._run(
            f"CREATE SCHEMA IF NOT EXISTS {self.quoted(catalog, schema)}"
            f" LOCATION {string_literal(str(folder))}"
        )
        self._schemas.add((catalog, schema))

    def _make_way(self, schema: str) -> None:
        """Drop the default schema of somebody else's engine, which has another folder than ours.

        One with a table in it is left alone; then new tables in ours are not found.
        """
        with contextlib.suppress(PySparkException):
            if not self._run(f"SHOW TABLES IN {schema}").collect():
                self._run(f"DROP SCHEMA {schema}")

    def _unregister(self, spelled: tuple[str, str, str]) -> None:
        kept = self._known.pop(spelled, None)
        if kept is None and spelled not in self._native:
            return
        for kind in ("TABLE", "VIEW"):
            if spelled in self._native or str(kept).startswith("view\n") == (kind == "VIEW"):
                self._run(f"DROP {kind} IF EXISTS {self.quoted(*spelled)}")
        self._native.discard(spelled)

    def _register(self, entry: Entry, spelled: tuple[str, str, str]) -> None:
        name = self.quoted(*spelled)
        if entry.kind == "view":
            self._run(f"CREATE OR REPLACE VIEW {name} {self.engine_text(entry.statement)}")
        elif entry.statement:
            self._run(f"CREATE TABLE {name} {entry.statement}")
        else:
            self._run(
                f"CREATE TABLE {name} USING {entry.provider}"
                f" LOCATION {string_literal(str(Path(entry.location)))}"
            )


def _lower(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.lower() for part in parts)


def _lowered(spelled: tuple[str, str, str]) -> TableName:
    return TableName(spelled[0].lower(), spelled[1].lower(), spelled[2].lower())
