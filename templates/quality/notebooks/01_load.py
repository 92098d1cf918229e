# Databricks notebook source
# MAGIC %md
# MAGIC # 1. Load
# MAGIC The field notes as they are: the names of the columns become ones that SQL likes, the values stay.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import pandas as pd
from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,The file
NAMES = {
    "studyName": "study",
    "Sample Number": "sample",
    "Species": "species",
    "Island": "island",
    "Individual ID": "individual",
    "Clutch Completion": "clutch_complete",
    "Date Egg": "egg_date",
    "Culmen Length (mm)": "bill_length_mm",
    "Culmen Depth (mm)": "bill_depth_mm",
    "Flipper Length (mm)": "flipper_mm",
    "Body Mass (g)": "mass_g",
    "Sex": "sex",
    "Delta 15 N (o/oo)": "delta_15_n",
    "Delta 13 C (o/oo)": "delta_13_c",
    "Comments": "comments",
}
penguins = pd.read_csv("data/penguins_raw.csv", parse_dates=["Date Egg"])[list(NAMES)].rename(columns=NAMES)

# COMMAND ----------

# DBTITLE 1,The table
spark.createDataFrame(
    penguins.astype(object).where(penguins.notna(), None),
    schema="""
        study STRING, sample INT, species STRING, island STRING, individual STRING, clutch_complete STRING,
        egg_date TIMESTAMP, bill_length_mm DOUBLE, bill_depth_mm DOUBLE, flipper_mm DOUBLE, mass_g DOUBLE,
        sex STRING, delta_15_n DOUBLE, delta_13_c DOUBLE, comments STRING
    """,
).write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("penguins")

# COMMAND ----------

output.add_dataframe("The first rows", spark.table("penguins").orderBy("study", "species", "sample"), max_rows=5)
output.metadata["rows"] = len(penguins)
output.close()
