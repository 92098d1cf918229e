-- Databricks notebook source
-- MAGIC %md
-- MAGIC # My project
-- MAGIC Checks of a table. The last cell fails the run where one of them is broken, and with it `doit`, which then
-- MAGIC does not run what depends on it.

-- COMMAND ----------

-- DBTITLE 1,What is checked
-- In the place of these rows a table of yours.
CREATE OR REPLACE TEMPORARY VIEW readings AS
SELECT * FROM VALUES
  (1, 'north', 12.5),
  (2, 'north', 13.0),
  (3, 'south', NULL),
  (4, 'south', 21.5)
AS readings(id, station, degrees)

-- COMMAND ----------

-- DBTITLE 1,The checks
CREATE OR REPLACE TEMPORARY VIEW checks AS
SELECT 'id is there' AS name, count_if(id IS NULL) AS broken FROM readings
UNION ALL
SELECT 'id is unique', count(*) - count(DISTINCT id) FROM readings
UNION ALL
SELECT 'station is known', count_if(station NOT IN ('north', 'south')) FROM readings
UNION ALL
SELECT 'degrees are possible', count_if(degrees NOT BETWEEN -60 AND 60) FROM readings

-- COMMAND ----------

-- DBTITLE 1,The results
SELECT name, broken, broken = 0 AS holds FROM checks ORDER BY name

-- COMMAND ----------

-- DBTITLE 1,The verdict
SELECT assert_true(count_if(broken > 0) = 0, concat('broken: ', concat_ws(', ', collect_list(name) FILTER (WHERE broken > 0))))
  AS verdict
FROM checks
