"""All notebooks, run in their order in a local workspace of the tests' own, against pandas."""

from pathlib import Path

import pandas as pd
import pytest
from brickloop.testing import assert_table, rows

DATA = Path(__file__).parents[1] / "notebooks" / "data" / "employment.csv"


@pytest.fixture(scope="module")
def results(run_folder):
    """What each notebook gave, by name."""
    return run_folder("notebooks", schema="my_project_test")


@pytest.fixture(scope="module")
def file():
    """The file as it is published."""
    return pd.read_csv(DATA, parse_dates=["month"])


def shown(result, title):
    """The table that the cell with this title has shown."""
    (cell,) = [cell for cell in result.cells if cell.title == title]
    return rows(cell.outputs[0])


def test_no_job_is_lost_on_the_way(results, query, file):
    assert_table(
        query("SELECT sum(thousands) AS thousands FROM my_project_test.employment"),
        [{"thousands": file["nonfarm"].sum()}],
        tolerance=1e-4,
    )


def test_peak_and_trough_of_construction(results, query, file):
    before = file[file["month"] < "2009-01-01"]
    peak = before["construction"].max()
    after = file[(file["month"] >= before.loc[before["construction"].idxmax(), "month"]) & (file["month"] < "2013")]
    trough = after["construction"].min()
    assert_table(
        query("SELECT peak, trough, lost_percent FROM my_project_test.recession WHERE sector = 'construction'"),
        [{"peak": peak, "trough": trough, "lost_percent": round(100 * (peak - trough) / peak, 1)}],
    )


def test_each_sector_is_in_one_of_the_two_tables(results):
    lost = shown(results["02_recession"], "Who lost the most")
    kept = shown(results["02_recession"], "Who did not notice")
    names = [row["sector"] for row in (*lost, *kept)]
    assert len(names) == len(set(names)) == 15
    assert lost[0]["sector"] == "construction"


def test_a_parameter_moves_the_border(run_notebook, results):
    result = run_notebook("notebooks/02_recession.sql", schema="my_project_test", least_loss=10)
    assert all(float(row["lost_percent"]) >= 10 for row in shown(result, "Who lost the most"))


def test_growth_is_that_of_the_file(results, query, file):
    december = file[file["month"].dt.month == 12]
    utilities = pd.Series(december["utilities"].to_numpy(), index=december["month"].dt.year)
    expected = (100 * utilities.pct_change()).round(1).dropna()
    assert_table(
        query("SELECT year, growth_percent FROM my_project_test.yearly WHERE sector = 'utilities' AND year > 2006"),
        [{"year": int(year), "growth_percent": growth} for year, growth in expected.items()],
        tolerance=0.02,
    )
