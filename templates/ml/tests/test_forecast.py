"""The model and the scores, on data whose answer is known."""

import forecast
import numpy as np
import pytest


@pytest.fixture(scope="module")
def drawn():
    """Days whose rain was drawn from a known model."""
    chance = np.random.default_rng(7)
    features = chance.normal(size=(20_000, 2)) * (1, 5) + (0, 100)
    probability = 1 / (1 + np.exp(-(1.5 * features[:, 0] - 0.2 * (features[:, 1] - 100) + 0.5)))
    return features, chance.random(len(features)) < probability


def test_training_finds_the_weights_that_the_days_were_drawn_with(drawn):
    model = forecast.train(*drawn, ["a", "b"], ridge=0.0)
    found = np.array(model.weights) / model.scales
    assert found == pytest.approx([1.5, -0.2], abs=0.05)
    # at the minimum the mean probability is the share of rainy days
    assert model.probabilities(drawn[0]).mean() == pytest.approx(drawn[1].mean(), abs=1e-6)


def test_a_model_survives_being_kept(drawn):
    model = forecast.train(*drawn, ["a", "b"])
    again = forecast.Model.from_json(model.to_json())
    assert again == model
    assert again.probabilities(drawn[0]) == pytest.approx(model.probabilities(drawn[0]))


def test_days_that_a_line_divides_and_a_feature_that_never_changes_give_numbers():
    features = np.column_stack([np.arange(10.0), np.ones(10)])
    model = forecast.train(features, np.arange(10) >= 5, ["a", "constant"])
    assert np.isfinite(model.probabilities(features)).all()
    assert forecast.accuracy(model.probabilities(features), np.arange(10) >= 5) == 1.0


def test_scores_of_forecasts_that_are_known():
    rained = np.array([1, 1, 0, 0])
    assert forecast.brier([1, 1, 0, 0], rained) == 0
    assert forecast.brier([0.5] * 4, rained) == 0.25
    assert forecast.auc([0.9, 0.8, 0.2, 0.1], rained) == 1
    assert forecast.auc([0.5] * 4, rained) == 0.5
    assert forecast.accuracy([0.9, 0.4, 0.6, 0.1], rained) == 0.5
    assert np.isnan(forecast.auc([0.5], [1]))
