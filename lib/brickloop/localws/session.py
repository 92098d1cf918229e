"""Spark sessions on the engine, with the store's paths and tables in place.

Sail's catalog lives and dies with a session, so the disk is the catalog: a folder below the
warehouse is a schema, a Delta folder in it a table, a file in its ``.views`` a view. It is replayed
into a session when that opens, and what other runs have made since before each command.
"""

from __future__ import annotations

import glob
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import Message
from pyspark.errors.exceptions.base import AnalysisException
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession

from brickloop.errors import PathError
from brickloop.localws.engine import CATALOG
from brickloop.localws.layout import StoreLayout
from brickloop.localws.sql_text import leading_words, split_statements

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

DEFAULT_SCHEMA = "default"
_PART = r"(?:`[^`]+`|\w+)"
_NAME = rf"{_PART}(?:\.{_PART}){{0,2}}"
_STORE_PATH = re.compile(r"^(?:dbfs:|/dbfs/|/Volumes/|/Workspace/|/|file:/Workspace/)")
_SQL_PATH = re.compile(
    r"(\b(?:csv|json|parquet|text|delta|orc)\.`)([^`]+)(`)|(\bLOCATION\s+['\"])([^'\"]+)(['\"])",
    re.IGNORECASE,
)
_CREATE_SCHEMA = re.compile(
    rf"^\s*CREATE\s+(?:SCHEMA|DATABASE)\s+(IF\s+NOT\s+EXISTS\s+)?({_NAME})(.*)$", re.I | re.S
)
_DROP = re.compile(
    rf"^\s*DROP\s+(TABLE|VIEW|SCHEMA|DATABASE)\s+(?:IF\s+EXISTS\s+)?({_NAME})", re.I | re.S
)
_CREATE_VIEW = re.compile(
    rf"^\s*CREATE\s+(?:OR\s+REPLACE\s+)?VIEW\s+(?:IF\s+NOT\s+EXISTS\s+)?({_NAME})", re.I | re.S
)
_REPLACE_AS = re.compile(
    rf"^\s*CREATE\s+OR\s+REPLACE\s+TABLE\s+({_NAME})\s+(?:USING\s+DELTA\s+)?AS\s+(.*)$", re.I | re.S
)
_USE = re.compile(rf"^\s*USE\s+(?!CATALOG\b|SCHEMA\b|DATABASE\b|NAMESPACE\b)({_NAME})\s*$", re.I)
_DESCRIBE = re.compile(rf"^\s*DESC(?:RIBE)?\s+(?!TABLE\b|EXTENDED\b|QUERY\b)({_NAME})\s*$", re.I)
_CURRENT_USER = re.compile(r"\b(?:current_user|session_user)\s*\(\s*\)", re.I)


def open_session(layout: StoreLayout, endpoint: str, *, user: str) -> SparkSession:
    """A fresh Spark Connect session with the store's paths and tables in place."""
    rewriter = _PlanRewriter(layout)
    builder = DefaultChannelBuilder(endpoint)
    builder.add_interceptor(rewriter)
    spark = SparkSession.builder.channelBuilder(builder).create()
    catalog = DiskCatalog(layout, spark)
    spark.conf.set("spark.sql.sources.default", "delta")
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.warehouse.dir", str(layout.warehouse / CATALOG / DEFAULT_SCHEMA))
    catalog.refresh()
    rewriter.catalog = catalog
    front = SqlFront(layout, spark, catalog, user)
    spark.sql = front.sql
    front.plain(f"USE SCHEMA {DEFAULT_SCHEMA}").collect()
    return spark


