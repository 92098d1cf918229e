# Databricks notebook source
# MAGIC %md
# MAGIC # 4. Figures

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import matplotlib.pyplot as plt
from brickloop import NotebookOutput

output = NotebookOutput()
FELL, ROSE = "#c2410c", "#0f766e"

# COMMAND ----------

# DBTITLE 1,The three that lost the most, and the one that lost the least
recession = spark.table("recession").orderBy("lost_percent", ascending=False).toPandas()
shown = [*recession["sector"][:3], recession["sector"].iloc[-1]]
employment = spark.table("employment").orderBy("month").toPandas()

figure, axes = plt.subplots(figsize=(8, 4.5))
for sector in shown:
    rows = employment[employment["sector"] == sector]
    axes.plot(rows["month"], 100 * rows["thousands"] / rows["thousands"].iloc[0], label=sector)
axes.axhline(100, color="#94a3b8", linewidth=0.8)
axes.set(ylabel="jobs, January 2006 = 100", title="Not one recession, but many")
axes.legend()
output.add_figure("Jobs by sector", figure)
plt.close(figure)  # it is in the output; without this it would be shown twice

# COMMAND ----------

# DBTITLE 1,What was lost, and who is back
ordered = recession.iloc[::-1]
figure, axes = plt.subplots(figsize=(8, 5))
colours = [ROSE if back is not None and back == back else FELL for back in ordered["back_month"]]
axes.barh(ordered["sector"], ordered["lost_percent"], color=colours)
axes.set(xlabel="jobs lost from peak to trough, %", title="Green: came back to the old peak")
figure.tight_layout()
output.add_figure("Lost and regained", figure)
plt.close(figure)

# COMMAND ----------

worst = recession.iloc[0]
back = int(recession["back_month"].notna().sum())
output.metadata["worst_sector"] = worst["sector"]
output.add_markdown(
    "What to remember",
    f"- **{worst['sector'].capitalize()}** lost {worst['lost_percent']:.0f} % of its jobs.\n"
    f"- {back} of {len(recession)} sectors came back to their peak.\n"
    f"- All sectors together: {recession['lost'].sum() / 1000:.1f} million jobs from each one's peak to its trough.",
)
output.close()
