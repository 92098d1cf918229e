# Databricks notebook source
# MAGIC %md
# MAGIC # 2. Silver
# MAGIC One row for each order, in its latest state. What breaks a rule of `orders.py` goes to `silver_rejects`, with
# MAGIC the reason: nothing disappears.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import orders
from brickloop import NotebookOutput
from pyspark.sql import functions as F

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,Events with their reasons
events = orders.parse(spark.table("bronze_events"))
rejected = events.where("reason IS NOT NULL").select("file", "number", "reason", "line")
rejected.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("silver_rejects")

# COMMAND ----------

# DBTITLE 1,The latest state of each order
wanted = ["order_id", "event_time", "status", "customer", "country", "product", "quantity", "price"]
good = events.where("reason IS NULL")
orders.latest(good).select(*wanted).createOrReplaceTempView("updates")

# COMMAND ----------

# DBTITLE 1,Into the table
# A MERGE may be repeated: an event that was seen already changes nothing.
spark.sql("""
    CREATE TABLE IF NOT EXISTS silver_orders (
        order_id BIGINT, event_time TIMESTAMP, status STRING, customer STRING, country STRING, product STRING,
        quantity INT, price DECIMAL(10, 2)
    )
""")
merged = spark.sql("""
    MERGE INTO silver_orders AS known
    USING updates AS new ON known.order_id = new.order_id
    WHEN MATCHED AND new.event_time > known.event_time THEN UPDATE SET *
    WHEN NOT MATCHED THEN INSERT *
""")
output.add_dataframe("Rows that the MERGE touched", merged)

# COMMAND ----------

# DBTITLE 1,What became of the events
counts = {"events": events.count(), "rejected": rejected.count(), "orders": spark.table("silver_orders").count()}
counts["repeated or changed"] = counts["events"] - counts["rejected"] - good.select("order_id").distinct().count()
output.add_values("What became of the events", counts)
reasons = (
    spark.table("silver_rejects").groupBy("reason").agg(F.count("*").alias("events"), F.min("line").alias("such as"))
)
output.add_dataframe("Why events were put aside", reasons.orderBy(F.desc("events"), "reason"))
output.add_dataframe("Orders", spark.table("silver_orders").orderBy("order_id"), max_rows=5)
output.close()
