"""Makes the files `orders_*.jsonl`: a small shop's orders, made up, with the faults that real feeds have.

    python make_orders.py

The same files come out each time. What is wrong in them, on purpose: events that come twice, orders that change
after they were placed, a negative quantity, a price that is no number, a country nobody knows, lines cut short.
"""

from __future__ import annotations

import datetime
import json
import random
from pathlib import Path

PRODUCTS = {"espresso machine": 249.0, "grinder": 119.5, "kettle": 49.9, "scale": 34.5, "filter papers": 6.2}
WEIGHTS = (1, 2, 4, 3, 10)
COUNTRIES = ("DE", "FR", "IT", "NL", "PL")
FIRST_DAY = datetime.datetime(2025, 3, 1)
DAYS = 21


def make_events(seed: int = 20250301) -> list[str]:
    """Lines of JSON, in the order in which they arrived."""
    chance = random.Random(seed)
    events: list[tuple[datetime.datetime, str]] = []
    number = 1000
    for day in range(DAYS):
        weekday = (FIRST_DAY + datetime.timedelta(days=day)).weekday()
        for _ in range(chance.randint(14, 20) + (8 if weekday >= 5 else 0)):
            number += 1
            at = FIRST_DAY + datetime.timedelta(days=day, seconds=chance.randint(7 * 3600, 23 * 3600))
            product = chance.choices(list(PRODUCTS), WEIGHTS)[0]
            order = {
                "order_id": number,
                "event_time": at.isoformat(),
                "status": "placed",
                "customer": f"c{chance.randint(1, 90):03d}",
                "country": chance.choices(COUNTRIES, (6, 4, 3, 3, 2))[0],
                "product": product,
                "quantity": chance.choices((1, 2, 3, 6), (12, 4, 2, 1))[0],
                "price": PRODUCTS[product],
            }
            events.append((at, json.dumps(order)))
            later = at + datetime.timedelta(hours=chance.uniform(2, 40))
            fate = chance.random()
            if fate < 0.08:
                cancelled = {**order, "status": "cancelled", "event_time": later.isoformat(timespec="seconds")}
                events.append((later, json.dumps(cancelled)))
            elif fate < 0.11:
                events.append((at + datetime.timedelta(minutes=3), json.dumps(order)))
            elif fate < 0.13:
                events[-1] = (at, json.dumps({**order, "quantity": -order["quantity"]}))
            elif fate < 0.145:
                events[-1] = (at, json.dumps({**order, "price": "n/a"}))
            elif fate < 0.16:
                events[-1] = (at, json.dumps({**order, "country": "??"}))
            elif fate < 0.17:
                events[-1] = (at, json.dumps(order)[: chance.randint(30, 90)])
    return [line for _, line in sorted(events, key=lambda event: event[0])]


if __name__ == "__main__":
    lines = make_events()
    third = len(lines) // 3
    for week, part in enumerate((lines[:third], lines[third : 2 * third], lines[2 * third :]), start=1):
        Path(__file__).with_name(f"orders_{week}.jsonl").write_text("\n".join(part) + "\n")
