"""All notebooks, run in their order in a local workspace of the tests' own, against plain Python."""

import json
from pathlib import Path

import pytest
from brickloop.testing import assert_table, rows, section

DATA = Path(__file__).parents[1] / "notebooks" / "data"


@pytest.fixture(scope="module")
def results(run_folder):
    """What each notebook gave, by name."""
    return run_folder("notebooks", schema="my_project_test")


@pytest.fixture(scope="module")
def orders():
    """The orders as plain Python finds them in the files, in their latest state."""
    found = {}
    for path in sorted(DATA.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                event = json.loads(line)
                good = event["quantity"] > 0 and event["price"] > 0 and event["country"] != "??"
            except (ValueError, TypeError):
                continue
            known = found.get(event["order_id"])
            if good and (known is None or event["event_time"] >= known["event_time"]):
                found[event["order_id"]] = event
    return list(found.values())


def test_the_layers_hold_what_the_files_hold(results, query, orders):
    lines = sum(len(path.read_text().splitlines()) for path in DATA.glob("*.jsonl"))
    assert_table(query("SELECT count(*) AS n FROM my_project_test.bronze_events"), [{"n": lines}])
    assert_table(
        query("SELECT order_id, status, quantity FROM my_project_test.silver_orders"),
        [{name: order[name] for name in ("order_id", "status", "quantity")} for order in orders],
    )


def test_revenue_is_that_of_the_orders_that_stand(results, query, orders):
    revenue = sum(order["quantity"] * order["price"] for order in orders if order["status"] == "placed")
    assert_table(
        query("SELECT sum(revenue) AS revenue FROM my_project_test.gold_products"),
        [{"revenue": round(revenue, 2)}],
        tolerance=1e-6,
    )


def test_each_reason_occurs_and_is_said(results):
    reasons = {row["reason"] for row in rows(section(results["02_silver"], "Why events were put aside"))}
    assert reasons == {"no JSON", "quantity is not above 0", "price is no amount", "unknown country"}


def test_a_second_run_changes_nothing(results, run_notebook, query):
    silver = "SELECT * FROM my_project_test.silver_orders"
    before = rows(query(silver))
    assert run_notebook("notebooks/02_silver.py", schema="my_project_test").success
    assert_table(query(silver), before)
