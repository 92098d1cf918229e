# Databricks notebook source
# MAGIC %md
# MAGIC # 2. Checks
# MAGIC Every rule against every row. A broken `error` fails this notebook, and what depends on it does not run.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import matplotlib.pyplot as plt
import pandas as pd
from brickloop import NotebookOutput
from checks import Check, evaluate, offenders, unique
from pyspark.sql import functions as F

dbutils.widgets.text("heaviest", "8000")
heaviest = float(dbutils.widgets.get("heaviest"))
output = NotebookOutput()
output.metadata["heaviest"] = heaviest

# COMMAND ----------

# DBTITLE 1,The rules
BY_NAME = "OVER (PARTITION BY individual)"
CHECKS = [
    Check("a bird is noted once", unique("study", "species", "sample")),
    Check("species is known", "species RLIKE '^(Adelie|Chinstrap|Gentoo) '"),
    Check("island is known", "island IN ('Biscoe', 'Dream', 'Torgersen')"),
    Check("egg was laid in the season", "month(egg_date) IN (11, 12)"),
    Check("bill is possible", "bill_length_mm IS NULL OR bill_length_mm BETWEEN 25 AND 70"),
    Check("mass is possible", f"mass_g IS NULL OR mass_g BETWEEN 2000 AND {heaviest}"),
    Check("bird was measured", "mass_g IS NOT NULL AND bill_length_mm IS NOT NULL", tolerated=1.0),
    Check("sex is known", "sex IS NOT NULL", "warning"),
    Check("isotopes were measured", "delta_15_n IS NOT NULL AND delta_13_c IS NOT NULL", "warning", tolerated=5.0),
    Check("species is spelled one way", "species RLIKE ' penguin '", "warning"),
    Check("a name means one species", f"min(species) {BY_NAME} = max(species) {BY_NAME}", "warning"),
]  # fmt: skip

# COMMAND ----------

# DBTITLE 1,The results
penguins = spark.table("penguins")
results = evaluate(penguins, CHECKS)
shown = pd.DataFrame(
    [(one.name, one.verdict, one.broken, one.percent, one.tolerated) for one in results],
    columns=["rule", "verdict", "broken_rows", "percent", "tolerated"],
)
output.add_dataframe("Checks", shown)

# COMMAND ----------

# DBTITLE 1,The history
# A row for each rule and run: what is kept here never changes, so it is added to.
history = spark.createDataFrame(
    [(one.name, one.severity, one.verdict, one.rows, one.broken) for one in results],
    "rule STRING, severity STRING, verdict STRING, row_count BIGINT, broken BIGINT",
).withColumn("checked_at", F.current_timestamp())
history.write.mode("append").saveAsTable("quality_results")

# COMMAND ----------

# DBTITLE 1,Rows that break a rule
for check, result in zip(CHECKS, results, strict=True):
    if result.verdict != "holds":
        rows = offenders(penguins, check).orderBy("study", "species", "sample")
        columns = ["study", "sample", "species", "individual", "sex", "mass_g", "comments"]
        output.add_dataframe(f"{result.verdict}: {check.name}", rows.select(*columns), max_rows=3)

# COMMAND ----------

# DBTITLE 1,The picture
colours = {"holds": "#0f766e", "warning": "#d97706", "error": "#b91c1c"}
figure, axes = plt.subplots(figsize=(8, 4.5))
ordered = shown.iloc[::-1]
axes.barh(ordered["rule"], ordered["percent"], color=[colours[verdict] for verdict in ordered["verdict"]])
axes.set(xlabel="rows that break the rule, %", title="Green holds, amber warns, red fails the run")
figure.tight_layout()
output.add_figure("How many rows break each rule", figure)
plt.close(figure)  # it is in the output; without this it would be shown twice

# COMMAND ----------

# DBTITLE 1,The verdict
broken = [one.name for one in results if one.verdict == "error"]
warned = [one.name for one in results if one.verdict == "warning"]
output.metadata["broken"] = len(broken)
output.add_markdown(
    "Verdict",
    f"{len(results)} rules on {results[0].rows} rows: **{len(broken)} broken**, {len(warned)} warnings"
    + "".join(f"\n- {name}" for name in (*broken, *warned)),
)
output.close()
if broken:
    raise ValueError(f"{len(broken)} rules are broken: {', '.join(broken)}")
