"""The catalog on disk: which catalogs, schemas, tables, views and functions there are.

A folder below the warehouse is a catalog, a folder in it a schema, a Delta folder in that a managed
table. What no folder can say (views, external tables, functions, comments) is one JSON file each in
the schema's ``.catalog``, written whole or not at all; so several processes work on one catalog
without a lock, and nothing is lost when one is killed. Names are kept in lower case, as Unity
Catalog keeps them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from brickloop.localws.layout import StoreLayout
from brickloop.localws.spark_errors import (
    analysis_error,
    catalog_not_found,
    schema_not_found,
    table_exists,
)
from brickloop.localws.table_keys import TableKey
from brickloop.model.whole_file import write_whole

DEFAULT_CATALOG = "main"
DEFAULT_SCHEMA = "default"
_DETAILS = ".catalog"
_KEYS = ".keys"
_FUNCTIONS = ".functions"
"""There once a function was made."""
_SCHEMA_FILE = ".schema.json"
_STORE = "{store}"
_REFUSED_NAME = re.compile(r"[./\s\x00-\x1f\x7f]")


@dataclass(frozen=True)
class TableName:
    """The full name of a table, view or function, in lower case."""

    catalog: str
    schema: str
    name: str

    @property
    def parts(self) -> tuple[str, str, str]:
        """Catalog, schema and name."""
        return self.catalog, self.schema, self.name

    def __str__(self) -> str:
        return f"{self.catalog}.{self.schema}.{self.name}"


@dataclass(frozen=True)
class Entry:
    """A table, view or function of the registry."""

    name: TableName
    kind: str
    """``table`` (managed), ``external``, ``view`` or ``function``."""
    provider: str = "delta"
    location: str = ""
    """The real folder of a table's data."""
    statement: str = ""
    """What makes a view, a function or a table that is not Delta: SQL after the name."""
    text: str = ""
    """A view's query or a function's body, as the user wrote it."""
    comment: str = ""
    owner: str = ""
    created: int = 0
    """Milliseconds since 1970."""

    @property
    def is_table(self) -> bool:
        """Whether rows are kept under this name."""
        return self.kind in {"table", "external"}

    @property
    def is_delta(self) -> bool:
        """Whether the data is a Delta folder."""
        return self.is_table and self.provider == "delta"

    @property
    def folder(self) -> Path:
        """The real folder of a table's data."""
        return Path(self.location)


