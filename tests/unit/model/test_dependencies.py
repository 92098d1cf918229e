"""What a notebook's text tells of what it needs, and where it says so."""

from __future__ import annotations

import pytest

from brickloop.model.dependencies import Facts, scan_module, scan_notebook
from brickloop.model.notebook import Language, parse_ipynb, parse_source
from brickloop.model.references import Kind

SEPARATOR = "\n\n# COMMAND ----------\n\n"


def facts(*cells: str) -> Facts:
    text = "# Databricks notebook source\n" + SEPARATOR.join(cells) + "\n"
    return scan_notebook(parse_source(text, Language.PYTHON))


def sql_facts(text: str) -> Facts:
    return scan_notebook(parse_source(f"-- Databricks notebook source\n{text}\n", Language.SQL))


@pytest.mark.parametrize(
    ("code", "kind", "names"),
    [
        ('spark.table("Sales.Raw")', Kind.READ, ["sales.raw"]),
        ('spark.read.table("main.sales.raw")', Kind.READ, ["main.sales.raw"]),
        ('spark.readStream.format("delta").table("s.t")', Kind.READ, ["s.t"]),
        ('table("t")', Kind.READ, ["default.t"]),
        ('df.write.mode("append").saveAsTable("s.t")', Kind.WRITE, ["s.t"]),
        ('df.write.insertInto("s.t")', Kind.READ, ["s.t"]),
        ('df.writeTo("s.t").append()', Kind.WRITE, ["s.t"]),
        ('DeltaTable.forName(spark, "s.t").merge(x, "y")', Kind.WRITE, ["s.t"]),
        ('spark.sql("SELECT * FROM a.b JOIN c.d USING (x)")', Kind.READ, ["a.b", "c.d"]),
        ('sql("CREATE TABLE a.b AS SELECT 1")', Kind.WRITE, ["a.b"]),
        ('SCHEMA = "s"\nspark.table(f"{SCHEMA}.t")', Kind.READ, ["s.t"]),
        ('A = "s"\nB = A + ".t"\nspark.table(B)', Kind.READ, ["s.t"]),
        ('dbutils.notebook.run("./child", 60)', Kind.CALL, ["./child"]),
        ("from pkg.mod import f", Kind.IMPORT, ["pkg.mod", "pkg.mod.f"]),
        ("from . import mod", Kind.IMPORT, [".", ".mod"]),
        ('open("data/x.csv")', Kind.PATH, ["data/x.csv"]),
    ],
)
def test_what_python_names(code: str, kind: Kind, names: list[str]) -> None:
    assert facts(code).targets(kind) == names


def test_a_widgets_default_is_known_where_it_is_read() -> None:
    found = facts(
        'dbutils.widgets.text("schema", "shop")', 'spark.table(dbutils.widgets.get("schema")+".t")'
    )
    assert found.targets(Kind.READ) == ["shop.t"]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("spark.table(name)", "a table named by name"),
        ('name = "a"\nname = "b"\nspark.table(name)', "a table named by name"),
        ("for name in names:\n    spark.table(name)", "a table named by name"),
        ("def f(name):\n    return spark.table(name)", "a table named by name"),
        ("spark.sql(make_query())", "SQL made by make_query()"),
        ("dbutils.notebook.run(path, 60)", "a notebook named by path"),
        ('spark.table(f"{x!r}.t")', "a table named by f'{x!r}.t'"),
    ],
)
def test_what_is_computed_is_listed_with_its_line(code: str, what: str) -> None:
    found = facts("print(1)", code)
    unresolved = [one for one in found.references if one.kind is Kind.UNRESOLVED]
    assert [one.target for one in unresolved] == [what]
    assert unresolved[0].place.cell == 2
    assert found.targets(Kind.READ) == []


@pytest.mark.parametrize(
    "code",
    ["document.table('x')", "rich.table('a.b')", "self.sqlite.execute('select 1 from t')", "f(x)"],
)
def test_other_libraries_are_left_alone(code: str) -> None:
    found = facts(code)
    assert found.targets(Kind.READ) == []
    assert found.targets(Kind.UNRESOLVED) == []


