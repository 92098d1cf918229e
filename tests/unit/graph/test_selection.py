"""Choosing notebooks as dbt users do."""

from __future__ import annotations

import pytest

from brickloop.errors import UsageError
from brickloop.graph.selection import Selector

UPSTREAM = {
    "jobs/load": (),
    "jobs/clean": ("jobs/load",),
    "jobs/enrich": ("jobs/clean",),
    "other": (),
    "report": ("jobs/enrich", "other"),
}
TAGS = {"jobs/load": ["daily"], "report": ["daily", "page"]}
STATES = {("jobs/clean", "modified"), ("other", "failed")}


@pytest.fixture
def selector():
    return Selector(UPSTREAM, TAGS, lambda name, state: (name, state) in STATES)


@pytest.mark.parametrize(
    ("select", "exclude", "chosen"),
    [
        ("", "", "load clean enrich other report"),
        ("clean", "", "clean"),
        ("jobs/clean", "", "clean"),
        ("jobs/clean.py", "", "clean"),
        ("jobs/*", "", "load clean enrich"),
        ("clean+", "", "clean enrich report"),
        ("clean+1", "", "clean enrich"),
        ("+clean", "", "load clean"),
        ("1+enrich", "", "clean enrich"),
        ("+report", "", "load clean enrich other report"),
        ("+clean+", "", "load clean enrich report"),
        ("@clean", "", "load clean enrich other report"),
        ("@load", "", "load clean enrich other report"),
        ("tag:daily", "", "load report"),
        ("tag:daily,tag:page", "", "report"),
        ("tag:daily other", "", "load other report"),
        ("tag:nosuch", "", ""),
        ("path:jobs", "", "load clean enrich"),
        ("path:jobs,clean+", "", "clean enrich"),
        ("state:modified+", "", "clean enrich report"),
        ("state:failed", "", "other"),
        ("", "report", "load clean enrich other"),
        ("clean+", "tag:page", "clean enrich"),
    ],
)
def test_words_choose(selector, select, exclude, chosen):
    found = selector.select(select, exclude)
    assert [name.rsplit("/", 1)[-1] for name in found] == chosen.split()


@pytest.mark.parametrize(
    ("word", "said"),
    [("nosuch", "no notebook is called 'nosuch'"), ("state:odd", "is no state"), ("x:y", "'x:'")],
)
def test_words_that_mean_nothing_are_refused(selector, word, said):
    with pytest.raises(UsageError, match=said):
        selector.select(word)