class DiskCatalog:
    """The schemas, tables and views on disk, kept in step with one session's catalog."""

    def __init__(self, layout: StoreLayout, spark: SparkSession) -> None:
        self._root = layout.warehouse / CATALOG
        self._spark = spark
        self._sql = spark.sql
        self._known: dict[tuple[str, str], float] = {}
        self._schemas: set[str] = set()
        self._busy = False

    def refresh(self) -> None:
        """Bring the session's catalog up to date with the disk."""
        if self._busy:
            return
        self._busy = True
        try:
            (self._root / DEFAULT_SCHEMA).mkdir(parents=True, exist_ok=True)
            self._refresh_schemas()
            self._refresh_tables()
        finally:
            self._busy = False

    def folder(self, name: str) -> Path:
        """The folder of a schema (one name) or table (two), by names without back quotes."""
        parts = _parts(name)
        if len(parts) == 1:
            return self._root / parts[0]
        return self._root / parts[-2] / parts[-1]

    def qualified(self, name: str) -> str:
        """``schema.table`` for a name of one to three parts."""
        parts = _parts(name)
        if len(parts) == 1:
            current = self._sql("SELECT current_schema() s").collect()[0][0]
            return f"{current}.{parts[0]}"
        return ".".join(parts[-2:])

    def _refresh_schemas(self) -> None:
        found = {entry.name for entry in self._root.iterdir() if entry.is_dir()}
        for name in sorted(found - self._schemas):
            self._sql(
                f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.`{name}` LOCATION '{self._root / name}'"
            ).collect()
        for name in sorted(self._schemas - found):
            self._sql(f"DROP SCHEMA IF EXISTS {CATALOG}.`{name}` CASCADE").collect()
        self._schemas = found

    def _refresh_tables(self) -> None:
        found: dict[tuple[str, str], float] = {}
        for schema in self._schemas:
            for entry in (self._root / schema).iterdir():
                log = entry / "_delta_log"
                if log.is_dir():
                    found[(schema, entry.name)] = _birth(log)
            for view in (self._root / schema / ".views").glob("*.sql"):
                found[(schema, view.name)] = view.stat().st_mtime
        gone = [key for key in self._known if key not in found]
        fresh = [key for key, born in found.items() if self._known.get(key) != born]
        for schema, name in gone:
            kind = "VIEW" if name.endswith(".sql") else "TABLE"
            self._sql(
                f"DROP {kind} IF EXISTS {CATALOG}.`{schema}`.`{name.removesuffix('.sql')}`"
            ).collect()
        for schema, name in sorted(fresh, key=lambda key: key[1].endswith(".sql")):
            if name.endswith(".sql"):
                self._sql((self._root / schema / ".views" / name).read_text()).collect()
            else:
                self._sql(
                    f"CREATE TABLE IF NOT EXISTS {CATALOG}.`{schema}`.`{name}` USING delta"
                    f" LOCATION '{self._root / schema / name}'"
                ).collect()
        self._known = found


class SqlFront:
    """``spark.sql`` as users write it: what the engine lacks is rewritten where that is sound."""

    def __init__(
        self, layout: StoreLayout, spark: SparkSession, catalog: DiskCatalog, user: str
    ) -> None:
        self._layout = layout
        self._spark = spark
        self._catalog = catalog
        self._user = user
        self.plain = spark.sql

    def sql(self, sqlQuery: str, args: Any = None, **kwargs: Any) -> DataFrame:  # noqa: N803
        """The result of one statement, as ``SparkSession.sql`` gives it."""
        text = sqlQuery.strip().rstrip(";")
        words = leading_words(text, 2)
        if words[:1] == ["CREATE"]:
            return self._create(text, args, kwargs)
        if words[:1] == ["DROP"]:
            return self._drop(text)
        if found := _USE.match(text):
            return self._use(_parts(found.group(1)))
        if found := _DESCRIBE.match(text):
            return self.plain(f"DESCRIBE TABLE {found.group(1)}")
        # the engine does not know who asks
        text = _CURRENT_USER.sub(f"'{self._user}'", text)
        return self.plain(text, args, **kwargs) if args is not None else self.plain(text, **kwargs)

    def _create(self, text: str, args: Any, kwargs: Any) -> DataFrame:
        if found := _CREATE_SCHEMA.match(text):
            folder = self._catalog.folder(_parts(found.group(2))[-1])
            if folder.exists() and not found.group(1):
                raise AnalysisException(
                    f"[SCHEMA_ALREADY_EXISTS] Cannot create schema `{folder.name}` because it"
                    " already exists."
                )
            folder.mkdir(parents=True, exist_ok=True)
            self._catalog.refresh()
            return self._empty()
        if found := _REPLACE_AS.match(text):
            # the engine refuses to replace a table by one with other columns
            frame = self.sql(found.group(2), args, **kwargs)
            writer = frame.write.mode("overwrite").option("overwriteSchema", "true")
            writer.saveAsTable(found.group(1).replace("`", ""))
            return self._empty()
        frame = self.plain(text, args, **kwargs)
        if found := _CREATE_VIEW.match(text):
            name = self._catalog.qualified(found.group(1))
            path = self._catalog.folder(name)
            views = path.parent / ".views"
            views.mkdir(parents=True, exist_ok=True)
            body = text[found.end() :]
            (views / f"{path.name}.sql").write_text(
                f"CREATE OR REPLACE VIEW {CATALOG}.{name}{body}"
            )
        self._catalog.refresh()
        return frame

    def _drop(self, text: str) -> DataFrame:
        found = _DROP.match(text)
        if found is None:
            return self.plain(text)
        kind, name = found.group(1).upper(), found.group(2)
        if kind in {"SCHEMA", "DATABASE"}:
            folder = self._catalog.folder(_parts(name)[-1])
            frame = self.plain(text)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            path = self._catalog.folder(self._catalog.qualified(name))
            frame = self.plain(text)
            (path.parent / ".views" / f"{path.name}.sql").unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
        self._catalog.refresh()
        return frame

    def _use(self, parts: list[str]) -> DataFrame:
        if parts == [CATALOG]:
            return self.plain(f"USE CATALOG {CATALOG}")
        return self.plain(f"USE SCHEMA `{parts[-1]}`")

    def _empty(self) -> DataFrame:
        return self._spark.range(0).select()


