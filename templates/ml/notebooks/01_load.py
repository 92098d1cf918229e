# Databricks notebook source
# MAGIC %md
# MAGIC # 1. Load

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import pandas as pd
from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,The file
weather = pd.read_csv("data/weather.csv", parse_dates=["date"]).drop(columns=["weather"])
# The features look a day back: a day that is missing or there twice would shift them unnoticed.
gaps = weather["date"].diff().dropna() != pd.Timedelta(days=1)
assert not gaps.any(), f"days are missing or twice before {weather['date'][gaps.idxmax()]:%Y-%m-%d}"

# COMMAND ----------

# DBTITLE 1,The table
spark.createDataFrame(weather).selectExpr(
    "CAST(date AS DATE) AS day", "precipitation AS rain_mm", "temp_max", "temp_min", "wind"
).write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("weather")

# COMMAND ----------

query = """
    SELECT month(day) AS month, count(*) AS days,
           round(100 * avg(CAST(rain_mm > 0 AS INT)), 1) AS rainy_percent,
           round(avg(rain_mm), 1) AS mean_rain_mm, round(avg(temp_max), 1) AS mean_high
    FROM weather
    GROUP BY month(day)
    ORDER BY month
"""
output.add_query_result("Months", query, spark.sql(query))
output.metadata["days"] = len(weather)
output.close()
