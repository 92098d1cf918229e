# Databricks notebook source
# MAGIC %md
# MAGIC # 3. Train
# MAGIC On the years before `test_year`. Time runs one way: a split by chance would have the model know the day after.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import forecast
import pandas as pd
from brickloop import NotebookOutput

dbutils.widgets.text("test_year", "2015")
test_year = int(dbutils.widgets.get("test_year"))
output = NotebookOutput()
output.metadata["test_year"] = test_year

# COMMAND ----------

# DBTITLE 1,The split
days = spark.table("features").orderBy("day").toPandas().dropna()
years = pd.to_datetime(days["day"]).dt.year
known, asked = days[years < test_year], days[years == test_year]
assert len(known) > 300 and len(asked) > 30, f"too few days: {len(known)} to learn from, {len(asked)} to be asked"

# COMMAND ----------

# DBTITLE 1,The model
model = forecast.train(known[forecast.FEATURES].to_numpy(), known["rain_tomorrow"].to_numpy(), forecast.FEATURES)
spark.createDataFrame([(test_year, model.to_json())], "test_year INT, model STRING").write.mode("overwrite").option(
    "overwriteSchema", "true"
).saveAsTable("model")
weights = pd.DataFrame({"feature": model.features, "weight": [round(weight, 3) for weight in model.weights]})
output.add_dataframe("Weights, of standardised features", weights.sort_values("weight", key=abs, ascending=False))

# COMMAND ----------

# DBTITLE 1,Forecasts for the test year, beside those that need no model
months = pd.to_datetime(known["day"]).dt.month
by_month = known.groupby(months)["rain_tomorrow"].mean()
forecasts = pd.DataFrame(
    {
        "day": asked["day"],
        "rained": asked["rain_tomorrow"].astype(int),
        "model": model.probabilities(asked[forecast.FEATURES].to_numpy()),
        "as_today": asked["rain_today"].astype(float),
        "by_month": pd.to_datetime(asked["day"]).dt.month.map(by_month).astype(float),
    }
)
spark.createDataFrame(forecasts).write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("forecasts")
output.add_values("Days", {"to learn from": len(known), "to be asked": len(asked)})
output.close()
