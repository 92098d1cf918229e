# Databricks notebook source
# MAGIC %md
# MAGIC # 1. Load
# MAGIC From the CSV files beside this notebook to Delta tables, as they are: no row is dropped and no value
# MAGIC changed, so that everything that cleaning does later can be checked against these tables.
# MAGIC
# MAGIC `data/README.md` says where the files come from.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

from brickloop import NotebookOutput

output = NotebookOutput()
output.metadata["source"] = SOURCE

# COMMAND ----------

# DBTITLE 1,Flights and weather: large, so Spark reads them
import os

# A notebook's working directory is its folder in the workspace. Spark wants the whole path, and
# "file:" before it, because a bare path would be looked for in DBFS.
# The schema is spelled out: guessing it would read the file twice.
flights = spark.read.csv(
    "file:" + os.path.abspath("data/flights.csv.gz"),
    schema="""
        year INT, month INT, day INT, sched_dep_time INT, dep_delay INT, arr_delay INT, carrier STRING,
        flight INT, tailnum STRING, origin STRING, dest STRING, air_time INT, distance INT
    """,
    header=True,
)
weather = spark.read.csv(
    "file:" + os.path.abspath("data/weather.csv.gz"),
    schema="""
        origin STRING, year INT, month INT, day INT, hour INT, temp DOUBLE, dewp DOUBLE, humid DOUBLE,
        wind_dir INT, wind_speed DOUBLE, wind_gust DOUBLE, precip DOUBLE, pressure DOUBLE, visib DOUBLE
    """,
    header=True,
)

# Overwriting makes the notebook safe to repeat.
flights.write.mode("overwrite").saveAsTable("nyc_flights.raw_flights")
weather.write.mode("overwrite").saveAsTable("nyc_flights.raw_weather")

# COMMAND ----------

# DBTITLE 1,Airlines, airports, planes: small, so pandas reads them
import pandas as pd

airlines = pd.read_csv("data/airlines.csv", keep_default_na=False)
airports = pd.read_csv("data/airports.csv")
planes = pd.read_csv("data/planes.csv").astype({"year": "Int64", "speed": "Int64"})

spark.createDataFrame(airlines).write.mode("overwrite").saveAsTable("nyc_flights.airlines")
spark.createDataFrame(
    airports[["faa", "name", "lat", "lon", "tzone"]],
    schema="faa STRING, name STRING, lat DOUBLE, lon DOUBLE, tzone STRING",
).write.mode("overwrite").saveAsTable("nyc_flights.airports")
spark.createDataFrame(
    planes[["tailnum", "year", "manufacturer", "model", "engines", "seats"]],
    schema="tailnum STRING, year INT, manufacturer STRING, model STRING, engines INT, seats INT",
).write.mode("overwrite").saveAsTable("nyc_flights.planes")

# COMMAND ----------

# DBTITLE 1,What was loaded
loaded = spark.sql("""
    SELECT 'raw_flights' AS table_name, count(*) AS row_count FROM nyc_flights.raw_flights
    UNION ALL SELECT 'raw_weather', count(*) FROM nyc_flights.raw_weather
    UNION ALL SELECT 'airlines', count(*) FROM nyc_flights.airlines
    UNION ALL SELECT 'airports', count(*) FROM nyc_flights.airports
    UNION ALL SELECT 'planes', count(*) FROM nyc_flights.planes
    ORDER BY row_count DESC
""")
output.add_dataframe("Rows loaded", loaded)
display(loaded)

# COMMAND ----------

output.add_dataframe(
    "The first departures of February",
    spark.table("nyc_flights.raw_flights").orderBy("month", "day", "sched_dep_time", "carrier", "flight"),
    max_rows=5,
)
output.metadata["flights"] = spark.table("nyc_flights.raw_flights").count()
output.close()
