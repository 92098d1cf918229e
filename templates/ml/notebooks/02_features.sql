-- Databricks notebook source
-- MAGIC %md
-- MAGIC # 2. Features
-- MAGIC What is known in the evening, and what is to be foretold: whether it rains the day after. Nothing of tomorrow
-- MAGIC but the answer stands in a row.

-- COMMAND ----------

-- MAGIC %run ./setup

-- COMMAND ----------

-- DBTITLE 1,A row for each evening
CREATE OR REPLACE TABLE features AS
SELECT day,
       CAST(rain_mm > 0 AS INT) AS rain_today,
       CAST(lag(rain_mm) OVER (ORDER BY day) > 0 AS INT) AS rain_yesterday,
       ln(1 + rain_mm) AS log_rain_mm,
       temp_max,
       temp_max - temp_min AS temp_range,
       temp_max - lag(temp_max) OVER (ORDER BY day) AS temp_change,
       wind,
       sin(2 * pi() * dayofyear(day) / 365.25) AS season_sin,
       cos(2 * pi() * dayofyear(day) / 365.25) AS season_cos,
       CAST(lead(rain_mm) OVER (ORDER BY day) > 0 AS INT) AS rain_tomorrow
FROM weather

-- COMMAND ----------

-- DBTITLE 1,After a rainy day, and after a dry one
SELECT rain_today, count(*) AS days, round(100 * avg(rain_tomorrow), 1) AS rain_tomorrow_percent
FROM features
WHERE rain_tomorrow IS NOT NULL
GROUP BY rain_today
ORDER BY rain_today
