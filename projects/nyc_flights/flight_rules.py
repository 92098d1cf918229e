"""What the weather of an hour is called, and in which order conditions are shown.

A module, not a notebook: notebooks in the same folder import it, and tests can too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

CONDITIONS = ("calm", "wind", "fog", "rain", "heavy rain", "snow", "unknown")
"""Every value of ``condition``, from mild to hard."""

AIRPORTS = {"EWR": "Newark", "JFK": "Kennedy", "LGA": "LaGuardia"}

FREEZING = 34.0
"""Degrees Fahrenheit at or below which what falls is taken for snow."""
HEAVY_RAIN = 0.1
"""Inches in an hour; the National Weather Service calls more than 0.3 heavy, hourly sums blur that."""
FOG = 3.0
"""Visibility in miles; below it airports leave visual flight rules."""
STRONG_WIND = 20.0
"""Miles per hour, mean of the hour."""
STRONG_GUST = 30.0


def condition() -> Column:
    """The name of the weather of a row with temp, precip, visib, wind_speed and wind_gust."""
    from pyspark.sql import functions as F

    windy = (F.col("wind_speed") >= STRONG_WIND) | (F.col("wind_gust") >= STRONG_GUST)
    return (
        F.when(F.col("visib").isNull(), "unknown")
        .when((F.col("precip") > 0) & (F.col("temp") <= FREEZING), "snow")
        .when(F.col("precip") >= HEAVY_RAIN, "heavy rain")
        .when(F.col("precip") > 0, "rain")
        .when(F.col("visib") < FOG, "fog")
        .when(windy, "wind")
        .otherwise("calm")
    )
