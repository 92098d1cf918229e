# Databricks notebook source
# MAGIC %md
# MAGIC # 4. Report
# MAGIC The figures, and the books: what came in is what went out.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import matplotlib.pyplot as plt
from brickloop import NotebookOutput

output = NotebookOutput()

# COMMAND ----------

# DBTITLE 1,The books
# Tables that do not agree fail the run: better no report than a wrong one.
daily = spark.table("gold_daily").toPandas().astype({"revenue": float})
products = spark.table("gold_products").toPandas().astype({"revenue": float})
orders = spark.table("silver_orders").where("status = 'placed'").selectExpr("quantity * price AS revenue").toPandas()
revenue = float(orders["revenue"].sum())
for name, total in (("gold_daily", daily["revenue"].sum()), ("gold_products", products["revenue"].sum())):
    assert abs(total - revenue) < 0.01, f"{name} has {total:.2f}, the orders have {revenue:.2f}"
output.metadata["revenue"] = round(revenue, 2)

# COMMAND ----------

# DBTITLE 1,By day
by_day = daily.pivot_table(index="day", columns="country", values="revenue", aggfunc="sum", fill_value=0.0)
figure, axes = plt.subplots(figsize=(8, 4.5))
axes.stackplot(by_day.index, by_day.T.to_numpy(), labels=by_day.columns, alpha=0.85)
axes.set(ylabel="revenue", title="Revenue by day and country")
axes.set_ylim(top=1.15 * by_day.sum(axis=1).max())  # room for the legend
axes.legend(loc="upper left", ncols=5)
figure.autofmt_xdate()
output.add_figure("Revenue by day", figure)
plt.close(figure)  # it is in the output; without this it would be shown twice

# COMMAND ----------

# DBTITLE 1,By product
ordered = products.sort_values("revenue")
figure, axes = plt.subplots(figsize=(8, 3.5))
axes.barh(ordered["product"], ordered["revenue"], color="#0f766e")
axes.set(xlabel="revenue", title="Revenue by product")
figure.tight_layout()
output.add_figure("Revenue by product", figure)
plt.close(figure)

# COMMAND ----------

best, day = ordered.iloc[-1], by_day.sum(axis=1).idxmax()
output.add_markdown(
    "What to remember",
    f"- {len(orders):,} orders brought **{revenue:,.2f}**, {100 * best['revenue'] / revenue:.0f} % of it by the "
    f"{best['product']}.\n"
    f"- The best day was {day}.",
)
output.close()