class Registry:
    """The catalog of one local workspace."""

    def __init__(self, layout: StoreLayout) -> None:
        self._root = layout.warehouse
        self._store = layout.root

    def catalogs(self) -> list[str]:
        """The names of all catalogs; ``main`` is always there."""
        return sorted({DEFAULT_CATALOG, *_folders(self._root)})

    def make_catalog(self, catalog: str) -> None:
        """Make a catalog with its schema ``default``."""
        check_name(catalog)
        (self._root / catalog / DEFAULT_SCHEMA).mkdir(parents=True, exist_ok=True)

    def drop_catalog(self, catalog: str) -> None:
        """Delete a catalog with all that is in it."""
        self._remove(self._root / catalog)

    def schemas(self, catalog: str) -> list[str]:
        """The names of a catalog's schemas; ``default`` is always there."""
        self.check_catalog(catalog)
        return sorted({DEFAULT_SCHEMA, *_folders(self._root / catalog)})

    def has_catalog(self, catalog: str) -> bool:
        """Whether there is such a catalog."""
        return catalog == DEFAULT_CATALOG or (self._root / catalog).is_dir()

    def has_schema(self, catalog: str, schema: str) -> bool:
        """Whether there is such a schema."""
        if schema == DEFAULT_SCHEMA:
            return self.has_catalog(catalog)
        return not schema.startswith(".") and (self._root / catalog / schema).is_dir()

    def check_catalog(self, catalog: str) -> None:
        """Raise CATALOG_NOT_FOUND where there is no such catalog."""
        if not self.has_catalog(catalog):
            raise catalog_not_found(catalog)

    def check_schema(self, catalog: str, schema: str) -> None:
        """Raise SCHEMA_NOT_FOUND where there is no such schema."""
        if not self.has_schema(catalog, schema):
            raise schema_not_found(f"{catalog}.{schema}")

    def schema_folder(self, catalog: str, schema: str) -> Path:
        """The real folder in which a schema's managed tables are."""
        return self._root / catalog / schema

    def make_schema(self, catalog: str, schema: str, comment: str = "") -> None:
        """Make a schema."""
        self.check_catalog(catalog)
        check_name(schema)
        self.schema_folder(catalog, schema).mkdir(parents=True, exist_ok=True)
        if comment:
            self.set_schema_comment(catalog, schema, comment)

    def set_schema_comment(self, catalog: str, schema: str, comment: str) -> None:
        """Keep a schema's comment."""
        self.check_schema(catalog, schema)
        self._write(self._details(catalog, schema) / _SCHEMA_FILE, {"comment": comment})

    def schema_comment(self, catalog: str, schema: str) -> str:
        """A schema's comment, empty where it has none."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            kept = json.loads((self._details(catalog, schema) / _SCHEMA_FILE).read_text("utf-8"))
            return str(kept["comment"])
        return ""

    def drop_schema(self, catalog: str, schema: str) -> None:
        """Delete a schema with all that is in it."""
        self._remove(self.schema_folder(catalog, schema))

    def find(self, name: TableName) -> Entry | None:
        """The table or view of that name, None where there is none."""
        entry = self._read(name)
        if entry is not None and entry.kind != "table":
            return entry
        folder = self.managed_folder(name)
        if name.name.startswith("."):
            return None
        if has_commits(folder):
            return entry or Entry(name, "table", "delta", str(folder))
        # a table of another format: its files are what says that it is there
        return entry if entry is not None and folder.is_dir() else None

    def find_function(self, name: TableName) -> Entry | None:
        """The SQL function of that name, None where there is none."""
        return self._read(name, ".function")

    def function_names(self) -> set[str]:
        """The names of all SQL functions, whatever schema they are in."""
        # most workspaces have none, and this is asked at each statement
        if not (self._root / _FUNCTIONS).exists():
            return set()
        return {
            path.name.removesuffix(".function")
            for path in self._root.glob(f"*/*/{_DETAILS}/*.function")
            if path.name[0] != "."
        }

    def entries(self, catalog: str, schema: str) -> list[Entry]:
        """All tables and views of a schema, by name."""
        self.check_schema(catalog, schema)
        names = set(_folders(self.schema_folder(catalog, schema)))
        names |= self._described(catalog, schema, ".json")
        found = (self.find(TableName(catalog, schema, name)) for name in sorted(names))
        return [entry for entry in found if entry is not None]

    def functions(self, catalog: str, schema: str) -> list[Entry]:
        """All SQL functions of a schema, by name."""
        names = self._described(catalog, schema, ".function")
        found = (self.find_function(TableName(catalog, schema, name)) for name in sorted(names))
        return [entry for entry in found if entry is not None]

    def all_entries(self) -> Iterator[Entry]:
        """All tables and views of all catalogs."""
        for catalog in self.catalogs():
            for schema in self.schemas(catalog):
                if self.has_schema(catalog, schema):
                    yield from self.entries(catalog, schema)

    def put(self, entry: Entry) -> None:
        """Keep an entry; one of the same name is replaced."""
        check_name(entry.name.name)
        self.check_schema(entry.name.catalog, entry.name.schema)
        kept = replace(
            entry,
            created=entry.created or int(time.time() * 1000),
            location=self._kept_path(entry.location),
            statement=self._kept_path(entry.statement),
        )
        self._write(self._file(entry.name, _suffix(entry)), asdict(kept))
        if entry.kind == "function":
            (self._root / _FUNCTIONS).touch()

    def forget(self, entry: Entry) -> None:
        """Drop an entry; a managed table's data is deleted, an external one's stays."""
        self._file(entry.name, _suffix(entry)).unlink(missing_ok=True)
        if entry.kind == "table":
            self._remove(self.managed_folder(entry.name))
        if entry.is_table:
            self.set_keys(entry.name, [])

    def set_keys(self, name: TableName, keys: Sequence[TableKey]) -> None:
        """Keep the keys of a table, in place of those that it had."""
        path = self._file(name, _KEYS)
        if keys:
            self._write(path, [asdict(key) for key in keys])
        else:
            path.unlink(missing_ok=True)

    def keys(self, name: TableName) -> list[TableKey]:
        """The keys of a table."""
        try:
            kept = json.loads(self._file(name, _KEYS).read_text("utf-8"))
            lists = ("columns", "parent", "parent_columns")
            return [TableKey(**{**key, **{n: tuple(key[n]) for n in lists}}) for key in kept]
        except (OSError, ValueError, TypeError, KeyError):
            return []

    def rename(self, entry: Entry, new: TableName) -> None:
        """Give an entry another name; a managed table's folder moves with it."""
        self.check_schema(new.catalog, new.schema)
        check_name(new.name)
        if self.find(new) is not None:
            raise table_exists(str(new))
        kept = self._read(entry.name)
        keys = self.keys(entry.name)
        if entry.kind == "table":
            self.managed_folder(new).parent.mkdir(parents=True, exist_ok=True)
            self.managed_folder(entry.name).rename(self.managed_folder(new))
        if kept is not None:
            if entry.kind == "table":
                old, place = str(self.managed_folder(entry.name)), str(self.managed_folder(new))
                statement = kept.statement.replace(f"'{old}'", f"'{place}'")
                kept = replace(kept, location=place, statement=statement)
            self.put(replace(kept, name=new))
            self._file(entry.name, _suffix(entry)).unlink(missing_ok=True)
        if keys:
            self.set_keys(new, keys)
            self.set_keys(entry.name, [])

    def managed_folder(self, name: TableName) -> Path:
        """Where a managed table of that name has its data."""
        return self._root / name.catalog / name.schema / name.name

    def clear_remains(self, name: TableName) -> None:
        """Delete what a killed command left in the place of a table that is not there."""
        folder = self.managed_folder(name)
        if folder.is_dir() and self.find(name) is None:
            self._remove(folder)

    def _kept_path(self, text: str) -> str:
        """Paths in the store without where the store is: it may move, and have several names."""
        return text.replace(f"{self._store}/", f"{_STORE}/")

    def _details(self, catalog: str, schema: str) -> Path:
        return self._root / catalog / schema / _DETAILS

    def _file(self, name: TableName, suffix: str) -> Path:
        return self._details(name.catalog, name.schema) / f"{name.name}{suffix}"

    def _described(self, catalog: str, schema: str, suffix: str) -> set[str]:
        found = self._details(catalog, schema).glob(f"*{suffix}")
        return {path.name.removesuffix(suffix) for path in found if path.name[0] != "."}

    def _read(self, name: TableName, suffix: str = ".json") -> Entry | None:
        try:
            kept = json.loads(self._file(name, suffix).read_text("utf-8"))
            entry = Entry(**{**kept, "name": TableName(**kept["name"])})
            return replace(
                entry,
                location=entry.location.replace(_STORE, str(self._store)),
                statement=entry.statement.replace(_STORE, str(self._store)),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError):
            # a file that someone else damaged is no entry
            return None

    def _write(self, path: Path, value: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(value, ensure_ascii=False))

    def _remove(self, folder: Path) -> None:
        """Delete a folder; for others it is gone in one step."""
        doomed = self._root / f".gone-{uuid.uuid4().hex}"
        try:
            folder.rename(doomed)
        except FileNotFoundError:
            return
        shutil.rmtree(doomed, ignore_errors=True)


def has_commits(folder: Path) -> bool:
    """Whether ``folder`` holds a Delta table."""
    log = folder / "_delta_log"
    # the first commit is there for good unless the log was cleaned up behind a checkpoint
    if (log / "00000000000000000000.json").exists():
        return True
    return log.is_dir() and any(log.glob("*.json"))


def check_name(name: str) -> None:
    """Raise an error for a name that Unity Catalog does not take."""
    if not name or _REFUSED_NAME.search(name) or len(name) > 255:
        raise analysis_error(
            "INVALID_SCHEMA_OR_RELATION_NAME",
            f"{name!r} is not a valid name for tables/schemas. Valid names hold no period, slash,"
            " space or control character and are at most 255 characters long.",
        )


def _suffix(entry: Entry) -> str:
    return ".function" if entry.kind == "function" else ".json"


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return [entry.name for entry in found if entry.name[0] != "." and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
