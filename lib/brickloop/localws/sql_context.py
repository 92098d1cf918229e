"""What a command of the SQL front works with: the engine, the catalog, and results as frames."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.plan import SQL, CachedRelation, SubqueryAlias
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.types import StructType

from brickloop.localws.registry import Entry, Registry, TableName
from brickloop.localws.spark_errors import analysis_error, table_not_found
from brickloop.localws.sql_tokens import quoted_name

if TYPE_CHECKING:
    from brickloop.localws.engine_catalog import EngineCatalog
    from brickloop.localws.interceptor import PlanInterceptor
    from brickloop.localws.session_record import Recorder
    from brickloop.localws.store_paths import StorePaths


OWN_VIEW = "__bl_"
"""How the names of views begin that statements make for themselves."""
_KEPT_CHANGES = 10_000


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
    temporary_functions: dict[str, Entry] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    """Session variables: their values as SQL, by name in lower case."""
    variable_types: dict[str, str] = field(default_factory=dict)
    """The types with which they were declared."""
    settings: dict[str, str] = field(default_factory=dict)
    """Spark settings as statements of the session left them."""
    made: list[Callable[[SqlContext], object]] = field(default_factory=list)
    """What made and dropped the session's temporary views, in its order, to be done again."""

    @property
    def registry(self) -> Registry:
        """The catalog on disk."""
        return self.catalog.registry

    def engine(
        self,
        text: str,
        args: Any = None,
        kwargs: dict[str, Any] | None = None,
        views: dict[str, DataFrame] | None = None,
    ) -> DataFrame:
        """What the engine answers to a statement, its paths and tables led into the store.

        ``kwargs`` are those of ``SparkSession.sql``; ``views`` are frames that the statement
        mentions by name.
        """
        if not views:
            return SparkSession.sql(self.spark, text, args, **(kwargs or {}))
        given = [SubqueryAlias(frame._plan, name) for name, frame in views.items()]
        client: Any = self.spark.client
        command = SQL(text, [], {}, given).command(client)
        _, properties, info = client.execute_command(command)
        frame = DataFrame(CachedRelation(properties["sql_command_result"]), self.spark)
        frame._execution_info = info
        return frame

    def set_conf(self, key: str, value: str) -> None:
        """Change a Spark setting of the session."""
        self.spark.conf.set(key, value)
        self.settings[key] = value

    def unset_conf(self, key: str) -> None:
        """Give a Spark setting its default."""
        self.spark.conf.unset(key)
        self.settings.pop(key, None)

    def change_views(self, text: str, *, bare: bool = True) -> None:
        """Run a statement that makes or drops a temporary view, and remember it.

        ``bare`` sends it as it is, its tables and paths led into the store already.
        """
        place = self.catalog.catalog, self.catalog.schema

        def change(context: SqlContext) -> None:
            if (context.catalog.catalog, context.catalog.schema) != place:
                context.catalog.use(*place)
            context.catalog.ensure_text(text)
            if bare:
                context.bare(text)
            else:
                context.engine(text)
            context.made.append(change)
            del context.made[:-_KEPT_CHANGES]

        change(self)

    def carry_to(self, other: SqlContext) -> None:
        """Make a fresh session on another engine what this one is.

        Raises what the engine says to a view that can no longer be made, or to a schema that is
        gone.
        """
        for key, value in self.settings.items():
            other.set_conf(key, value)
        other.temporary_functions.update(self.temporary_functions)
        other.variables.update(self.variables)
        other.variable_types.update(self.variable_types)
        for change in self.made:
            change(other)
        other.catalog.use(self.catalog.catalog, self.catalog.schema)

    def temporary_name(self) -> str:
        """A name for a temporary view of our own."""
        return f"{OWN_VIEW}{uuid.uuid4().hex[:12]}"

    def arrow(self, table: Any) -> DataFrame:
        """An Arrow table as a frame."""
        plain = {
            pa.string_view(): pa.string(),
            pa.binary_view(): pa.binary(),
            pa.uint64(): pa.int64(),
            pa.timestamp("ms"): pa.timestamp("us", "UTC"),
            pa.timestamp("ms", "UTC"): pa.timestamp("us", "UTC"),
        }
        fields = [field.with_type(plain.get(field.type, field.type)) for field in table.schema]
        return self.spark.createDataFrame(table.cast(pa.schema(fields)))

    def qualify(self, query: str) -> str:
        """The query, or expression, with every table's full name."""
        from sqlglot import exp, maybe_parse
        from sqlglot.errors import SqlglotError

        try:
            tree: Any = maybe_parse(query, dialect="databricks")
        except SqlglotError:
            return query
        named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
        begun: list[tuple[int, str]] = []
        for table in tree.find_all(exp.Table):
            first = table.args.get("catalog") or table.args.get("db") or table.this
            if not isinstance(first, exp.Identifier) or "start" not in first.meta:
                continue
            parts = tuple(part.name for part in table.parts)
            if len(parts) > 2 or (len(parts) == 1 and parts[0].lower() in named):
                continue
            full = self.catalog.qualify(parts)
            if self.registry.find(full) is not None:
                prefix = "".join(f"`{part}`." for part in full.parts[: 3 - len(parts)])
                begun.append((int(first.meta["start"]), prefix))
        for start, prefix in sorted(begun, reverse=True):
            query = query[:start] + prefix + query[start:]
        return query

    def bare(self, text: str) -> DataFrame:
        """What the engine answers to a statement of our own, which is sent as it is."""
        with self.interceptor.bare():
            return SparkSession.sql(self.spark, self.catalog.engine_text(text))

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
        names = [str(row["tableName"]) for row in shown if row["isTemporary"]]
        return [name for name in names if not name.startswith(OWN_VIEW)]

    def reference(self, entry: Entry) -> str:
        """How a statement of our own mentions a table; the engine is made to know it."""
        if not entry.name.catalog:
            return quoted_name("delta", entry.location)
        name = entry.name
        self.catalog.ensure(entry, (name.catalog, name.schema, name.name))
        return quoted_name(name.catalog, name.schema, name.name)
