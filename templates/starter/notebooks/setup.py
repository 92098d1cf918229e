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

for statement in (
    f"USE CATALOG `{catalog}`" if catalog else None,
    f"CREATE SCHEMA IF NOT EXISTS `{schema}`",
    f"USE SCHEMA `{schema}`",
):
    if statement:
        spark.sql(statement)
