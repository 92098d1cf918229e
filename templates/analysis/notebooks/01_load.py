# Databricks notebook source
# MAGIC %md
# MAGIC # 1. Load
# MAGIC From the CSV file beside this notebook to a table, and what is missing in it. No row is dropped here.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import measures
import pandas as pd
from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,The file
# A notebook's working directory is its folder.
penguins = pd.read_csv("data/penguins.csv").astype({"flipper_length_mm": "Int64", "body_mass_g": "Int64"})
assert penguins["species"].notna().all(), "every bird has a species"
output.metadata["birds"] = len(penguins)

# COMMAND ----------

# DBTITLE 1,The table
spark.createDataFrame(
    penguins.astype(object).where(penguins.notna(), None),
    schema="""
        species STRING, island STRING, bill_length_mm DOUBLE, bill_depth_mm DOUBLE,
        flipper_length_mm INT, body_mass_g INT, sex STRING, year INT
    """,
).write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("penguins")

# COMMAND ----------

# DBTITLE 1,Who lives where
islands = spark.sql("""
    SELECT species, island, count(*) AS birds, min(year) AS first_year, max(year) AS last_year
    FROM penguins
    GROUP BY species, island
    ORDER BY species, birds DESC
""")
output.add_dataframe("Who lives where", islands)

# COMMAND ----------

# DBTITLE 1,What is missing
output.add_dataframe("Missing values", measures.missing_values(penguins))
output.close()
