"""Types in DataFrame plans on a real engine: numbers, texts and times as Spark gives them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812 - everybody's name for it
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.types import ArrayType, IntegerType

from brickloop.localws.engine import Engine
from brickloop.localws.layout import StoreLayout
from brickloop.localws.session import LocalSession, open_session

_MOST = 2**31 - 1


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StoreLayout:
    """A local workspace's folders."""
    made = StoreLayout(tmp_path_factory.mktemp("types") / "store")
    made.make()
    return made


@pytest.fixture(scope="module")
def files(store: StoreLayout) -> Path:
    """The folder of a volume."""
    folder = store.volumes / "main" / "default" / "files"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def spark(store: StoreLayout) -> Iterator[LocalSession]:
    """A session on an engine of its own."""
    engine = Engine(store)
    session = open_session(store, engine.start(), user="me@here.test", active=False)
    yield session
    session.stop()
    engine.stop()


@pytest.fixture(scope="module")
def mixed(spark: LocalSession) -> DataFrame:
    """One row of many types, at the end of what they hold."""
    row = (_MOST, 2**63 - 1, 1e7, dt.date(2024, 1, 1), "x", [1, 2])
    return spark.createDataFrame(
        [row], "i int, l bigint, x double, d date, s string, arr array<int>"
    )


@pytest.fixture(scope="module")
def prices(spark: LocalSession) -> DataFrame:
    """Decimals and integers."""
    rows = [(Decimal("1.10"), 2), (Decimal("2.23"), 3), (Decimal("31.66"), 7)]
    return spark.createDataFrame(rows, "p decimal(10,2), n int")


def _shown(frame: DataFrame) -> tuple[list[str], list[tuple[Any, ...]]]:
    columns = [f"{field.name} {field.dataType.simpleString()}" for field in frame.schema]
    return columns, sorted(tuple(row) for row in frame.collect())


@pytest.mark.parametrize(
    "make",
    [
        lambda f: f.select(F.col("i") + 1),
        lambda f: f.withColumn("y", F.col("l") * 2),
        lambda f: f.union(f).agg(F.sum("l")),
        lambda f: f.union(f).select(F.sum("l").over(Window.partitionBy("s"))),
        lambda f: f.select(F.expr("i + 1")),
        lambda f: f.selectExpr("l - (-1) AS y"),
        lambda f: f.filter(F.col("i") + 1 > 0),
        lambda f: f.join(f.select(F.col("i").alias("y")), F.col("i") + 1 > F.col("y")),
        lambda f: f.select(F.max(F.col("i") + 1).over(Window.partitionBy("s"))),
        lambda f: f.union(f).groupBy("s").pivot("s", ["x"]).sum("l"),
        lambda f: f.select(F.transform("arr", lambda each: each + _MOST)),
        lambda f: f.groupBy("s").agg((F.sum("l") + 1).alias("y")),
    ],
)
def test_overflow_is_an_error(mixed: DataFrame, make: Callable[[DataFrame], DataFrame]) -> None:
    with pytest.raises(PySparkException) as caught:
        make(mixed).collect()
    assert caught.value.getCondition() == "ARITHMETIC_OVERFLOW"
    assert caught.value.getSqlState() == "22003"


def test_what_fits_is_computed_under_its_own_name(mixed: DataFrame) -> None:
    frame = mixed.select(F.col("i") - 1, (F.col("l") - 1).alias("z"), "s")
    assert _shown(frame) == (
        ["(i - 1) int", "z bigint", "s string"], [(_MOST - 1, 2**63 - 2, "x")]
    )  # fmt: skip
    frame = mixed.select(
        F.transform("arr", lambda each: each * 2).alias("t"),
        F.aggregate("arr", F.lit(0), lambda acc, each: acc + each).alias("a"),
    )
    assert _shown(frame) == (["t array<int>", "a int"], [([2, 4], 3)])


