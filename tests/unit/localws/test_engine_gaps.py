"""What the engine alone answers otherwise than Spark, and that a session puts it right.

When a probe of the engine fails, it has caught up: the shim that the test names can go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors.exceptions.base import PySparkException
from pyspark.errors.exceptions.connect import AnalysisException
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.connect.session import SparkSession

from brickloop.localws.layout import StoreLayout
from brickloop.localws.session import LocalSession, open_session

USER = "me@here.test"


@pytest.fixture(scope="module")
def engine(endpoint: str) -> Iterator[SparkSession]:
    """A session on the engine with nothing of ours."""
    spark = SparkSession(connection=endpoint)
    yield spark
    spark.stop()


@pytest.fixture(scope="module")
def local(layout: StoreLayout, endpoint: str) -> Iterator[LocalSession]:
    """A session as notebooks and statements have it."""
    spark = open_session(layout, endpoint, user=USER, active=False)
    yield spark
    spark.stop()


def test_a_missing_path(engine: SparkSession, local: LocalSession, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.csv")
    assert engine.read.schema("a INT").csv(missing).collect() == []  # store_paths.existing
    with pytest.raises(AnalysisException, match=r"PATH_NOT_FOUND.*nothing\.csv.*42K03"):
        local.read.schema("a INT").csv("dbfs:/nothing.csv").collect()
    with pytest.raises(AnalysisException, match="PATH_NOT_FOUND"):
        local.sql("SELECT * FROM json.`/Volumes/main/default/x/*.json`").collect()


def test_the_rows_of_summary_are_in_order(local: LocalSession) -> None:
    # plan_shims.mend_relation: the engine gives them in any order
    frame = local.range(1, 5)
    assert [row[0] for row in frame.describe().collect()] == [
        "count", "mean", "stddev", "min", "max",
    ]  # fmt: skip
    assert [row[0] for row in frame.summary("max", "min").collect()] == ["max", "min"]


def test_a_percentile_is_a_value_of_the_column(engine: SparkSession, local: LocalSession) -> None:
    def of(spark: SparkSession) -> Any:
        frame = spark.createDataFrame([(n,) for n in range(1, 7)], "x INT")
        return frame.select(F.percentile_approx("x", 0.5)).collect()[0][0]

    assert of(engine) == 3.5  # plan_shims.mend_expression, sql_trees.nearest_rank
    assert of(local) == 3
    text = "SELECT percentile_approx(x, 0.5) FROM range(1, 7) AS t(x)"
    assert local.sql(text).collect()[0][0] == 3


def test_who_asks(engine: SparkSession, local: LocalSession) -> None:
    assert engine.sql("SELECT current_user()").collect()[0][0] == ""  # sql_query, plan_shims
    assert local.sql("SELECT upper(current_user()) AS u").collect()[0].u == USER.upper()
    row = local.range(1).select(F.current_user()).collect()[0]
    assert row.asDict() == {"current_user()": USER}


def test_explode_of_a_map(engine: SparkSession, local: LocalSession) -> None:
    text = "SELECT explode(map('a', 1))"
    with pytest.raises(PySparkException):  # sql_bridge._explode
        engine.sql(text).collect()
    assert local.sql(text).collect() == [("a", 1)]


def test_a_path_that_a_url_escapes(engine: SparkSession, tmp_path: Path) -> None:
    target = tmp_path / "a b"
    engine.range(1).write.format("delta").save(str(target / "t"))
    assert (tmp_path / "a%20b").is_dir()  # plain_root


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 AS a QUALIFY row_number() OVER (ORDER BY 1) = 1",
        "SELECT id, count(*) FROM range(2) GROUP BY ALL",
        "SELECT * EXCEPT (a) FROM VALUES (1, 2) AS t(a, b)",
        "SELECT parse_json('{}'):a",
        "SELECT * FROM (SELECT 1 AS a, 'x' AS k) PIVOT (sum(a) FOR k IN ('x'))",
        "FROM range(2) |> WHERE id = 1",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 2)"
        " SELECT * FROM r",
        "SELECT 1 AS a, a + 1 AS b",
        "SELECT * FROM range(2) TABLESAMPLE (1 ROWS)",
        "SELECT decode(1, 1, 'a', 'b')",
        "SELECT iff(true, 1, 2)",
        "SELECT 'a' LIKE ANY ('a', 'b')",
        "SELECT transform_values(map('a', 1), (k, v) -> v)",
    ],
)
def test_what_the_bridge_is_for(engine: SparkSession, local: LocalSession, statement: str) -> None:
    with pytest.raises(PySparkException):  # sql_bridge
        engine.sql(statement).collect()
    assert len(local.sql(statement).collect()) in {1, 2}


def test_plans_of_frames_see_the_catalog(local: LocalSession) -> None:
    local.sql("CREATE SCHEMA IF NOT EXISTS framed")
    local.range(3).write.saveAsTable("framed.one")
    local.table("framed.one").writeTo("framed.two").createOrReplace()
    local.range(2).withColumnRenamed("id", "n").writeTo("framed.two").createOrReplace()
    assert local.table("FRAMED.two").columns == ["n"]
    assert sorted(t.name for t in local.catalog.listTables("framed")) == ["one", "two"]
    assert local.catalog.tableExists("framed.one")
    local.sql("DROP SCHEMA framed CASCADE")
    assert not local.catalog.databaseExists("framed")


def test_views_of_frames_and_arguments(local: LocalSession) -> None:
    frame = local.range(4)
    assert local.sql("SELECT max(id) AS m FROM {f}", f=frame).collect()[0].m == 3
    counted: Callable[..., Any] = local.sql
    assert counted("SELECT :n + 1 AS m", args={"n": 1}).collect()[0].m == 2
    found = counted("SELECT id FROM range(4) QUALIFY row_number() OVER (ORDER BY id) = ?", [2])
    assert [row.id for row in found.collect()] == [1]
