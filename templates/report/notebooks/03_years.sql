-- Databricks notebook source
-- MAGIC %md
-- MAGIC # 3. Years
-- MAGIC Each December beside the one before it.

-- COMMAND ----------

-- MAGIC %run ./setup

-- COMMAND ----------

-- DBTITLE 1,Growth from year to year
CREATE OR REPLACE TABLE yearly AS
SELECT sector, year(month) AS year, thousands,
       round(100 * (thousands / lag(thousands) OVER (PARTITION BY sector ORDER BY month) - 1), 1) AS growth_percent
FROM employment
WHERE month(month) = 12

-- COMMAND ----------

-- DBTITLE 1,Percent by year
SELECT *
FROM (SELECT sector, year, growth_percent FROM yearly WHERE year BETWEEN 2008 AND 2014)
PIVOT (max(growth_percent) FOR year IN (2008, 2009, 2010, 2011, 2012, 2013, 2014))
ORDER BY sector

-- COMMAND ----------

-- DBTITLE 1,The best and the worst year of each sector
SELECT sector,
       max_by(year, growth_percent) AS best_year, max(growth_percent) AS best,
       min_by(year, growth_percent) AS worst_year, min(growth_percent) AS worst
FROM yearly
WHERE growth_percent IS NOT NULL
GROUP BY sector
ORDER BY worst
