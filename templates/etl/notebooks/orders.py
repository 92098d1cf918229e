"""The rules of the pipeline, apart from notebooks so that they can be tested."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

COUNTRIES = ["DE", "FR", "IT", "NL", "PL"]
SCHEMA = """
    order_id BIGINT, event_time STRING, status STRING, customer STRING, country STRING, product STRING,
    quantity STRING, price STRING
"""
"""Of the JSON. What may be no number is text first, so that it can be told from what is missing."""

RULES = {
    "no JSON": lambda: F.col("order_id").isNull(),
    "unknown status": lambda: ~F.col("status").isin("placed", "cancelled"),
    "quantity is not above 0": lambda: F.coalesce(F.col("quantity") <= 0, F.lit(True)),
    "price is no amount": lambda: F.coalesce(F.col("price") <= 0, F.lit(True)),
    "unknown country": lambda: ~F.col("country").isin(COUNTRIES),
}
"""Why an event is put aside; of several reasons the first one counts."""


def parse(events: DataFrame) -> DataFrame:
    """Events with their JSON as columns, and ``reason``: null where nothing is wrong."""
    parsed = events.withColumn("order", F.from_json("line", SCHEMA)).select(*events.columns, "order.*")
    typed = (
        parsed.withColumn("event_time", F.col("event_time").cast("timestamp"))
        .withColumn("quantity", F.expr("try_cast(quantity AS INT)"))
        .withColumn("price", F.expr("try_cast(price AS DECIMAL(10, 2))"))
    )
    return typed.withColumn("reason", _first_reason())


def latest(orders: DataFrame) -> DataFrame:
    """One row for each order: its latest event."""
    newest = Window.partitionBy("order_id").orderBy(
        F.col("event_time").desc(), F.col("file").desc(), F.col("number").desc()
    )
    return orders.withColumn("_place", F.row_number().over(newest)).where("_place = 1").drop("_place")


def _first_reason() -> Column:
    choices = list(RULES.items())
    first, broken = choices[0]
    return reduce(lambda found, rule: found.when(rule[1](), rule[0]), choices[1:], F.when(broken(), first))
