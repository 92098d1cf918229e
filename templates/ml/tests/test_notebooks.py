"""All notebooks, run in their order in a local workspace of the tests' own."""

import csv
from pathlib import Path

import pytest
from brickloop.testing import assert_table, rows, section

DATA = Path(__file__).parents[1] / "notebooks" / "data" / "weather.csv"


@pytest.fixture(scope="module")
def results(run_folder):
    """What each notebook gave, by name."""
    return run_folder("notebooks", schema="my_project_test")


def test_the_answer_of_a_row_is_the_day_after(results, query):
    with DATA.open() as file:
        rain = [float(row["precipitation"]) > 0 for row in csv.DictReader(file)]
    found = query("SELECT rain_today, rain_yesterday, rain_tomorrow FROM my_project_test.features ORDER BY day")
    expected = [
        {"rain_today": int(today), "rain_yesterday": before, "rain_tomorrow": after}
        for today, before, after in zip(rain, [None, *map(int, rain)], [*map(int, rain[1:]), None], strict=False)
    ]
    assert_table(found, expected, ordered=True)


def test_the_model_beats_both_rules_of_thumb(results):
    scores = {row["forecast"]: row["brier"] for row in rows(section(results["04_evaluate"], "Scores"))}
    assert scores["the model"] < min(scores["as today"], scores["the month's share"])


def test_only_the_test_year_is_asked(results, query):
    assert_table(query("SELECT DISTINCT year(day) AS year FROM my_project_test.forecasts"), [{"year": 2015}])


def test_the_forecast_is_a_probability_and_the_runs_exit_value(results):
    assert 0 <= float(results["05_score"].exit_value) <= 1
