-- Databricks notebook source
-- MAGIC %md
-- MAGIC # 3. History
-- MAGIC How the rules did from run to run.

-- COMMAND ----------

-- MAGIC %run ./setup

-- COMMAND ----------

-- DBTITLE 1,The latest run beside the one before
WITH numbered AS (
  SELECT *, dense_rank() OVER (ORDER BY checked_at DESC) AS run
  FROM quality_results
)
SELECT now.rule, now.verdict, now.broken, before.broken AS broken_before,
       now.broken - before.broken AS change
FROM numbered now
LEFT JOIN numbered before ON before.rule = now.rule AND before.run = 2
WHERE now.run = 1
ORDER BY now.broken DESC, now.rule

-- COMMAND ----------

-- DBTITLE 1,Each run
SELECT checked_at, count(*) AS rules,
       count_if(verdict = 'error') AS errors, count_if(verdict = 'warning') AS warnings,
       sum(broken) AS broken_rows
FROM quality_results
GROUP BY checked_at
ORDER BY checked_at DESC
LIMIT 20