def test_a_reference_knows_its_cell_and_line() -> None:
    found = facts("x = 1\n\ny = 2", 'z = 3\nspark.table("a.b")', "# MAGIC %run ./setup")
    places = {one.target: one.place for one in found.references if one.kind is not Kind.PATH}
    assert (places["a.b"].cell, places["a.b"].line) == (2, 9)
    assert (places["./setup"].cell, places["./setup"].line) == (3, 13)


def test_line_magics_and_broken_cells_spoil_only_themselves() -> None:
    found = facts("%pip install x\nimport a", "def broken(:", "!ls\nimport b")
    assert found.targets(Kind.IMPORT) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "reads", "writes"),
    [
        ("CREATE TABLE s.t AS WITH x AS (SELECT 1) SELECT * FROM x JOIN s.u", ["s.u"], ["s.t"]),
        ("CREATE OR REPLACE VIEW s.v AS SELECT * FROM s.t", ["s.t"], ["s.v"]),
        ("INSERT INTO s.t SELECT * FROM s.u", ["s.t", "s.u"], ["s.t"]),
        ("MERGE INTO s.t USING s.u ON t.a=u.a WHEN MATCHED THEN DELETE", ["s.t", "s.u"], ["s.t"]),
        ("UPDATE s.t SET a = 1", ["s.t"], ["s.t"]),
        ("DELETE FROM s.t WHERE a = 1", ["s.t"], ["s.t"]),
        ("TRUNCATE TABLE s.t", ["s.t"], ["s.t"]),
        ("OPTIMIZE s.t", ["s.t"], ["s.t"]),
        ("USE SCHEMA s; SELECT * FROM t", ["s.t"], []),
        ("USE c.s; SELECT * FROM t", ["c.s.t"], []),
        ("USE CATALOG c; SELECT * FROM s.t", ["c.s.t"], []),
        ("CREATE TEMP VIEW v AS SELECT * FROM s.t; SELECT * FROM v", ["s.t"], []),
        ("SELECT ';' AS x; THIS IS NONSENSE ((; SELECT * FROM s.t", ["s.t"], []),
        ("SELECT * FROM read_files('/Volumes/a/b/c')", [], []),
    ],
)
def test_what_sql_reads_and_writes(text: str, reads: list[str], writes: list[str]) -> None:
    found = sql_facts(text)
    assert found.targets(Kind.READ) == reads
    assert found.targets(Kind.WRITE) == writes


def test_a_path_in_sql_may_be_a_file_of_the_project() -> None:
    assert sql_facts("SELECT * FROM csv.`data/x.csv`").targets(Kind.PATH) == ["data/x.csv"]


def test_sql_that_cannot_be_parsed_is_listed() -> None:
    found = sql_facts("SELECT 1;\nMERGE WHATEVER INTO ((")
    assert [(one.kind, one.place.line) for one in found.references] == [(Kind.UNRESOLVED, 3)]


def test_temporary_views_are_the_notebooks_own() -> None:
    found = facts('df.createOrReplaceTempView("mine")', 'spark.table("mine")', 'spark.table("o")')
    assert found.targets(Kind.READ) == ["default.o"]


def test_only_what_is_run_enters_the_hash_of_code() -> None:
    base = facts("x = 1", "y = 2")
    titled = facts("# DBTITLE 1,Title\nx = 1", "# MAGIC %md\n# MAGIC words", "y = 2\n\n")
    assert base.code == titled.code
    assert base.code != facts("x = 1", "y = 3").code
    assert [sha for _, sha in base.cells] == [sha for _, sha in titled.cells]


def test_facts_survive_being_stored() -> None:
    import json

    found = facts('import a\nspark.table("a.b")', "# MAGIC %run ./x")
    again = Facts.from_json(json.loads(json.dumps(found.to_json())))
    assert again.references == found.references
    assert again.code == found.code
    assert scan_module("import x\n").targets(Kind.IMPORT) == ["x"]


def test_a_jupyter_notebook_gives_lines_of_its_cells() -> None:
    import json

    text = json.dumps(
        {
            "cells": [{"cell_type": "code", "source": ["x = 1\n", 'spark.table("a.b")']}],
            "metadata": {},
            "nbformat": 4,
        }
    )
    found = scan_notebook(parse_ipynb(text))
    place = next(one.place for one in found.references if one.kind is Kind.READ)
    assert (place.cell, place.line) == (1, 2)