def test_decimals_are_rounded_and_have_sparks_precision(prices: DataFrame) -> None:
    assert _shown(prices.groupBy().avg("p")) == (
        ["avg(p) decimal(14,6)"], [(Decimal("11.663333"),)]
    )  # fmt: skip
    first = prices.filter("n = 2").select(
        F.col("p") / 3, F.col("p") / F.col("n"), F.col("p") * F.col("n"), F.col("p") + 1
    )
    assert _shown(first) == (
        ["(p / 3) decimal(14,6)", "(p / n) decimal(21,13)", "(p * n) decimal(21,2)",
         "(p + 1) decimal(11,2)"],
        [(Decimal("0.366667"), Decimal("0.5500000000000"), Decimal("2.20"), Decimal("2.10"))],
    )  # fmt: skip
    compared = prices.filter(F.col("p") > "1.105").select("n")
    assert sorted(row[0] for row in compared.collect()) == [3, 7]


def test_doubles_are_written_as_by_spark(mixed: DataFrame) -> None:
    frame = mixed.select(
        F.col("x").cast("string").alias("a"),
        F.concat(F.col("x"), F.lit("!")).alias("b"),
        F.to_json(F.struct("x", "d")).alias("c"),
        F.expr("x || 'a'").alias("e"),
    )
    assert _shown(frame)[1] == [("1.0E7", "1.0E7!", '{"x":1.0E7,"d":"2024-01-01"}', "1.0E7a")]


def test_branches_and_sides_of_unions_get_one_type(mixed: DataFrame, prices: DataFrame) -> None:
    branches = prices.filter("n = 2").select(
        F.when(F.col("n") > 2, 1).otherwise(F.col("p")).alias("w")
    )
    assert _shown(branches) == (["w decimal(12,2)"], [(Decimal("1.10"),)])
    both = prices.select("n").filter("n = 2").union(mixed.select("x"))
    assert _shown(both) == (["n double"], [(2.0,), (1e7,)])
    other = mixed.select(F.lit(5).alias("p"), F.col("l").alias("n"))
    named = prices.select("n", "p").filter("n = 2").unionByName(other)
    assert _shown(named) == (
        ["n bigint", "p decimal(12,2)"], [(2, Decimal("1.10")), (2**63 - 1, Decimal("5.00"))]
    )  # fmt: skip


def test_dates_keep_the_hours_that_are_added(mixed: DataFrame) -> None:
    frame = mixed.select(
        (F.col("d") + F.expr("INTERVAL 3 HOURS")).alias("a"),
        (F.col("d") - F.lit(dt.date(2023, 12, 30))).alias("b"),
        (F.col("d") + 1).alias("c"),
    )
    columns, rows = _shown(frame)
    assert columns == ["a timestamp", "b interval day", "c date"]
    assert rows == [(dt.datetime(2024, 1, 1, 3), dt.timedelta(2), dt.date(2024, 1, 2))]


def test_types_are_asked_anew_when_a_view_is_replaced(spark: LocalSession) -> None:
    spark.range(1).select(F.lit(1).alias("v")).createOrReplaceTempView("changing")
    frame = spark.table("changing").select((F.col("v") / 2).alias("h"))
    assert _shown(frame) == (["h double"], [(0.5,)])
    spark.sql("SELECT CAST(1 AS DECIMAL(10,2)) AS v").createOrReplaceTempView("changing")
    frame = spark.table("changing").select((F.col("v") / 3).alias("h"))
    assert _shown(frame) == (["h decimal(14,6)"], [(Decimal("0.333333"),)])


def test_columns_of_joined_frames_keep_their_frames(mixed: DataFrame, prices: DataFrame) -> None:
    joined = mixed.join(prices, mixed["i"] > prices["n"])
    frame = joined.select((mixed["i"] - prices["n"]).alias("a"), (prices["p"] * mixed["x"]))
    assert _shown(frame)[0] == ["a int", "(p * x) double"]
    assert sorted(row[0] for row in frame.collect()) == [_MOST - 7, _MOST - 3, _MOST - 2]


