-- Databricks notebook source
-- MAGIC %md
-- MAGIC # 3. Gold
-- MAGIC What the business asks for. A cancelled order is no revenue.

-- COMMAND ----------

-- MAGIC %run ./setup

-- COMMAND ----------

-- DBTITLE 1,By day
CREATE OR REPLACE TABLE gold_daily AS
SELECT CAST(event_time AS DATE) AS day, country,
       count(*) AS orders, sum(quantity * price) AS revenue
FROM silver_orders
WHERE status = 'placed'
GROUP BY ALL

-- COMMAND ----------

-- DBTITLE 1,By product
CREATE OR REPLACE TABLE gold_products AS
SELECT product,
       count_if(status = 'placed') AS orders,
       sum(quantity) FILTER (WHERE status = 'placed') AS pieces,
       sum(quantity * price) FILTER (WHERE status = 'placed') AS revenue,
       round(100 * count_if(status = 'cancelled') / count(*), 1) AS cancelled_percent
FROM silver_orders
GROUP BY product

-- COMMAND ----------

-- DBTITLE 1,Products
SELECT product, orders, pieces, revenue, cancelled_percent,
       round(100 * revenue / sum(revenue) OVER (), 1) AS share_percent
FROM gold_products
ORDER BY revenue DESC

-- COMMAND ----------

-- DBTITLE 1,The best day of each country
SELECT country, day, orders, revenue
FROM gold_daily
QUALIFY row_number() OVER (PARTITION BY country ORDER BY revenue DESC, day) = 1
ORDER BY revenue DESC
