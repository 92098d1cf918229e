"""SQL statements through a session, with Databricks' dialect, beside the engine alone.

The engine's time is of the text that the session sends it, its paths and tables in place.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure, write_table

_TABLE = "CREATE TABLE sales AS SELECT id, id % 10 AS region, id * 1.5 AS amount FROM range(10000)"
_STATEMENTS = {
    "SELECT 1": "SELECT 1",
    "usual SELECT": "SELECT region, sum(amount) AS total FROM main.default.sales WHERE id > 100"
    " GROUP BY region ORDER BY total DESC LIMIT 5",
    "GROUP BY ALL": "SELECT region, sum(amount) AS total FROM sales GROUP BY ALL ORDER BY ALL",
    "SELECT * EXCEPT": "SELECT * EXCEPT (amount) FROM sales LIMIT 5",
    "QUALIFY": "SELECT id, region FROM sales"
    " QUALIFY row_number() OVER (PARTITION BY region ORDER BY amount DESC) = 1",
}


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks dialect", description=__doc__)
    parser.add_argument("--repeats", type=int, default=50, help="runs of each statement")
    options = parser.parse_args(argv)
    if options.repeats < 1:
        parser.error("--repeats must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="brickloop-dialect-") as folder:
        statements, bridges = _measure(Path(folder), options.repeats)
    print(write_table("a statement and its rows", statements))
    print()
    print(write_table("of that, in front of the engine", bridges))
    return 0


def _measure(root: Path, repeats: int) -> tuple[list[Figure], list[Figure]]:
    from brickloop.localws.engine import Engine
    from brickloop.localws.layout import StoreLayout
    from brickloop.localws.sql_query import prepare
    from brickloop.localws.sql_session import SqlSession

    layout = StoreLayout(root)
    layout.make()
    engine = Engine(layout)
    try:
        session = SqlSession.open(layout, engine.start(), user="me@here.test")
        context = session._spark._front.context
        session.execute(_TABLE).table()
        statements, bridges = [], []
        for name, text in _STATEMENTS.items():

            def in_front(text: str = text) -> str:
                return context.interceptor.prepare_text(prepare(context, text)[0])

            def alone(sent: str = in_front()) -> None:
                frame = context.bare(sent)
                _ = frame.schema
                frame._to_table()

            whole = [lambda text=text: session.execute(text).table(), alone]
            through, beside = _in_turns(whole, repeats)
            statements.append(Figure(name, through, "engine alone", beside))
            (bridge,) = _in_turns([in_front], repeats)
            bridges.append(Figure(name, bridge, "engine alone", beside, budget="< 10 ms"))
        session.close()
    finally:
        engine.stop()
    return statements, bridges


def _in_turns(works: list[Callable[[], object]], repeats: int) -> list[list[float]]:
    """The seconds of each work, done in turns so that all meet the same machine."""
    seconds: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(repeats):
        for place, work in enumerate(works):
            begun = time.perf_counter()
            work()
            seconds[place].append(time.perf_counter() - begun)
    return seconds
