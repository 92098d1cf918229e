"""All notebooks, run in their order in a local workspace of the tests' own."""

import pytest
from brickloop.testing import assert_table, rows, section


@pytest.fixture(scope="module")
def results(run_folder):
    """What each notebook gave, by name."""
    return run_folder("notebooks", schema="my_project_test")


def test_the_rules_find_what_is_known_of_the_file(results):
    found = {row["rule"]: (row["verdict"], row["broken_rows"]) for row in rows(section(results["02_checks"], "Checks"))}
    assert found["a bird is noted once"] == ("holds", 0)
    assert found["sex is known"] == ("warning", 11)
    assert found["species is spelled one way"] == ("warning", 152)
    assert found["bird was measured"] == ("holds", 2)
    assert "error" not in {verdict for verdict, _ in found.values()}


def test_offenders_are_shown(results):
    assert len(section(results["02_checks"], "warning: sex is known").rows) == 3


def test_a_broken_rule_fails_the_run_and_is_kept(results, run_notebook, query):
    result = run_notebook("notebooks/02_checks.py", schema="my_project_test", heaviest=6000)
    assert not result.success
    assert "1 rules are broken: mass is possible" in result.error
    assert len(section(result, "error: mass is possible").rows) == 2
    assert_table(query("SELECT broken FROM my_project_test.quality_results WHERE verdict = 'error'"), [{"broken": 2}])
