"""When a run counts as the same, by its inputs and by the data that came before it."""

from __future__ import annotations

import pytest

from brickloop.flows.project import read_project
from brickloop.graph.fingerprint import Fingerprints, RunDigest, changes
from brickloop.sync.ledger import Ledger

HEADER = "# Databricks notebook source\n"


@pytest.fixture
def project(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    folder = tmp_path / "nb"
    folder.mkdir()
    (folder / "a.py").write_text(HEADER + 'df.write.saveAsTable("s.t")\n')
    (folder / "b.py").write_text(HEADER + 'spark.table("s.t").write.saveAsTable("s.u")\n')
    (folder / "c.py").write_text(HEADER + 'spark.table("s.u").show()\n')

    def read(change=None):
        if change:
            (folder / "a.py").write_text(HEADER + f'{change}\ndf.write.saveAsTable("s.t")\n')
        return read_project(folder, ledger)

    yield read
    ledger.close()


def of(project, digests=None):
    return Fingerprints(project, {}, "serverless", "w", (digests or {}).get)


def test_the_same_data_upstream_leaves_what_comes_after_as_it_is(project):
    first = of(project())
    data = {"a": RunDigest(first.of("a"), {"s.t": "d1"})}
    before = of(project(), data)
    changed = project("x = 1")
    again = of(changed, data)
    assert again.of("a") != before.of("a")
    assert again.of("b") != before.of("b"), "the new run of a is still to come"
    same = of(changed, {"a": RunDigest(again.of("a"), {"s.t": "d1"})})
    assert same.of("b") == before.of("b")
    assert same.of("c") == before.of("c")
    other = of(changed, {"a": RunDigest(again.of("a"), {"s.t": "d2"})})
    assert other.of("b") != before.of("b")


def test_a_digest_of_other_tables_is_no_proof(project):
    first = of(project())
    data = {"a": RunDigest(first.of("a"), {"s.other": "d1"})}
    assert of(project(), data).of("b") == first.of("b")


def test_after_a_run_what_comes_after_is_looked_at_anew(project):
    data = {}
    prints = Fingerprints(project(), {}, "serverless", "w", data.get)
    before = prints.of("c")
    data["a"] = RunDigest(prints.of("a"), {"s.t": "d1"})
    assert prints.of("c") == before
    prints.forget("a")
    assert prints.of("c") != before


def test_what_is_left_as_it_was_counts_by_its_last_run(project):
    old = of(project())
    old_b = old.of("b")
    now = of(project("x = 1"))
    assert now.of("b") != old_b
    now.leave({"a": old.of("a")})
    assert now.of("b") == old_b


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parameters": {"p": "2"}}, "parameter p changed"),
        ({"parameters": {}}, "parameter p is gone"),
        ({"parameters": {"p": "1", "q": "1"}}, "parameter q is new"),
        ({"compute": "cluster:x"}, "compute was serverless, is cluster:x"),
        ({"wheel": "v"}, "brickloop's runtime wheel changed"),
        ({"reaches": [["m.py", "2"]]}, "file m.py changed"),
        ({"upstream": [["u", "2"]]}, "upstream u changed"),
        ({"version": 99}, "the way fingerprints are made has changed"),
    ],
)
def test_a_difference_is_said_in_words(change, said):
    base = {
        "version": 1, "code": "c", "reaches": [["m.py", "1"]], "parameters": {"p": "1"},
        "compute": "serverless", "wheel": "w", "upstream": [["u", "1"]],
    }  # fmt: skip
    assert list(changes(base, {**base, **change}, {}, {}, "nb")) == [said]
    assert list(changes(base, base, {}, {}, "nb")) == []


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({1: "a", 3: "b"}, {1: "a", 3: "c"}, "cell 3 of nb changed"),
        ({1: "a", 2: "b"}, {1: "x", 2: "y"}, "cells 1, 2 of nb changed"),
        ({1: "a"}, {1: "a", 2: "b"}, "nb has 2 code cells, had 1"),
        ({}, {1: "a"}, "the code of nb changed"),
    ],
)
def test_changed_cells_are_named(before, now, said):
    inputs = {
        "version": 1, "code": "c", "reaches": [], "parameters": {}, "compute": "s", "wheel": "w",
        "upstream": [],
    }  # fmt: skip
    assert list(changes(inputs, {**inputs, "code": "d"}, before, now, "nb")) == [said]


def test_a_first_run_has_nothing_to_compare_with():
    assert list(changes(None, {}, {}, {}, "nb")) == ["never run here"]
