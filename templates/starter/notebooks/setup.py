# Databricks notebook source
# MAGIC %md
# MAGIC # Setup
# MAGIC Every notebook begins with `%run ./setup`. Tables have names without a schema, and live in the one that
# MAGIC the parameter `schema` names: the targets in `pyproject.toml` give each its own.

# COMMAND ----------

dbutils.widgets.text("catalog", "")
dbutils.widgets.text("schema", "my_project")
catalog = dbutils.widgets.get("catalog")
schema = dbutils.widgets.get("schema")

# COMMAND ----------

if catalog:
    _ = spark.sql(f"USE CATALOG `{catalog}`")
_ = spark.sql(f"CREATE SCHEMA IF NOT EXISTS `{schema}`")
_ = spark.sql(f"USE SCHEMA `{schema}`")
