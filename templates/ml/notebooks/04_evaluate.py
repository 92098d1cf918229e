# Databricks notebook source
# MAGIC %md
# MAGIC # 4. Evaluate
# MAGIC On days that the model has never seen, and beside what anybody could have said.

# COMMAND ----------

# MAGIC %run ./setup

# COMMAND ----------

import forecast
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from brickloop import NotebookOutput

output = NotebookOutput()
forecasts = spark.table("forecasts").orderBy("day").toPandas()
rained = forecasts["rained"].to_numpy()
NAMES = {"model": "the model", "as_today": "as today", "by_month": "the month's share"}

# COMMAND ----------

# DBTITLE 1,Scores
scores = pd.DataFrame(
    [
        (
            title,
            round(forecast.brier(forecasts[name], rained), 4),
            round(forecast.auc(forecasts[name], rained), 3),
            round(100 * forecast.accuracy(forecasts[name], rained), 1),
        )
        for name, title in NAMES.items()
    ],
    columns=["forecast", "brier", "auc", "right_percent"],
)
output.add_dataframe("Scores", scores)
best = float(scores["brier"][0])
output.add_metric("Brier score of the model", best)

# COMMAND ----------

# DBTITLE 1,Are 70 % really 70 %?
bins = np.clip((forecasts["model"].to_numpy() * 10).astype(int), 0, 9)
said = [forecasts["model"][bins == each].mean() for each in range(10) if (bins == each).sum() >= 5]
seen = [rained[bins == each].mean() for each in range(10) if (bins == each).sum() >= 5]
figure, axes = plt.subplots(figsize=(5, 5))
axes.plot([0, 1], [0, 1], color="#94a3b8", linestyle="--")
axes.plot(said, seen, marker="o", color="#0f766e")
axes.set(xlabel="said", ylabel="seen", title="Calibration", xlim=(0, 1), ylim=(0, 1))
output.add_figure("Calibration", figure)
plt.close(figure)  # it is in the output; without this it would be shown twice

# COMMAND ----------

# DBTITLE 1,Rain foretold, and rain that came
foretold = forecasts["model"].to_numpy() >= 0.5
confusion = pd.DataFrame(
    [(name, int((rows & (rained == 0)).sum()), int((rows & (rained == 1)).sum())) for name, rows in
     (("dry foretold", ~foretold), ("rain foretold", foretold))],
    columns=["", "stayed dry", "rained"],
)  # fmt: skip
output.add_dataframe("Days", confusion)

# COMMAND ----------

# DBTITLE 1,The verdict
# A model that a rule of thumb beats is not to go anywhere: the run fails.
rule = scores.iloc[1:].sort_values("brier").iloc[0]
gain = 100 * (1 - best / rule["brier"])
output.metadata["gain_percent"] = round(gain, 1)
output.add_markdown(
    "Verdict",
    f"The model's Brier score is **{best:.3f}**, {gain:.0f} % lower than that of the best rule of thumb "
    f"({rule['forecast']}, {rule['brier']:.3f}).",
)
output.close()
if gain <= 0:
    raise ValueError(f"the model ({best:.3f}) is no better than '{rule['forecast']}' ({rule['brier']:.3f})")
