# Databricks notebook source
# MAGIC %md
# MAGIC # My project
# MAGIC A figure of a query's result, kept with the output of the run.

# COMMAND ----------

import matplotlib.pyplot as plt
from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,The numbers
# In the place of this query one of your tables. Aggregate in SQL: only what is drawn comes to the driver.
query = """
    SELECT day, round(100 + 8 * day + 25 * sin(day / 1.5), 1) AS visitors
    FROM (SELECT explode(sequence(1, 28)) AS day)
    ORDER BY day
"""
visitors = spark.sql(query).toPandas().astype({"visitors": float})
output.add_dataframe("Visitors", visitors, max_rows=5)

# COMMAND ----------

# DBTITLE 1,The figure
figure, axes = plt.subplots(figsize=(8, 4))
axes.plot(visitors["day"], visitors["visitors"], marker="o", color="#c2410c")
axes.set(xlabel="day of the month", ylabel="visitors", title="More visitors, week by week")
axes.set_ylim(bottom=0)
output.add_figure("Visitors by day", figure)
plt.close(figure)  # it is in the output; without this it would be shown twice
output.close()
