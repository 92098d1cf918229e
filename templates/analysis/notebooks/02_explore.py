# Databricks notebook source
# MAGIC %md
# MAGIC # 2. Explore
# MAGIC Does a longer bill mean a thicker one? It depends on whether one asks the birds or the species.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import measures
import pandas as pd
from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,Species side by side
query = """
    SELECT species,
           count(*) AS birds,
           round(avg(bill_length_mm), 1) AS bill_length,
           round(avg(bill_depth_mm), 1) AS bill_depth,
           round(avg(flipper_length_mm), 1) AS flipper,
           round(avg(body_mass_g)) AS body_mass,
           round(avg(body_mass_g) FILTER (WHERE sex = 'male')
               - avg(body_mass_g) FILTER (WHERE sex = 'female')) AS males_heavier_by
    FROM penguins
    GROUP BY species
    ORDER BY body_mass DESC
"""
output.add_query_result("Species side by side", query, spark.sql(query))

# COMMAND ----------

# DBTITLE 1,The slope of bill depth over bill length
penguins = spark.table("penguins").toPandas()
groups = [("all birds", penguins), *penguins.groupby("species")]
lines = [(str(name), measures.fit_line(rows["bill_length_mm"], rows["bill_depth_mm"])) for name, rows in groups]
slopes = pd.DataFrame(
    [
        (name, line.points, round(line.slope, 3), round(line.intercept, 2), round(line.correlation, 2))
        for name, line in lines
    ],
    columns=["birds", "points", "slope", "intercept", "correlation"],
)
spark.createDataFrame(slopes).write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("bill_slopes")
output.add_dataframe("Bill depth over bill length", slopes)

# COMMAND ----------

# The conclusion is computed, so it cannot contradict the tables.
whole = slopes.iloc[0]
rising = [row.birds for row in slopes.iloc[1:].itertuples() if row.slope > 0]
output.metadata["overall_slope"] = float(whole["slope"])
output.add_markdown(
    "Conclusion",
    f"Over all birds the slope is **{whole['slope']:+.2f}**; within {len(rising)} of {len(slopes) - 1} species "
    f"({', '.join(rising)}) it is positive. The species differ in both measures, and that difference is what the "
    "first number shows.",
)
output.close()