def test_new_tables_take_null_in_every_column(spark: LocalSession) -> None:
    spark.range(2).write.saveAsTable("loose")
    spark.sql("SELECT 1 AS a, array(2) AS b").writeTo("looser").create()
    spark.range(2).write.format("delta").save("/Volumes/main/default/files/loose")
    loaded = spark.read.format("delta").load("/Volumes/main/default/files/loose")
    for frame in (spark.table("loose"), spark.table("looser"), loaded):
        assert all(field.nullable for field in frame.schema)
    assert [row[0] for row in spark.table("loose").sort("id").collect()] == [0, 1]
    assert spark.table("looser").collect() == [(1, [2])]
    spark.sql("INSERT INTO loose VALUES (NULL)")
    assert spark.table("loose").filter("id IS NULL").count() == 1


def test_whole_numbers_of_csv_files_are_int_where_they_fit(
    spark: LocalSession, files: Path
) -> None:
    (files / "numbers.csv").write_text("id,big,none\n1,5000000000,\n2,3,\n")
    frame = spark.read.csv("/Volumes/main/default/files/numbers.csv", header=True, inferSchema=True)
    assert [field.dataType.simpleString() for field in frame.schema][:2] == ["int", "bigint"]
    rows = frame.select("id", "big").sort("id").collect()
    assert [tuple(row) for row in rows] == [(1, 5000000000), (2, 3)]
    given = spark.read.schema("id BIGINT, big BIGINT, none STRING").csv(
        "/Volumes/main/default/files/numbers.csv", header=True
    )
    assert [field.dataType.simpleString() for field in given.schema] == [
        "bigint",
        "bigint",
        "string",
    ]


def test_letters_roundings_and_first_values(spark: LocalSession) -> None:
    frame = spark.sql("SELECT 'abc' AS s, 2.675D AS x, 1.5 AS p, 2.345 AS q").select(
        F.split("s", "").alias("letters"),
        F.round("x", 2).alias("r"),
        F.coalesce("p", "q").alias("c"),
        F.regexp_count("s", F.lit("[ab]")).alias("n"),
    )
    columns, rows = _shown(frame)
    assert columns == ["letters array<string>", "r double", "c decimal(4,3)", "n int"]
    assert rows == [(["a", "b", "c"], 2.68, Decimal("1.500"), 2)]


@pytest.fixture(scope="module")
def maps(spark: LocalSession) -> DataFrame:
    """The same map twice, its entries in another order."""
    return spark.createDataFrame([(1, {1: 2, 3: 4}), (2, {3: 4, 1: 2})], "i int, m map<int,int>")


@pytest.mark.parametrize(
    ("make", "condition"),
    [
        (lambda f: f.groupBy("m").count(), "UNSUPPORTED_FEATURE"),
        (lambda f: f.agg(F.count_distinct("m")), "UNSUPPORTED_FEATURE"),
        (
            lambda f: f.select(F.row_number().over(Window.partitionBy("m").orderBy("i"))),
            "UNSUPPORTED_FEATURE",
        ),
        (lambda f: f.distinct(), "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE"),
        (lambda f: f.dropDuplicates(["m"]), "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE"),
        (lambda f: f.intersect(f), "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE"),
        (lambda f: f.sort("m"), "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE"),
        (lambda f: f.join(f, "m"), "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE"),
        (lambda f: f.filter(F.col("m") == F.col("m")), "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE"),
        (
            lambda f: f.select(F.rank().over(Window.partitionBy("i"))),
            "_LEGACY_ERROR_TEMP_1037",
        ),
        (
            lambda f: f.selectExpr("lag(i) OVER (PARTITION BY i)"),
            "_LEGACY_ERROR_TEMP_1037",
        ),
        (
            lambda f: f.select(F.date_add(F.current_date(), F.lit(1.5))),
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        ),
        (lambda f: f.select(F.elt(F.col("i") + 1, F.lit("a"))), "INVALID_ARRAY_INDEX"),
        (lambda f: f.select(F.to_binary(F.lit("xyz"))), "CONVERSION_INVALID_INPUT"),
        (
            lambda f: f.select(F.hour(F.expr("INTERVAL '30' HOUR"))),
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        ),
    ],
)
def test_what_spark_refuses_is_refused(
    maps: DataFrame, make: Callable[[DataFrame], DataFrame], condition: str
) -> None:
    with pytest.raises(PySparkException) as caught:
        make(maps).collect()
    assert caught.value.getCondition() == condition


