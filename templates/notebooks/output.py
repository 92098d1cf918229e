# Databricks notebook source
# MAGIC %md
# MAGIC # My project
# MAGIC What this notebook finds out, in one sentence.

# COMMAND ----------

from brickloop import NotebookOutput

# a parameter: `invoke run NOTEBOOK -p least=5`
dbutils.widgets.text("least", "2")
least = int(dbutils.widgets.get("least"))

output = NotebookOutput()
output.metadata["least"] = least

# COMMAND ----------

# DBTITLE 1,The data
# In the place of these rows: spark.table("schema.table")
orders = spark.createDataFrame(
    [("north", "tea", 3, 4.5), ("north", "coffee", 5, 6.0), ("south", "tea", 1, 4.5), ("south", "coffee", 8, 5.5)],
    schema="region STRING, product STRING, quantity INT, price DOUBLE",
)
output.add_dataframe("Orders", orders)

# COMMAND ----------

# DBTITLE 1,A query
orders.createOrReplaceTempView("orders")
query = f"""
    SELECT region, sum(quantity * price) AS revenue
    FROM orders
    WHERE quantity >= {least}
    GROUP BY region
    ORDER BY revenue DESC
"""
revenue = spark.sql(query)
output.add_query_result("Revenue by region", query, revenue)

# COMMAND ----------

# DBTITLE 1,The conclusion
# Computed, so that it cannot contradict the tables.
best = revenue.first()
output.add_markdown("Conclusion", f"**{best['region']}** sells most: {best['revenue']:.2f}.")
output.close()

# what `exit_value` of the run is
dbutils.notebook.exit(best["region"])
