"""All notebooks, run in their order in a local workspace of the tests' own."""

import pytest
from brickloop.testing import assert_table, rows, section


@pytest.fixture(scope="module")
def results(run_folder):
    """What each notebook gave, by name."""
    return run_folder("notebooks", schema="my_project_test")


def test_every_bird_of_the_file_is_in_the_table(results, query):
    assert_table(
        query("SELECT species, count(*) AS birds FROM my_project_test.penguins GROUP BY species"),
        [
            {"species": "Adelie", "birds": 152},
            {"species": "Chinstrap", "birds": 68},
            {"species": "Gentoo", "birds": 124},
        ],
    )


def test_what_is_missing_is_said(results):
    missing = {row["column"]: row["missing"] for row in rows(section(results["01_load"], "Missing values"))}
    assert missing == {
        "sex": 11,
        "bill_length_mm": 2,
        "bill_depth_mm": 2,
        "flipper_length_mm": 2,
        "body_mass_g": 2,
    }


def test_the_slope_changes_its_sign(results):
    table = rows(section(results["02_explore"], "Bill depth over bill length"))
    slopes = {row["birds"]: row["slope"] for row in table}
    assert slopes.pop("all birds") < 0
    assert len(slopes) == 3 and min(slopes.values()) > 0


def test_the_figures_are_there(results):
    figures = [part.title for part in results["03_figures"].document.sections if part.kind == "figure"]
    assert figures == ["Bills", "Body mass"]