def test_maps_go_where_no_row_is_told_from_another(maps: DataFrame) -> None:
    frame = maps.union(maps).dropDuplicates(["i"]).sort("i").select(F.size("m").alias("n"))
    assert [row.n for row in frame.collect()] == [2, 2]


def test_decimals_are_found_among_texts_as_numbers(spark: LocalSession) -> None:
    frame = spark.sql("SELECT CAST(1.50 AS DECIMAL(4,2)) AS p, '1.54' AS s")
    narrow = F.lit(Decimal("1.5"))
    frame = frame.select(F.col("p").isin("1.5", "2").alias("a"), F.col("s").isin(narrow).alias("b"))
    assert frame.collect() == [(True, False)]


def test_hours_of_an_interval_stand_beside_its_days(spark: LocalSession) -> None:
    frame = spark.range(1).select(
        F.extract(F.lit("HOUR"), F.expr("INTERVAL '30' HOUR")).alias("h"),
        F.date_part(F.lit("DAY"), F.expr("INTERVAL '30' HOUR")).alias("d"),
    )
    assert frame.collect() == [(6, 1)]


def test_a_pivot_keeps_its_names(mixed: DataFrame) -> None:
    pivoted = mixed.groupBy("s").pivot("i", [_MOST])
    frame = pivoted.agg(F.max(F.col("i") - 1), F.sum("i").alias("total"))
    assert frame.columns == ["s", f"{_MOST}_max((i - 1))", f"{_MOST}_total"]
    assert frame.collect() == [("x", _MOST - 1, _MOST)]
    with pytest.raises(PySparkException) as caught:
        pivoted.agg(F.max(F.col("i") + 1)).collect()
    assert caught.value.getCondition() == "ARITHMETIC_OVERFLOW"


def test_a_merge_computes_as_a_query(spark: LocalSession, mixed: DataFrame) -> None:
    spark.sql("CREATE TABLE merged (n INT, k STRING)")
    spark.sql("INSERT INTO merged VALUES (1, 'x')")
    source = mixed.select("i", "s")
    merge = source.mergeInto("merged", F.expr("k = s"))
    merge.whenMatched().update({"n": F.col("i") - F.col("n")}).merge()
    assert spark.table("merged").collect() == [(_MOST - 1, "x")]
    merge = source.mergeInto("merged", F.expr("k = s"))
    with pytest.raises(PySparkException) as caught:
        merge.whenMatched().update({"n": F.col("i") + F.col("n")}).merge()
    assert caught.value.getCondition() == "ARITHMETIC_OVERFLOW"
    assert spark.table("merged").collect() == [(_MOST - 1, "x")]


def test_large_local_data_is_computed_with(spark: LocalSession) -> None:
    frame = spark.createDataFrame([(n, "text") for n in range(20_000)], "n int, s string")
    frame = frame.filter(F.col("n") + 1 > 10_000).unionByName(frame.filter("n + 0 < 3"))
    total = sum(range(10_000, 20_000)) + 3
    assert frame.agg(F.sum("n"), F.count("*")).collect() == [(total, 10_003)]


def test_arrays_in_json_are_right_as_a_whole(spark: LocalSession) -> None:
    frame = spark.createDataFrame([('[1, "x"]',), ("[1, null]",), ("[2]",)], "j string")
    kind = ArrayType(IntegerType())
    frame = frame.select(
        F.from_json("j", kind).alias("a"), F.from_json("j", "array<int>").alias("b")
    )
    assert frame.collect() == [(None, None), ([1, None], [1, None]), ([2], [2])]


def test_a_part_of_a_text_may_begin_before_it(spark: LocalSession) -> None:
    frame = spark.sql("SELECT 'abc' AS s").select(
        F.substring("s", -5, 3).alias("a"), F.col("s").substr(-2, 5).alias("b")
    )
    assert frame.collect() == [("a", "bc")]
