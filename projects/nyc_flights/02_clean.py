# Databricks notebook source
# MAGIC %md
# MAGIC # 2. Clean
# MAGIC Makes tables that can be trusted, and writes down what had to be mended on the way:
# MAGIC
# MAGIC - a flight without a departure delay never left: it was **cancelled**; one that left and has no arrival
# MAGIC   delay came down elsewhere: it was **diverted**;
# MAGIC - one of Newark's weather readings gives a wind of more than 1,000 mph;
# MAGIC - most aircraft of American and Envoy are missing from the registry, because the two report
# MAGIC   fleet numbers instead of tail numbers.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

from brickloop import NotebookOutput

# The Bureau of Transportation Statistics calls a flight late from its 15th minute on.
dbutils.widgets.text("late_minutes", "15")
late_minutes = int(dbutils.widgets.get("late_minutes"))

output = NotebookOutput()
output.metadata["late_minutes"] = late_minutes

# COMMAND ----------

# DBTITLE 1,Flights
raw = spark.table("nyc_flights.raw_flights")
carriers = spark.table("nyc_flights.airlines").withColumnRenamed("name", "carrier_name")
built = spark.table("nyc_flights.planes").select("tailnum", F.col("year").alias("built"))

flights = (
    raw.withColumn("flight_date", F.make_date("year", "month", "day"))
    # 1545 means a quarter to four in the afternoon
    .withColumn("hour", F.floor(F.col("sched_dep_time") / 100).cast("int"))
    .withColumn("cancelled", F.col("dep_delay").isNull())
    .withColumn("diverted", F.col("dep_delay").isNotNull() & F.col("arr_delay").isNull())
    .withColumn("late", F.col("dep_delay") >= late_minutes)
    .join(carriers, "carrier", "left")
    .join(built, "tailnum", "left")
    .withColumn("plane_age", F.lit(YEAR) - F.col("built"))
    .select(
        "flight_date", "month", "hour", "carrier", "carrier_name", "flight", "tailnum", "plane_age",
        "origin", "dest", "distance", "air_time", "dep_delay", "arr_delay", "late", "cancelled", "diverted",
    )
)
flights.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("nyc_flights.flights")

# COMMAND ----------

# DBTITLE 1,Weather
# The strongest gust ever measured on the ground was 253 mph: more is a broken sensor.
weather = (
    spark.table("nyc_flights.raw_weather")
    .withColumn("flight_date", F.make_date("year", "month", "day"))
    .withColumn("wind_speed", F.when(F.col("wind_speed") <= 253, F.col("wind_speed")))
    .select("origin", "flight_date", "hour", "temp", "precip", "visib", "wind_speed", "wind_gust")
)
weather.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("nyc_flights.weather")

# COMMAND ----------

# DBTITLE 1,What had to be mended, and what could not be
quality = spark.sql("""
    SELECT 'flights' AS what, count(*) AS row_count FROM nyc_flights.flights
    UNION ALL SELECT 'cancelled', count(*) FROM nyc_flights.flights WHERE cancelled
    UNION ALL SELECT 'diverted', count(*) FROM nyc_flights.flights WHERE diverted
    UNION ALL SELECT 'without a tail number', count(*) FROM nyc_flights.flights WHERE tailnum IS NULL
    UNION ALL SELECT 'aircraft of unknown age', count(*) FROM nyc_flights.flights WHERE plane_age IS NULL
    UNION ALL SELECT 'impossible wind readings', count(*) FROM nyc_flights.raw_weather WHERE wind_speed > 253
    ORDER BY row_count DESC
""")
output.add_dataframe("Quality of the data", quality)
display(quality)

# COMMAND ----------

# Cleaning must neither lose nor double a flight: a join on a key that is not unique would.
before, after = raw.count(), spark.table("nyc_flights.flights").count()
assert before == after, f"{before} flights went in, {after} came out"
output.add_section("Rows kept", f"{after:,} of {before:,} flights")

# COMMAND ----------

query = """
    SELECT carrier_name, count(*) AS flights,
           round(100.0 * count_if(plane_age IS NULL) / count(*), 1) AS unknown_age_percent
    FROM nyc_flights.flights
    GROUP BY carrier_name
    ORDER BY unknown_age_percent DESC, carrier_name
    LIMIT 5
"""
output.add_query_result("Airlines whose aircraft are not in the registry", query, spark.sql(query))

# COMMAND ----------

by_month = (
    spark.table("nyc_flights.flights")
    .groupBy("month")
    .agg(
        F.count("*").alias("flights"),
        percent(F.col("late")).alias("late_percent"),
        percent(F.col("cancelled")).alias("cancelled_percent"),
        F.round(F.avg("dep_delay"), 1).alias("mean_delay"),
    )
    .orderBy("month")
)
output.add_dataframe("Months", by_month)
output.close()
