"""The model and the scores, apart from notebooks so that they can be tested."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

FEATURES = [
    "rain_today",
    "rain_yesterday",
    "log_rain_mm",
    "temp_max",
    "temp_range",
    "temp_change",
    "wind",
    "season_sin",
    "season_cos",
]


@dataclass(frozen=True)
class Model:
    """Logistic regression on standardised features; plain lists, so that it can be kept as JSON."""

    features: list[str]
    means: list[float]
    scales: list[float]
    weights: list[float]
    bias: float

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """For each row the probability of rain."""
        standard = (np.asarray(features, float) - self.means) / self.scales
        return _sigmoid(standard @ np.asarray(self.weights) + self.bias)

    def to_json(self) -> str:
        """The model as text, which ``from_json`` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Model:
        """The model that ``to_json`` wrote."""
        return cls(**json.loads(text))


def train(features: np.ndarray, rained: np.ndarray, names: list[str], *, ridge: float = 1.0) -> Model:
    """The model of smallest log loss, by Newton's method; ``ridge`` keeps weights small."""
    x, y = np.asarray(features, float), np.asarray(rained, float)
    means, scales = x.mean(axis=0), x.std(axis=0)
    scales[scales == 0] = 1.0
    design = np.column_stack([(x - means) / scales, np.ones(len(x))])
    penalty = np.diag([ridge] * x.shape[1] + [0.0])
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        probability = _sigmoid(design @ weights)
        gradient = design.T @ (probability - y) + penalty @ weights
        curvature = design.T @ (design * (probability * (1 - probability))[:, None]) + penalty
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return Model(names, means.tolist(), scales.tolist(), weights[:-1].tolist(), float(weights[-1]))


def brier(probability: np.ndarray, rained: np.ndarray) -> float:
    """The mean squared error of the probabilities: 0 is perfect, lower is better."""
    return float(np.mean((np.asarray(probability, float) - np.asarray(rained, float)) ** 2))


def auc(probability: np.ndarray, rained: np.ndarray) -> float:
    """How likely a rainy day has the higher probability than a dry one; ties count half."""
    p, y = np.asarray(probability, float), np.asarray(rained, bool)
    wet, dry = p[y], p[~y]
    if not len(wet) or not len(dry):
        return float("nan")
    return float(np.mean((wet[:, None] > dry) + 0.5 * (wet[:, None] == dry)))


def accuracy(probability: np.ndarray, rained: np.ndarray) -> float:
    """The share of days on which "above one half" was right."""
    return float(np.mean((np.asarray(probability, float) >= 0.5) == np.asarray(rained, bool)))


def _sigmoid(value: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(value, -30, 30)))
