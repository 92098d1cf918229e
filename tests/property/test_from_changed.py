"""Whatever is edited, a run from the first changed cell gives what a run of all cells gives.

The cells may be repeated: what a kept cell appended is not appended again, and should not be.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from brickloop import DevWorkflow
from brickloop.config.settings import load_settings
from brickloop.model.run import TextOutput

_NUMBERS = itertools.count()
_GUARDED = "try:\n    {}\nexcept Exception as error:\n    print(type(error).__name__)"
_FILE = "/Volumes/main/default/brickloop/{name}.txt"
_CELLS = (
    "total = {n}",
    "total = globals().get('total', 0) + {n}\nprint(total)",
    "items = globals().get('items', [])\nitems.append({n})\nprint(items)",
    "numbers = iter(range({n}, {n} + 9))\nprint(next(numbers))",
    "print(next(globals().get('numbers', iter([-1])), 'none'))",
    "import random\nrandom.seed({n})\nprint(random.random())",
    "import random\nprint(isinstance(random.random(), float))",
    "spark.range({n}).createOrReplaceTempView('v')",
    _GUARDED.format("print(spark.table('v').count())"),
    _GUARDED.format("spark.sql('DROP VIEW v')"),
    "spark.sql('CREATE OR REPLACE TABLE {name} AS SELECT {n} AS a')",
    "spark.sql('CREATE OR REPLACE TABLE {name} AS SELECT 7 AS a')\n"
    "spark.sql('INSERT INTO {name} VALUES ({n})')",
    _GUARDED.format("print(sorted(row.a for row in spark.table('{name}').collect()))"),
    "spark.sql('DROP TABLE IF EXISTS {name}')",
    "spark.sql('CREATE OR REPLACE VIEW {name}_view AS SELECT {n} AS b')",
    _GUARDED.format("print(spark.table('{name}_view').collect())"),
    "spark.conf.set('spark.sql.shuffle.partitions', '{n}')",
    "print(spark.conf.get('spark.sql.shuffle.partitions'))",
    "spark.sql('CREATE SCHEMA IF NOT EXISTS other')\nspark.sql('USE other')",
    "print(spark.sql('SELECT current_schema()').collect()[0][0])",
    "spark.sql('USE default')",
    "spark.udf.register('plus', lambda i: i + {n}, 'long')",
    _GUARDED.format("print(spark.sql('SELECT plus(1)').collect()[0][0])"),
    "spark.sql('DECLARE OR REPLACE VARIABLE w INT DEFAULT {n}')",
    _GUARDED.format("print(spark.sql('SELECT w').collect()[0][0])"),
    "frame = spark.range({n}).selectExpr('sum(id) AS s')",
    _GUARDED.format("print(frame.collect())"),
    f"with open('{_FILE}', 'w') as file:\n    file.write('{{n}}')",
    _GUARDED.format(f"print(open('{_FILE}').read())"),
    f"__import__('pathlib').Path('{_FILE}').unlink(missing_ok=True)",
    "dbutils.widgets.text('w', '{n}')",
    "print(dbutils.widgets.getAll().get('w'))",
    "%sql\nSELECT {n} AS c",
    "%md\n# {n}",
    "%run ./helper_{name}",
    "print(globals().get('helped'))",
    "raise ValueError({n})",
)
_SLOW = "\nimport time\ntime.sleep(0.06)"
_cell = st.tuples(st.sampled_from(_CELLS), st.integers(1, 5), st.booleans())


@st.composite
def histories(draw):
    """A notebook, and what it becomes as cells come and go, and a helper is edited."""
    cells = draw(st.lists(_cell, min_size=3, max_size=6))
    helper = 0
    versions = [(tuple(cells), helper)]
    for _ in range(draw(st.integers(2, 4))):
        kind = draw(
            st.sampled_from(("replace", "replace", "append", "remove", "helper", "nothing"))
        )
        if kind == "replace" and cells:
            cells[draw(st.integers(len(cells) // 2, len(cells) - 1))] = draw(_cell)
        elif kind == "append":
            cells.append(draw(_cell))
        elif kind == "remove" and len(cells) > 1:
            cells.pop(draw(st.integers(0, len(cells) - 1)))
        elif kind == "helper":
            helper += 1
        versions.append((tuple(cells), helper))
    return versions


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A kernel that keeps cells and one that never does, each with a store of its own."""
    roots = [tmp_path_factory.mktemp(name) for name in ("keeping", "whole")]
    with (
        DevWorkflow(load_settings(roots[0], env={})) as keeping,
        DevWorkflow(load_settings(roots[1], env={})) as whole,
    ):
        yield list(zip(roots, (keeping, whole), strict=True))


def source(cells, name):
    texts = []
    for text, number, slow in cells:
        made = text.replace("{n}", str(number)).replace("{name}", name)
        if made.startswith("%"):
            made = "\n".join(f"# MAGIC {line}" for line in made.split("\n"))
        elif slow:
            made += _SLOW
        texts.append(made)
    body = "\n\n# COMMAND ----------\n\n".join(texts)
    return f"# Databricks notebook source\n{body}\n"


def told(result):
    """What a person sees of a run."""
    cells = [
        (
            cell.command,
            cell.state,
            "".join(each.text for each in cell.outputs if isinstance(each, TextOutput)),
            [each for each in cell.outputs if not isinstance(each, TextOutput) and not cell.error],
        )
        for cell in result.cells
    ]
    return result.success, result["error"], cells


@settings(
    max_examples=5,
    # a failing history is short enough, and each try takes seconds
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories())
def test_a_run_from_the_first_change_gives_what_a_whole_run_gives(both, history):
    name = f"n{next(_NUMBERS)}"
    for cells, helper in history:
        results = []
        for root, workflow in both:
            (root / f"helper_{name}.py").write_text(
                f"# Databricks notebook source\nhelped = {helper}\n"
            )
            path = root / f"{name}.py"
            path.write_text(source(cells, name))
            keeps = workflow is both[0][1]
            results.append(workflow.run_locally(path, show=False, from_changed=keeps))
        assert told(results[0]) == told(results[1])
        assert not any(cell.kept for cell in results[1].cells)
