# Databricks notebook source
# MAGIC %md
# MAGIC # 1. Bronze
# MAGIC Every line of every file, as it came. Whoever finds a fault in a rule later can mend it and run the layers
# MAGIC above again: here is what was really sent.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

from pathlib import Path

from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,The files
# Each by its literal name: brickloop sends them along, and runs this notebook again when one changes.
FILES = ["data/orders_1.jsonl", "data/orders_2.jsonl", "data/orders_3.jsonl"]
lines = [
    (name, number, line)
    for name in FILES
    for number, line in enumerate(Path(name).read_text(encoding="utf-8").splitlines(), start=1)
    if line.strip()
]

# COMMAND ----------

# DBTITLE 1,The table
spark.createDataFrame(lines, "file STRING, number INT, line STRING").write.mode("overwrite").option(
    "overwriteSchema", "true"
).saveAsTable("bronze_events")

# COMMAND ----------

loaded = spark.sql("SELECT file, count(*) AS lines FROM bronze_events GROUP BY file ORDER BY file")
output.add_dataframe("Lines by file", loaded)
output.metadata["lines"] = len(lines)
output.close()
