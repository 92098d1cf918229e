"""The rules, on a Spark session of the local workspace."""

import json

import orders
from brickloop.testing import assert_table

GOOD = {
    "order_id": 1,
    "event_time": "2025-03-01T10:00:00",
    "status": "placed",
    "customer": "c001",
    "country": "DE",
    "product": "kettle",
    "quantity": 2,
    "price": 49.9,
}


def events(spark, *lines):
    return spark.createDataFrame(
        [("f", number, line if isinstance(line, str) else json.dumps(line)) for number, line in enumerate(lines, 1)],
        "file STRING, number INT, line STRING",
    )


def test_a_good_event_has_no_reason_and_its_types(spark):
    parsed = orders.parse(events(spark, GOOD))
    assert dict(parsed.dtypes)["price"] == "decimal(10,2)"
    assert_table(parsed, [{"reason": None, "quantity": 2, "price": 49.9}], columns=["reason", "quantity", "price"])


def test_each_fault_has_its_reason(spark):
    faults = {
        "no JSON": '{"order_id": 1, "event',
        "unknown status": {**GOOD, "status": "lost"},
        "quantity is not above 0": {**GOOD, "quantity": -2},
        "price is no amount": {**GOOD, "price": "n/a"},
        "unknown country": {**GOOD, "country": "??"},
    }
    parsed = orders.parse(events(spark, *faults.values()))
    assert [row["reason"] for row in parsed.orderBy("number").collect()] == list(faults)


def test_the_latest_event_of_an_order_counts_wherever_it_stands(spark):
    later = {**GOOD, "status": "cancelled", "event_time": "2025-03-02T08:00:00"}
    found = orders.latest(orders.parse(events(spark, later, GOOD, {**GOOD, "order_id": 2})))
    assert_table(
        found,
        [{"order_id": 1, "status": "cancelled"}, {"order_id": 2, "status": "placed"}],
        columns=["order_id", "status"],
    )
