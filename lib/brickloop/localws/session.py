"""Spark sessions on the engine, with the store's paths and tables in place."""

from __future__ import annotations

import logging
from typing import Any

from pyspark.errors.exceptions.connect import SparkConnectGrpcException
from pyspark.sql.connect import proto
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.types import StructType

from brickloop.localws.engine_catalog import EngineCatalog
from brickloop.localws.engine_errors import translate
from brickloop.localws.interceptor import PlanInterceptor
from brickloop.localws.layout import StoreLayout
from brickloop.localws.plain_root import plain_layout
from brickloop.localws.plan_types import PlanTypist
from brickloop.localws.registry import DEFAULT_CATALOG, DEFAULT_SCHEMA, Registry
from brickloop.localws.session_record import Recorder, SessionRecord
from brickloop.localws.sql_context import Answer, SqlContext
from brickloop.localws.sql_front import SqlFront
from brickloop.localws.sql_relations import columns_of
from brickloop.localws.sql_text import split_statements
from brickloop.localws.sql_types import mend_expression
from brickloop.localws.store_paths import StorePaths

_SETTINGS = {
    "spark.sql.sources.default": "delta",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
}


class LocalSession(SparkSession):  # type: ignore[misc]
    """A Spark Connect session whose ``sql`` takes Databricks' dialect."""

    _front: SqlFront
    _recorder: Recorder
    _opening: tuple[StoreLayout, str, str]

    def sql(self, sqlQuery: str, args: Any = None, **kwargs: Any) -> DataFrame:  # noqa: N803
        """The result of one statement, as ``SparkSession.sql`` gives it."""
        return self._front.run(sqlQuery, args, kwargs)

    def answer(self, text: str, args: Any = None) -> Answer:
        """The result of one statement, and what kind of statement it was."""
        return self._front.answer(text, args)

    @property
    def catalog_in_use(self) -> EngineCatalog:
        """The session's catalog: what is current, and the registry."""
        return self._front.context.catalog

    def columns_of(self, parts: tuple[str, ...]) -> list[Any]:
        """The columns of a table or view as Spark's fields, with their comments."""
        context = self._front.context
        return columns_of(context, context.find(parts))

    def built_in_functions(self) -> list[str]:
        """The names of the functions that need no definition, in their order."""
        shown = self._front.context.bare("SHOW FUNCTIONS").toArrow().column(0).to_pylist()
        return sorted({str(name).lower() for name in shown})

    def newSession(self) -> LocalSession:  # noqa: N802 - Spark's name
        """A session of its own on the same tables."""
        layout, endpoint, user = self._opening
        return open_session(layout, endpoint, user=user)


def open_session(
    layout: StoreLayout, endpoint: str, *, user: str, active: bool = True
) -> LocalSession:
    """A fresh session, isolated from others but for the tables, views and functions they share.

    ``active`` makes it the process's session, which ``pyspark`` finds by itself.
    """
    # a failed statement is an exception; pyspark logs it as JSON on top
    logging.getLogger("pyspark.sql.connect.logging").setLevel(logging.CRITICAL)
    opening, layout = layout, plain_layout(layout)
    paths, recorder = StorePaths(layout, opening.root), Recorder()
    interceptor = PlanInterceptor(paths, recorder, user)
    builder = DefaultChannelBuilder(endpoint)
    builder.add_interceptor(interceptor)
    spark = LocalSession(connection=builder)

    def run(text: str) -> DataFrame:
        with interceptor.bare():
            return SparkSession.sql(spark, text)

    catalogs = [row[0] for row in run("SHOW CATALOGS").collect()]
    catalog = EngineCatalog(Registry(layout), run, catalogs)
    spark._opening = (opening, endpoint, user)
    spark._recorder = recorder
    spark._front = SqlFront(SqlContext(spark, catalog, interceptor, paths, recorder, user))
    _translate_errors(spark)
    for key, value in _SETTINGS.items():
        spark.conf.set(key, value)
    spark.conf.set(
        "spark.sql.warehouse.dir", str(layout.warehouse / DEFAULT_CATALOG / DEFAULT_SCHEMA)
    )
    catalog.use(DEFAULT_CATALOG, DEFAULT_SCHEMA)
    interceptor.catalog = catalog
    interceptor.typist = PlanTypist(
        lambda relation: _schema_of(spark, relation),
        lambda relation: _row_of(spark, relation),
        mend_expression,
    )
    interceptor.log.place = lambda: (catalog.catalog, catalog.schema)
    if active:
        SparkSession._set_default_and_active_session(spark)
    return spark


def reopen_session(spark: LocalSession, endpoint: str) -> LocalSession:
    """A fresh session like this one on another engine."""
    layout, _, user = spark._opening
    return open_session(layout, endpoint, user=user, active=False)


def carry_session(spark: LocalSession, fresh: LocalSession) -> None:
    """Make a fresh session what another is, as far as that one's statements made it so.

    Raises what the engine says to a view that can no longer be made, or to a schema that is gone.
    """
    spark._front.context.carry_to(fresh._front.context)


def _schema_of(spark: LocalSession, relation: Any) -> StructType:
    """The columns of a relation of a plan, which is sent as it is."""
    client: Any = spark.client
    with spark._front.context.interceptor.bare():
        found = client._analyze(method="schema", plan=proto.Plan(root=relation)).schema
    assert isinstance(found, StructType)
    return found


def _row_of(spark: LocalSession, relation: Any) -> list[Any]:
    """The values of the one row of a relation of a plan, which is sent as it is."""
    client: Any = spark.client
    with spark._front.context.interceptor.bare():
        table = client.to_table(proto.Plan(root=relation), {})[0]
    return [column[0].as_py() for column in table.columns]


def session_record(spark: SparkSession) -> SessionRecord:
    """What the session has read and written so far."""
    assert isinstance(spark, LocalSession)
    return spark._recorder.record()


def run_script(spark: SparkSession, text: str) -> DataFrame | None:
    """The result of the last of several statements, None where there is no statement."""
    result = None
    for statement in split_statements(text):
        result = spark.sql(statement)
    return result


def _translate_errors(spark: LocalSession) -> None:
    """Give the engine's errors Spark's classes; ``_handle_error`` sees every one of them."""
    client: Any = spark.client
    handle = client._handle_error

    def handle_error(error: Exception) -> None:
        try:
            handle(error)
        except SparkConnectGrpcException as known:
            raise translate(known, spark._front.statement) from None

    client._handle_error = handle_error
