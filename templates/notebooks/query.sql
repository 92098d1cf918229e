-- Databricks notebook source
-- MAGIC %md
-- MAGIC # My project
-- MAGIC A report in SQL: each cell's result is in the output. Parameters have a mark, as `:least`; a value comes from
-- MAGIC `invoke run NOTEBOOK -p least=5`, and without one from the cell that declares it.

-- COMMAND ----------

CREATE WIDGET TEXT least DEFAULT "2"

-- COMMAND ----------

-- DBTITLE 1,The data
-- In the place of these rows a table of yours.
CREATE OR REPLACE TEMPORARY VIEW orders AS
SELECT * FROM VALUES
  ('north', 'tea', 3, 4.5),
  ('north', 'coffee', 5, 6.0),
  ('south', 'tea', 1, 4.5),
  ('south', 'coffee', 8, 5.5)
AS orders(region, product, quantity, price)

-- COMMAND ----------

-- DBTITLE 1,Revenue by region
SELECT region, count(*) AS orders, sum(quantity * price) AS revenue
FROM orders
WHERE quantity >= CAST(:least AS INT)
GROUP BY region
ORDER BY revenue DESC

-- COMMAND ----------

-- DBTITLE 1,The best product of each region
SELECT region, product, quantity * price AS revenue
FROM orders
QUALIFY row_number() OVER (PARTITION BY region ORDER BY quantity * price DESC) = 1
ORDER BY region
