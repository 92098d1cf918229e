"""Who comes before whom: by tables, by files, by what runs did and what is declared."""

from __future__ import annotations

import pytest

from brickloop.errors import UsageError
from brickloop.flows.edges import Observed, TableUse, in_order
from brickloop.flows.project import read_project
from brickloop.sync.ledger import Ledger

HEADER = "# Databricks notebook source\n"


@pytest.fixture
def read(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    folder = tmp_path / "nb"
    folder.mkdir()

    def make(observed=None, **files):
        for name, text in files.items():
            (folder / f"{name}.py").write_text(HEADER + text + "\n")
        return read_project(folder, ledger, observed)

    yield make
    ledger.close()


def upstream(readers, writers):
    return {name: tuple(found) for name, found in TableUse(readers, writers).edges.items()}


def test_a_catalog_that_is_not_named_may_be_any_and_two_named_ones_are_two():
    writers = {"w": ("main.s.t",), "v": ("dev.s.t",), "r": (), "q": ()}
    readers = {"w": (), "v": (), "r": ("main.s.t",), "q": ("s.t",)}
    assert upstream(readers, writers) == {"w": (), "v": (), "r": ("w",), "q": ("v", "w")}


def test_two_that_change_one_table_say_nothing_of_their_order(read):
    project = read(
        a='df.write.saveAsTable("s.t")',
        b='df.write.insertInto("s.t")',
        c='df.write.insertInto("s.t")',
        d='spark.table("s.t").show()',
    )
    assert project.upstream == {"a": (), "b": ("a",), "c": ("a",), "d": ("a", "b", "c")}


def test_a_circle_is_drawn(read):
    with pytest.raises(UsageError) as told:
        read(
            a='spark.table("s.x").write.saveAsTable("s.y")',
            b='spark.table("s.y").write.saveAsTable("s.x")',
        )
    assert told.value.message.splitlines() == [
        "notebooks depend on each other in a circle: a -> b -> a",
        "  ┌─ a reads s.x (a.py:2), which b writes (b.py:2)",
        "  └─ b reads s.y (b.py:2), which a writes (a.py:2)",
    ]


def test_a_chain_may_be_longer_than_the_stack():
    chain = {f"n{number:05}": [f"n{number - 1:05}"] if number else [] for number in range(5000)}
    ordered = in_order(dict(reversed(chain.items())), "here")
    assert list(ordered) == list(chain)


def test_what_runs_did_and_what_is_declared_is_added(read):
    project = read(a="x = 1", b="y = 2", c="z = 3")
    assert project.upstream == {"a": (), "b": (), "c": ()}
    observed = {
        "a": Observed(writes=("main.s.t",)),
        "b": Observed(reads=("s.t",)),
        "c": Observed(files=("b", "nosuch.csv")),
    }
    project = read(observed)
    assert project.upstream == {"a": (), "b": ("a",), "c": ()}
    assert project.reaches["c"] == ("b",)


def test_a_table_is_named_once_by_the_longest_of_its_names():
    use = TableUse(
        {"report": ("shop.items", "main.shop.items", "shop.days", "other.shop.items")},
        {"load": ("shop.items", "main.shop.items", "shop.days")},
    )
    assert use.edges_of("report") == {"load": ("main.shop.items", "shop.days", "other.shop.items")}


def test_a_name_without_schema_is_shown_by_the_schema_that_a_run_found_it_in():
    use = TableUse(
        {"report": ("default.items", "main.shop.items", "default.days")},
        {"load": ("default.items", "main.shop.items", "default.days")},
    )
    assert use.edges_of("report") == {"load": ("main.shop.items", "default.days")}
