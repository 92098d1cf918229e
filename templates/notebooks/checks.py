# Databricks notebook source
# MAGIC %md
# MAGIC # My project
# MAGIC Checks of a table. A check is a condition that every row must meet; one that is broken fails the run, and
# MAGIC with it `doit`, which then does not run what depends on it.

# COMMAND ----------

from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,What is checked
# In the place of these rows: spark.table("schema.table")
readings = spark.createDataFrame(
    [(1, "north", 12.5), (2, "north", 13.0), (3, "south", None), (4, "south", 21.5)],
    schema="id INT, station STRING, degrees DOUBLE",
)
readings.createOrReplaceTempView("readings")
checks = {
    "id is there": "id IS NOT NULL",
    "station is known": "station IN ('north', 'south')",
    "degrees are possible": "degrees IS NULL OR degrees BETWEEN -60 AND 60",
}

# COMMAND ----------

# DBTITLE 1,The results
parts = [
    f"SELECT '{name}' AS check, count(*) AS rows_checked, count_if(NOT ({rule})) AS broken FROM readings"
    for name, rule in checks.items()
]
parts.append("SELECT 'id is unique', count(*), count(*) - count(DISTINCT id) FROM readings")
results = spark.sql(" UNION ALL ".join(parts)).orderBy("check")
output.add_dataframe("Checks", results)

# COMMAND ----------

broken = [row["check"] for row in results.collect() if row["broken"]]
output.add_markdown("Verdict", "All checks hold." if not broken else f"**Broken:** {', '.join(broken)}")
output.close()
if broken:
    raise ValueError(f"{len(broken)} checks are broken: {', '.join(broken)}")
