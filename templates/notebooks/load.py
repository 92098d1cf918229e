# Databricks notebook source
# MAGIC %md
# MAGIC # My project
# MAGIC A CSV file becomes a table, and what is wrong with it is said.

# COMMAND ----------

import io

import pandas as pd
from brickloop import NotebookOutput

dbutils.widgets.text("schema", "default")
schema = dbutils.widgets.get("schema")
output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,The file
# In the place of this text a file beside the notebook: pd.read_csv("data/stations.csv"). brickloop sees the
# literal path, sends the file along, and runs the notebook again when it changes.
stations = pd.read_csv(
    io.StringIO("""
station,opened,height_m
Torgersen,1984-02-01,12
Biscoe,1991-11-15,
Dream,1988-01-20,31
"""),
    parse_dates=["opened"],
).astype({"height_m": "Int64"})

# COMMAND ----------

# DBTITLE 1,The table
# Overwriting makes the notebook safe to repeat; the schema is spelled out, so that no value is guessed at.
spark.createDataFrame(
    stations.astype(object).where(stations.notna(), None),
    schema="station STRING, opened TIMESTAMP, height_m INT",
).write.mode("overwrite").option("overwriteSchema", "true").saveAsTable(f"{schema}.stations")

# COMMAND ----------

# DBTITLE 1,What was loaded, and what is missing
loaded = spark.table(f"{schema}.stations")
assert loaded.count() == len(stations), "every row of the file is in the table"
output.add_dataframe("Loaded", loaded.orderBy("station"))
output.add_values("Missing values", {name: int(count) for name, count in stations.isna().sum().items()})
output.close()
