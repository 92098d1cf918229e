"""What a command of the SQL front works with: the engine, the catalog, and results as frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql.connect.session import SparkSession
from pyspark.sql.types import StructType

from brickloop.localws.registry import Entry, Registry, TableName
from brickloop.localws.spark_errors import analysis_error, table_not_found
from brickloop.localws.sql_tokens import quoted_name

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

    from brickloop.localws.engine_catalog import EngineCatalog
    from brickloop.localws.interceptor import PlanInterceptor
    from brickloop.localws.session_record import Recorder
    from brickloop.localws.store_paths import StorePaths


@dataclass(frozen=True)
class Answer:
    """What a statement gave."""

    frame: DataFrame
    is_command: bool = False
    """Whether the statement changed something or told of the catalog, and queried nothing."""
    affected: int | None = None
    """How many rows a DML statement changed."""


@dataclass(frozen=True)
class SqlContext:
    """One session, as its SQL commands see it."""

    spark: SparkSession
    catalog: EngineCatalog
    interceptor: PlanInterceptor
    paths: StorePaths
    recorder: Recorder
    user: str

    @property
    def registry(self) -> Registry:
        """The catalog on disk."""
        return self.catalog.registry

    def engine(self, text: str, args: Any = None, **kwargs: Any) -> DataFrame:
        """What the engine answers to a statement, its paths and tables led into the store."""
        return SparkSession.sql(self.spark, text, args, **kwargs)

    def bare(self, text: str) -> DataFrame:
        """What the engine answers to a statement of our own, which is sent as it is."""
        with self.interceptor.bare():
            return SparkSession.sql(self.spark, text)

    def nothing(self) -> DataFrame:
        """The result of a command that only changes something: no columns, no rows."""
        return self.spark.createDataFrame([], StructType([]))

    def rows(self, schema: str, rows: Iterable[Sequence[Any]]) -> DataFrame:
        """Rows as a frame; ``schema`` as DDL."""
        return self.spark.createDataFrame([tuple(row) for row in rows], schema)

    def find(self, parts: tuple[str, ...]) -> Entry:
        """The table or view of that name; raises TABLE_OR_VIEW_NOT_FOUND."""
        entry = self.registry.find(self.catalog.qualify(parts))
        if entry is None:
            raise table_not_found(".".join(parts))
        return entry

    def find_delta(self, parts: tuple[str, ...], command: str) -> Entry:
        """The Delta table of that name, or at that path where it is ``delta.`path```."""
        if len(parts) == 2 and parts[0].lower() == "delta" and "/" in parts[1]:
            folder = self.paths.existing(parts[1])
            return Entry(TableName("", "delta", folder), "external", "delta", folder)
        entry = self.find(parts)
        if not entry.is_delta:
            kind = "a view" if entry.kind == "view" else f"a table of format {entry.provider}"
            raise analysis_error(
                "EXPECT_TABLE_NOT_VIEW" if entry.kind == "view" else "DELTA_MISSING_DELTA_TABLE",
                f"'{command}' expects a Delta table but `{entry.name}` is {kind}.",
            )
        return entry

    def is_temporary(self, parts: tuple[str, ...]) -> bool:
        """Whether the session has a temporary view of that name."""
        return len(parts) == 1 and parts[0].lower() in {v.lower() for v in self.temporary_views()}

    def temporary_views(self) -> list[str]:
        """The names of the session's temporary views."""
        shown = self.bare("SHOW TABLES").toArrow().to_pylist()
        return [str(row["tableName"]) for row in shown if row["isTemporary"]]

    def reference(self, entry: Entry) -> str:
        """How a statement of our own mentions a table; the engine is made to know it."""
        if not entry.name.catalog:
            return quoted_name("delta", entry.location)
        name = entry.name
        self.catalog.ensure(entry, (name.catalog, name.schema, name.name))
        return quoted_name(name.catalog, name.schema, name.name)
