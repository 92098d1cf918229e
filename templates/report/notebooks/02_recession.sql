-- Databricks notebook source
-- MAGIC %md
-- MAGIC # 2. The recession
-- MAGIC The peak before it, the trough that came after, and whether the jobs came back. A sector that hardly lost
-- MAGIC anything had no recession: `:least_loss` percent is where it begins.

-- COMMAND ----------

-- MAGIC %run ./setup

-- COMMAND ----------

CREATE WIDGET TEXT least_loss DEFAULT "1"

-- COMMAND ----------

-- DBTITLE 1,Peak and trough
CREATE OR REPLACE TABLE recession AS
WITH peak AS (
  SELECT sector, month AS peak_month, thousands AS peak
  FROM employment
  WHERE month < '2009-01-01'
  QUALIFY row_number() OVER (PARTITION BY sector ORDER BY thousands DESC, month DESC) = 1
),
trough AS (
  SELECT e.sector, e.month AS trough_month, e.thousands AS trough
  FROM employment e JOIN peak p ON e.sector = p.sector AND e.month >= p.peak_month
  WHERE e.month < '2013-01-01'
  QUALIFY row_number() OVER (PARTITION BY e.sector ORDER BY e.thousands, e.month) = 1
),
back AS (
  SELECT e.sector, min(e.month) AS back_month
  FROM employment e
  JOIN peak p ON e.sector = p.sector
  JOIN trough t ON e.sector = t.sector AND e.month > t.trough_month
  WHERE e.thousands >= p.peak
  GROUP BY e.sector
)
SELECT p.sector, p.peak_month, p.peak, t.trough_month, t.trough,
       round(p.peak - t.trough, 1) AS lost,
       round(100 * (p.peak - t.trough) / p.peak, 1) AS lost_percent,
       b.back_month
FROM peak p JOIN trough t ON p.sector = t.sector LEFT JOIN back b ON p.sector = b.sector

-- COMMAND ----------

-- DBTITLE 1,Who lost the most
SELECT sector, peak_month, trough_month, lost AS thousands_lost, lost_percent,
       coalesce(date_format(back_month, 'yyyy-MM'), 'not yet') AS back_again
FROM recession
WHERE lost_percent >= CAST(:least_loss AS DOUBLE)
ORDER BY lost_percent DESC

-- COMMAND ----------

-- DBTITLE 1,Who did not notice
SELECT sector, lost_percent
FROM recession
WHERE lost_percent < CAST(:least_loss AS DOUBLE)
ORDER BY lost_percent
