# Databricks notebook source
# MAGIC %md
# MAGIC # 4. Weather
# MAGIC How much of it is the weather's fault? Each flight meets the reading of its airport in the hour it was
# MAGIC to leave.

# COMMAND ----------

# A module of the project, imported as anywhere else: the notebook's folder is on the path.
import flight_rules
from brickloop import NotebookOutput
from pyspark.sql import functions as F

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,Flights with their weather
flights = spark.table("nyc_flights.flights")
weather = spark.table("nyc_flights.weather")

# A left join: a flight in an hour without a reading stays, with the condition "unknown".
met = flights.join(weather, ["origin", "flight_date", "hour"], "left").withColumn(
    "condition", flight_rules.condition()
)
met.select(
    "flight_date", "month", "hour", "origin", "carrier", "condition", "dep_delay", "late", "cancelled"
).write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("nyc_flights.flights_in_weather")

# COMMAND ----------

# DBTITLE 1,What each kind of weather does
by_condition = (
    spark.table("nyc_flights.flights_in_weather")
    .groupBy("condition")
    .agg(
        F.count("*").alias("flights"),
        F.round(100 * F.avg(F.col("late").cast("int")), 1).alias("late_percent"),
        F.round(100 * F.avg(F.col("cancelled").cast("int")), 1).alias("cancelled_percent"),
        F.round(F.avg("dep_delay"), 1).alias("mean_delay"),
    )
)
by_condition.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable(
    "nyc_flights.delays_by_condition"
)
ordered = spark.table("nyc_flights.delays_by_condition").orderBy(F.desc("mean_delay"))
output.add_dataframe("Weather and delay", ordered)
display(ordered)

# COMMAND ----------

# DBTITLE 1,The days on which the city stood still
# On 8 and 9 February 2013 a blizzard closed the airports.
query = """
    SELECT flight_date,
           count(*) AS flights,
           count_if(cancelled) AS cancelled,
           round(100.0 * count_if(cancelled) / count(*), 1) AS cancelled_percent
    FROM nyc_flights.flights
    GROUP BY flight_date
    ORDER BY cancelled DESC, flight_date
    LIMIT 5
"""
output.add_query_result("Most cancellations in a day", query, spark.sql(query))

# COMMAND ----------

# DBTITLE 1,And when the sky is clear?
calm = spark.sql("""
    SELECT hour,
           count(*) AS flights,
           round(100.0 * count_if(late) / count_if(NOT cancelled), 1) AS late_percent
    FROM nyc_flights.flights_in_weather
    WHERE condition = 'calm' AND hour >= 5
    GROUP BY hour
    ORDER BY hour
""")
calm.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("nyc_flights.calm_hours")
output.add_dataframe("Late departures in calm weather, by hour", spark.table("nyc_flights.calm_hours").orderBy("hour"))

# COMMAND ----------

totals = spark.sql("""
    SELECT count_if(late) AS late, count_if(late AND condition = 'calm') AS late_in_calm
    FROM nyc_flights.flights_in_weather
""").collect()[0]
share = 100 * totals["late_in_calm"] / totals["late"]
output.metadata["late_in_calm_percent"] = round(share, 1)
output.add_markdown(
    "Conclusion",
    f"Of **{totals['late']:,}** late departures **{share:.0f} %** happened in calm weather. Bad weather makes an "
    "hour far worse, but it is rare; under a clear sky delay grows from morning to night as well.",
)
output.close()
