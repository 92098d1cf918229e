# Databricks notebook source
# MAGIC %md
# MAGIC # 5. Score
# MAGIC The forecast for the day after the last one that is known, from the weights that were kept.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import forecast
from brickloop import NotebookOutput

output = NotebookOutput()
model = forecast.Model.from_json(spark.table("model").first()["model"])

# COMMAND ----------

# DBTITLE 1,The last evenings
evenings = spark.table("features").orderBy("day", ascending=False).limit(7).toPandas()
evenings["rain_probability"] = model.probabilities(evenings[model.features].to_numpy()).round(3)
output.add_dataframe("The last evenings", evenings[["day", "rain_today", "temp_max", "wind", "rain_probability"]])

# COMMAND ----------

last = evenings.iloc[0]
output.add_markdown("Tomorrow", f"After {last['day']}: **{100 * last['rain_probability']:.0f} %** chance of rain.")
output.close()
dbutils.notebook.exit(str(last["rain_probability"]))
