-- Databricks notebook source
-- MAGIC %md
-- MAGIC # 3. Delays
-- MAGIC Where, when and with whom flights leave late. A notebook in SQL: each cell makes a table or shows one.
-- MAGIC Percentages of late flights are of those that left; a flight that was cancelled is not late.

-- COMMAND ----------

-- DBTITLE 1,The three airports
CREATE OR REPLACE TABLE nyc_flights.delays_by_origin AS
SELECT origin,
       count(*) AS flights,
       round(100.0 * count_if(late) / nullif(count_if(NOT cancelled), 0), 1) AS late_percent,
       round(100.0 * count_if(cancelled) / count(*), 1) AS cancelled_percent,
       round(avg(dep_delay), 1) AS mean_delay
FROM nyc_flights.flights
GROUP BY origin;

SELECT * FROM nyc_flights.delays_by_origin ORDER BY late_percent DESC

-- COMMAND ----------

-- DBTITLE 1,The day, hour by hour
CREATE OR REPLACE TABLE nyc_flights.delays_by_hour AS
SELECT origin,
       hour,
       count(*) AS flights,
       count_if(NOT cancelled) AS departed,
       count_if(late) AS late,
       round(100.0 * count_if(late) / count_if(NOT cancelled), 1) AS late_percent
FROM nyc_flights.flights
-- one flight alone is scheduled before five in the morning
WHERE hour >= 5
GROUP BY origin, hour;

-- The day begins on time and ends late. Shares are not averaged: the counts are added up anew.
SELECT hour, sum(flights) AS flights, round(100.0 * sum(late) / sum(departed), 1) AS late_percent
FROM nyc_flights.delays_by_hour
GROUP BY hour
ORDER BY hour

-- COMMAND ----------

-- DBTITLE 1,The airlines
CREATE OR REPLACE TABLE nyc_flights.delays_by_carrier AS
SELECT carrier,
       carrier_name,
       count(*) AS flights,
       round(100.0 * count_if(late) / nullif(count_if(NOT cancelled), 0), 1) AS late_percent,
       round(100.0 * count_if(cancelled) / count(*), 1) AS cancelled_percent,
       round(avg(dep_delay), 1) AS mean_delay,
       -- what the crew made good in the air: minutes late at the gate less minutes late on arrival
       round(avg(dep_delay - arr_delay), 1) AS minutes_made_good
FROM nyc_flights.flights
GROUP BY carrier, carrier_name;

SELECT * FROM nyc_flights.delays_by_carrier WHERE flights >= 1000 ORDER BY late_percent DESC

-- COMMAND ----------

-- DBTITLE 1,Are old aircraft late more often?
CREATE OR REPLACE TABLE nyc_flights.delays_by_age AS
SELECT CASE
         WHEN plane_age <= 5 THEN '00 to 05 years'
         WHEN plane_age <= 10 THEN '06 to 10 years'
         WHEN plane_age <= 15 THEN '11 to 15 years'
         WHEN plane_age <= 20 THEN '16 to 20 years'
         ELSE 'over 20 years'
       END AS age,
       count(*) AS flights,
       round(100.0 * count_if(late) / nullif(count_if(NOT cancelled), 0), 1) AS late_percent
FROM nyc_flights.flights
WHERE plane_age IS NOT NULL
GROUP BY 1;

-- They are not: whose aircraft it is and when it leaves matters more than how old it is.
SELECT * FROM nyc_flights.delays_by_age ORDER BY age

-- COMMAND ----------

-- DBTITLE 1,The routes to avoid
CREATE OR REPLACE TABLE nyc_flights.worst_routes AS
WITH routes AS (
  SELECT origin,
         dest,
         count(*) AS flights,
         round(100.0 * count_if(late) / nullif(count_if(NOT cancelled), 0), 1) AS late_percent
  FROM nyc_flights.flights
  GROUP BY origin, dest
  HAVING count(*) >= 200
)
SELECT routes.origin, routes.dest, airports.name AS destination, routes.flights, routes.late_percent,
       rank() OVER (PARTITION BY routes.origin ORDER BY routes.late_percent DESC) AS place
FROM routes
LEFT JOIN nyc_flights.airports ON routes.dest = airports.faa;

SELECT * FROM nyc_flights.worst_routes WHERE place <= 3 ORDER BY origin, place, dest
