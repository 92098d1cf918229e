"""Arithmetic of the analysis, apart from notebooks so that it can be tested."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Line:
    """A straight line through points, by least squares."""

    slope: float
    intercept: float
    correlation: float
    points: int

    def at(self, x: np.ndarray) -> np.ndarray:
        """The line's heights."""
        return self.slope * np.asarray(x) + self.intercept


def fit_line(x: pd.Series, y: pd.Series) -> Line:
    """The line through all points of which both coordinates are known; at least three."""
    known = x.notna() & y.notna()
    if known.sum() < 3:
        raise ValueError(f"a line needs three points, there are {known.sum()}")
    xs, ys = x[known].to_numpy(float), y[known].to_numpy(float)
    slope, intercept = np.polyfit(xs, ys, 1)
    return Line(float(slope), float(intercept), float(np.corrcoef(xs, ys)[0, 1]), int(known.sum()))


def missing_values(frame: pd.DataFrame) -> pd.DataFrame:
    """For each column with gaps: how many values are missing, and what part that is."""
    counts = frame.isna().sum()
    counts = counts[counts > 0].sort_values(ascending=False)
    return pd.DataFrame(
        {
            "column": counts.index,
            "missing": counts.to_numpy(int),
            "percent": (100 * counts / len(frame)).round(1).to_numpy(),
        }
    )
