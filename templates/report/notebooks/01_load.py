# Databricks notebook source
# MAGIC %md
# MAGIC # 1. Load
# MAGIC The file has a column for each sector; a report wants a row for each month and sector.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import pandas as pd
from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,The file
# Sums of other columns are left out, so that the sectors add up to all jobs.
SUMS = ["private", "goods_producing", "service_providing", "private_service_providing", "manufacturing"]
SUMS += ["trade_transportation_utilties", "nonfarm_change"]
wide = pd.read_csv("data/employment.csv", parse_dates=["month"]).drop(columns=SUMS)

# COMMAND ----------

# DBTITLE 1,A row for each month and sector
jobs = wide.melt("month", var_name="sector", value_name="thousands")
jobs["sector"] = jobs["sector"].str.replace("_", " ")
sectors, total = jobs[jobs["sector"] != "nonfarm"], jobs[jobs["sector"] == "nonfarm"]

# The parts of the file must be the whole, or the report counts somebody twice.
difference = sectors.groupby("month")["thousands"].sum() - total.set_index("month")["thousands"]
assert difference.abs().max() <= 2, f"the sectors miss the total by {difference.abs().max():.1f} thousand"

# COMMAND ----------

# DBTITLE 1,The tables
# Table names are literals: that is how brickloop knows who comes after this notebook.
COLUMNS = ["CAST(month AS DATE) AS month", "sector", "thousands"]
spark.createDataFrame(sectors).selectExpr(*COLUMNS).write.mode("overwrite").saveAsTable("employment")
spark.createDataFrame(total).selectExpr(*COLUMNS).write.mode("overwrite").saveAsTable("employment_total")

# COMMAND ----------

loaded = spark.sql("""
    SELECT count(DISTINCT month) AS months, min(month) AS first, max(month) AS last,
           count(DISTINCT sector) AS sectors, count(*) AS row_count
    FROM employment
""")
output.add_dataframe("What was loaded", loaded)
output.metadata["rows"] = len(sectors)
output.close()
