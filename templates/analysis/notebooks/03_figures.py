# Databricks notebook source
# MAGIC %md
# MAGIC # 3. Figures
# MAGIC `output.add_figure` keeps each figure with the text: it is in the terminal's report as well as here.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import matplotlib.pyplot as plt
import numpy as np
from brickloop import NotebookOutput

output = NotebookOutput()
COLOURS = {"Adelie": "#c2410c", "Chinstrap": "#7e22ce", "Gentoo": "#0f766e"}
penguins = spark.table("penguins").toPandas()
slopes = spark.table("bill_slopes").toPandas().set_index("birds")

# COMMAND ----------

# DBTITLE 1,Bills
figure, axes = plt.subplots(figsize=(8, 4.5))
for species, rows in penguins.groupby("species"):
    axes.scatter(rows["bill_length_mm"], rows["bill_depth_mm"], s=16, alpha=0.6, color=COLOURS[species], label=species)
    ends = np.array([rows["bill_length_mm"].min(), rows["bill_length_mm"].max()])
    axes.plot(ends, slopes.loc[species, "slope"] * ends + slopes.loc[species, "intercept"], color=COLOURS[species])
ends = np.array([penguins["bill_length_mm"].min(), penguins["bill_length_mm"].max()])
axes.plot(
    ends, slopes.loc["all birds", "slope"] * ends + slopes.loc["all birds", "intercept"],
    color="#334155", linestyle="--", label="all birds",
)  # fmt: skip
axes.set(xlabel="bill length, mm", ylabel="bill depth, mm", title="Longer bills are thicker, within each species")
axes.legend()
output.add_figure("Bills", figure)
plt.close(figure)  # it is in the output; without this it would be shown twice

# COMMAND ----------

# DBTITLE 1,Body mass
figure, axes = plt.subplots(figsize=(8, 4))
bins = np.arange(2600, 6500, 150)
for species, rows in penguins.groupby("species"):
    axes.hist(rows["body_mass_g"].dropna().astype(float), bins=bins, alpha=0.6, color=COLOURS[species], label=species)
axes.set(xlabel="body mass, g", ylabel="birds", title="Gentoos are the heavy ones")
axes.legend()
output.add_figure("Body mass", figure)
plt.close(figure)
output.close()
