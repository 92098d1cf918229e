# Databricks notebook source
# MAGIC %md
# MAGIC # 5. Figures
# MAGIC Three pictures of what the tables say. `output.add_figure` keeps each beside the text, so it is
# MAGIC seen in the terminal's report as well as here.

# COMMAND ----------

import flight_rules
import matplotlib.pyplot as plt
from brickloop import NotebookOutput

output = NotebookOutput()
LATE, CANCELLED = "#c2410c", "#334155"

# COMMAND ----------

# DBTITLE 1,The day, hour by hour
# A share of a handful of flights says nothing: one late flight of one would be 100 %.
hours = spark.table("nyc_flights.delays_by_hour").where("flights >= 100").orderBy("origin", "hour").toPandas()

figure, axes = plt.subplots(figsize=(8, 4))
for origin, rows in hours.groupby("origin"):
    axes.plot(rows["hour"], rows["late_percent"].astype(float), marker="o", label=flight_rules.AIRPORTS[origin])
axes.set(xlabel="scheduled hour of departure", ylabel="late departures, %", title="The day begins on time and ends late")
axes.set_ylim(bottom=0)
axes.set_xticks(range(5, 24, 2))
axes.legend()
output.add_figure("Late departures by hour", figure)
plt.show()

# COMMAND ----------

# DBTITLE 1,Weather
by_condition = spark.table("nyc_flights.delays_by_condition").toPandas().set_index("condition")
shown = by_condition.reindex([name for name in flight_rules.CONDITIONS if name != "unknown"])

figure, axes = plt.subplots(figsize=(8, 4))
places = range(len(shown))
axes.bar([place - 0.2 for place in places], shown["late_percent"], width=0.4, color=LATE, label="late")
axes.bar([place + 0.2 for place in places], shown["cancelled_percent"], width=0.4, color=CANCELLED, label="cancelled")
axes.set_xticks(list(places), [f"{name}\n{count:,}" for name, count in shown["flights"].items()])
axes.set(ylabel="% of flights", title="Rain delays, snow cancels")
axes.legend()
output.add_figure("Weather", figure)
plt.show()

# COMMAND ----------

# DBTITLE 1,Airlines
carriers = spark.sql("""
    SELECT carrier_name, flights, late_percent
    FROM nyc_flights.delays_by_carrier
    WHERE flights >= 1000
    ORDER BY late_percent
""").toPandas()

figure, axes = plt.subplots(figsize=(8, 4.5))
axes.barh(carriers["carrier_name"], carriers["late_percent"].astype(float), color=LATE)
axes.set(xlabel="late departures, %", title="Airlines with 1,000 flights and more")
figure.tight_layout()
output.add_figure("Airlines", figure)
plt.show()

# COMMAND ----------

# The conclusion is computed, so it cannot contradict the tables.
worst, best = carriers.iloc[-1], carriers.iloc[0]
morning = hours[hours["hour"] == 6]["late_percent"].astype(float).mean()
evening = hours[hours["hour"] == 20]["late_percent"].astype(float).mean()
snow = shown.loc["snow"]

output.metadata["worst_carrier"] = worst["carrier_name"]
output.metadata["best_carrier"] = best["carrier_name"]
output.add_markdown(
    "What to remember",
    f"- Leave early: {morning:.0f} % of the flights at six in the morning are late, {evening:.0f} % of those at eight "
    "in the evening.\n"
    f"- {worst['carrier_name']} is late most often ({worst['late_percent']} %), {best['carrier_name']} least "
    f"({best['late_percent']} %).\n"
    f"- In snow {snow['cancelled_percent']:.0f} % of the flights are cancelled; those that leave are hardly later "
    "than others.",
)
output.close()