class _PlanRewriter(
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
):
    """Sees every plan on its way to the engine and leads its paths into the store."""

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout
        self.catalog: DiskCatalog | None = None

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        self._prepare(request)
        return continuation(details, request)

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self._prepare(request)
        return continuation(details, request)

    def _prepare(self, request: Any) -> None:
        if request.DESCRIPTOR.name not in {"ExecutePlanRequest", "AnalyzePlanRequest"}:
            return
        if self.catalog is not None:
            self.catalog.refresh()
        self._walk(request)

    def _walk(self, message: Message) -> None:
        name = message.DESCRIPTOR.full_name
        if name == "spark.connect.Read.DataSource":
            self._rewrite_source(message)
        elif name == "spark.connect.WriteOperation":
            self._rewrite_write(message)
        elif name == "spark.connect.SQL":
            self._rewrite_text(message, "query")
        elif name == "spark.connect.SqlCommand":
            self._rewrite_text(message, "sql")
        for field, value in message.ListFields():
            if field.type != field.TYPE_MESSAGE:
                continue
            if isinstance(value, Message):
                self._walk(value)
            elif hasattr(value, "values") and field.message_type.GetOptions().map_entry:
                for item in value.values():
                    if isinstance(item, Message):
                        self._walk(item)
            else:
                for item in value:
                    self._walk(item)

    def _rewrite_source(self, source: Any) -> None:
        for index, path in enumerate(source.paths):
            source.paths[index] = self._existing(path)
        if "path" in source.options:
            source.options["path"] = self._existing(source.options["path"])

    def _rewrite_write(self, write: Any) -> None:
        if write.path:
            write.path = str(self._real(write.path))
        if "path" in write.options:
            write.options["path"] = str(self._real(write.options["path"]))

    def _rewrite_text(self, message: Any, field: str) -> None:
        text = getattr(message, field)
        if "`" not in text and "LOCATION" not in text.upper():
            return

        def replace(found: re.Match[str]) -> str:
            if found.group(1):
                return f"{found.group(1)}{self._existing(found.group(2))}{found.group(3)}"
            return f"{found.group(4)}{self._real(found.group(5))}{found.group(6)}"

        setattr(message, field, _SQL_PATH.sub(replace, text))

    def _existing(self, path: str) -> str:
        """The real path; the engine would read nothing at all from one that is missing."""
        real = self._real(path)
        if "://" in str(real):
            return str(real)
        text = str(real)
        there = glob.glob(text) if glob.has_magic(text) else Path(text).exists()  # noqa: PTH207
        if not there:
            raise AnalysisException(
                f"[PATH_NOT_FOUND] Path does not exist: {path}. SQLSTATE: 42K03"
            )
        return text

    def _real(self, path: str) -> Path | str:
        if path.startswith("file:") and not path.startswith("file:/Workspace/"):
            return path.removeprefix("file://").removeprefix("file:")
        if Path(path).is_relative_to(self._layout.root) or "://" in path.replace("dbfs://", ""):
            return path
        if not _STORE_PATH.match(path):
            path = "/" + path
        try:
            return self._layout.real(path)
        except PathError as error:
            raise AnalysisException(f"[PATH_NOT_FOUND] {error}") from None


def run_script(spark: SparkSession, text: str) -> DataFrame | None:
    """The result of the last of several statements, None where there is no statement."""
    result = None
    for statement in split_statements(text):
        result = spark.sql(statement)
    return result


def _parts(name: str) -> list[str]:
    return [part.strip("`") for part in re.findall(_PART, name)]


def _birth(log: Path) -> float:
    """Tells a table from another one made later under the same name."""
    first = log / "00000000000000000000.json"
    try:
        return first.stat().st_mtime
    except OSError:
        return log.stat().st_ctime
