# Databricks notebook source
# MAGIC %md
# MAGIC # My project
# MAGIC A report of several queries, with a parameter that they all take: `invoke run NOTEBOOK -p least=5`.

# COMMAND ----------

from brickloop import NotebookOutput

dbutils.widgets.text("least", "2")
parameters = {"least": int(dbutils.widgets.get("least"))}
output = NotebookOutput()

# COMMAND ----------

# MAGIC %sql
# MAGIC -- In the place of these rows a table of yours.
# MAGIC CREATE OR REPLACE TEMPORARY VIEW orders AS
# MAGIC SELECT * FROM VALUES
# MAGIC   ('north', 'tea', 3, 4.5),
# MAGIC   ('north', 'coffee', 5, 6.0),
# MAGIC   ('south', 'tea', 1, 4.5),
# MAGIC   ('south', 'coffee', 8, 5.5)
# MAGIC AS orders(region, product, quantity, price)

# COMMAND ----------

# DBTITLE 1,The report
queries = {
    "Revenue by region": """
        SELECT region, sum(quantity * price) AS revenue
        FROM orders
        WHERE quantity >= :least
        GROUP BY region
        ORDER BY revenue DESC
    """,
    "Revenue by product": """
        SELECT product, sum(quantity * price) AS revenue
        FROM orders
        WHERE quantity >= :least
        GROUP BY product
        ORDER BY revenue DESC
    """,
}
for title, query in queries.items():
    output.add_query_result(title, query, spark.sql(query, args=parameters))
output.close()
