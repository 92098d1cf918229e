"""What the runtime wheel records of a notebook: calls on Spark's clients, and files."""

from __future__ import annotations

import json
import os
import sys
import types

import pytest

from brickloop.flows.edges import Observed
from brickloop.flows.observed import read_observed
from brickloop.runtime import hooks, recorder

FOLDER = "/Workspace/Users/u/p"
_OF_EACH_CLASS = {"__dict__", "__weakref__"}


class Catalog:
    def currentCatalog(self):
        return "main"

    def currentDatabase(self):
        return "shop"

    def setCurrentDatabase(self, dbName):  # noqa: N803
        self.current = dbName


class Frame:
    def __init__(self, jdf=None):
        if jdf is not None:
            self._jdf = jdf

    def __getattr__(self, name):
        raise AssertionError(f"a column named {name} was asked for")

    def createOrReplaceTempView(self, name):
        return None

    def writeTo(self, table):
        return ("writeTo", table)


class Reader:
    def __init__(self, spark):
        self._spark = spark

    def table(self, tableName):  # noqa: N803
        return Frame(self._spark.jdf)

    def load(self, path=None, format=None, schema=None, **options):
        return Frame()

    def csv(self, path, schema=None, sep=None):
        return self.load(path)

    def parquet(self, *paths, **options):
        return Frame()


class Writer:
    def saveAsTable(self, name, format=None, mode=None):
        return ("saved", name, format)

    def insertInto(self, tableName, overwrite=None):  # noqa: N803
        return None

    def save(self, path=None):
        return None


class Session:
    catalog = Catalog()
    jdf = None

    @property
    def read(self):
        return Reader(self)

    def sql(self, sqlQuery, args=None, **kwargs):  # noqa: N803
        if "broken" in sqlQuery:
            raise ValueError("the engine's own error")
        return Frame(self.jdf)

    def table(self, tableName):  # noqa: N803
        return self.read.table(tableName)


class DeltaTable:
    @classmethod
    def forName(cls, sparkSession, tableOrViewName):  # noqa: N803
        return cls()


@pytest.fixture
def spark(monkeypatch):
    """A session whose classes stand where pyspark's do, each test with its own."""

    def fresh(kind):
        own = {name: what for name, what in vars(kind).items() if name not in _OF_EACH_CLASS}
        return type(kind.__name__, kind.__bases__, own)

    session, reader, writer = fresh(Session), fresh(Reader), fresh(Writer)
    session.read = property(lambda self: reader(self))
    modules = {
        "session": {"SparkSession": session},
        "readwriter": {"DataFrameReader": reader, "DataFrameWriter": writer},
        "dataframe": {"DataFrame": fresh(Frame)},
        "catalog": {"Catalog": fresh(Catalog)},
    }
    for name in list(sys.modules):
        if name.startswith(("pyspark", "delta")):
            monkeypatch.delitem(sys.modules, name)
    for name, members in modules.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, f"pyspark.sql.{name}", module)
    delta = types.ModuleType("delta.tables")
    delta.DeltaTable = fresh(DeltaTable)
    monkeypatch.setitem(sys.modules, "delta.tables", delta)
    found = session()
    found.writer, found.delta = writer(), delta.DeltaTable
    found.frame, found.current = modules["dataframe"]["DataFrame"], modules["catalog"]["Catalog"]()
    return found


@pytest.fixture
def folder(tmp_path):
    """Where the run's folder is in truth: DBFS, behind ``dbutils``."""
    return tmp_path / "dbfs" / "run"


@pytest.fixture
def run(monkeypatch, dbutils):
    """A run of brickloop; audit hooks, which nobody can take away, are the test's to call."""
    hooked = []
    monkeypatch.setattr(sys, "addaudithook", hooked.append)
    monkeypatch.setattr(recorder, "_recorder", None)
    dbutils.parameters["brickloop_output"] = "/run"
    dbutils.notebook = types.SimpleNamespace(run=lambda path, *_more: f"ran {path}")
    dbutils.hooked = hooked
    return dbutils


def seen(folder) -> Observed:
    recorder.write_record()
    return read_observed((folder / "_OBSERVED.json").read_bytes(), FOLDER)


def test_calls_are_heard_with_the_schema_that_was_current(spark, run, folder):
    assert recorder.begin_recording(run) is not None
    name = "".join(["it", "ems"])
    spark.table(name)
    spark.read.table("other.Raw")
    assert spark.writer.saveAsTable("sums", mode="overwrite") == ("saved", "sums", None)
    assert spark.frame().writeTo(table="a.b.c") == ("writeTo", "a.b.c")
    spark.sql("INSERT INTO log SELECT * FROM (SELECT * FROM audit.events) JOIN mine")
    spark.sql("SELECT * FROM IDENTIFIER(:t)", args={"t": "picked.table_1"})
    spark.frame().createOrReplaceTempView("mine")
    spark.delta.forName(spark, "gold.facts")
    recorder.write_record()
    spark.current.setCurrentDatabase("later")
    spark.table("items")
    found = seen(folder)
    assert set(found.reads) == {
        "main.shop.items", "main.other.raw", "main.shop.log", "main.audit.events",
        "main.picked.table_1", "main.gold.facts", "main.later.items",
    }  # fmt: skip
    assert set(found.writes) == {"main.shop.sums", "a.b.c", "main.shop.log", "main.gold.facts"}


def test_of_a_classic_frame_the_tables_behind_it_are_known(spark, run, folder, monkeypatch):
    class Leaf:
        def __init__(self, kind, name):
            self.kind, self.name = kind, lambda: name

        def getClass(self):
            return types.SimpleNamespace(getSimpleName=lambda: self.kind)

        def catalogTable(self):
            inner = types.SimpleNamespace(
                identifier=lambda: types.SimpleNamespace(unquotedString=self.name)
            )
            return types.SimpleNamespace(isDefined=lambda: self.name() != "", get=lambda: inner)

    class Broken:
        def getClass(self):
            raise RuntimeError("py4j")

    leaves = [
        Leaf("LogicalRelation", "spark_catalog.raw.base"),
        Leaf("LogicalRelation", ""),
        Broken(),
        Leaf("DataSourceV2Relation", "cat.s.v2"),
        Leaf("LocalRelation", "x"),
    ]
    plan = types.SimpleNamespace(
        collectLeaves=lambda: types.SimpleNamespace(size=lambda: 5, apply=leaves.__getitem__)
    )
    executed = types.SimpleNamespace(analyzed=lambda: plan)
    type(spark).jdf = types.SimpleNamespace(queryExecution=lambda: executed)
    recorder.begin_recording(run)
    spark.read.table("a_view")
    reads = json.loads((seen(folder), folder / "_OBSERVED.json")[1].read_text())["tables_read"]
    assert reads == ["spark_catalog.raw.base", "cat.s.v2"]
    # not where that has taken long already: each is a question to the JVM
    recorder.begin_recording(run)._spent = 60.0
    monkeypatch.setattr(hooks, "_tell_leaves", lambda *_: pytest.fail("it looked"))
    spark.read.table("another")


def test_paths_files_and_called_notebooks_are_heard(spark, run, folder, monkeypatch):
    recorder.begin_recording(run)
    spark.read.csv(f"file:{FOLDER}/data/rates.csv")
    spark.read.parquet(f"{FOLDER}/a.parquet", f"{FOLDER}/b.parquet")
    spark.read.load([f"{FOLDER}/c", f"{FOLDER}/d"])
    spark.writer.save("/Volumes/x/y")
    assert run.notebook.run(f"{FOLDER}/jobs/called", 60) == f"ran {FOLDER}/jobs/called"
    monkeypatch.setattr(recorder, "_here", lambda: FOLDER)
    run.notebook.run("./beside")
    (heard,) = run.hooked
    heard("open", ("limits.csv", "r", os.O_RDONLY))
    heard("open", (f"{FOLDER}/sub/../x.json", None, 0))
    heard("open", (f"{FOLDER}/made.txt", "w", os.O_WRONLY | os.O_CREAT))
    heard("open", ("/etc/passwd", "r", 0))
    heard("open", (3, "r", 0))
    heard("import", ("os",))
    module = types.ModuleType("of_the_project")
    module.__file__ = f"{FOLDER}/lib/of_the_project.py"
    monkeypatch.setitem(sys.modules, "of_the_project", module)
    assert set(seen(folder).files) == {
        "data/rates.csv", "a.parquet", "b.parquet", "c", "d", "jobs/called", "beside",
        "limits.csv", "x.json", "lib/of_the_project.py",
    }  # fmt: skip
    assert json.loads((folder / "_OBSERVED.json").read_text())["paths_written"] == ["/Volumes/x/y"]


def test_what_goes_wrong_in_a_hook_never_reaches_the_notebook(spark, run, folder, monkeypatch):
    found = recorder.begin_recording(run)

    def fail(*_args, **_named):
        raise RuntimeError("ours")

    for method in ("call", "saw", "meet"):
        monkeypatch.setattr(found, method, fail)
    monkeypatch.setattr(hooks, "_tell_leaves", fail)
    assert isinstance(spark.sql("SELECT 1"), object)
    assert spark.writer.saveAsTable("t") == ("saved", "t", None)
    assert run.notebook.run("./x") == "ran ./x"
    with pytest.raises(ValueError, match="the engine's own error"):
        spark.sql("broken")
    monkeypatch.setattr(found, "_sink", types.SimpleNamespace(put=fail))
    recorder.write_record()
    assert not (folder / "_OBSERVED.json").exists()


def test_an_engine_that_does_not_answer_holds_nothing_up(spark, run, folder, monkeypatch):
    def fail(_self):
        raise RuntimeError("gone")

    type(spark).catalog = types.SimpleNamespace(currentCatalog=lambda: fail(None))
    recorder.begin_recording(run)
    spark.table("items")
    assert seen(folder).reads == ("default.items",)


def test_a_method_is_replaced_once_and_keeps_its_name(spark, run):
    recorder.begin_recording(run)
    once = type(spark).sql
    assert recorder.begin_recording(run) is not None
    hooks.install(recorder.begin_recording(run), run)
    assert type(spark).sql is once
    assert once.__name__ == "sql"


@pytest.mark.parametrize("why", ["no run", "the workspace records", "no dbutils"])
def test_nothing_is_recorded_where_it_is_not_asked_for(spark, run, folder, monkeypatch, why):
    before = type(spark).sql
    if why == "no run":
        run.parameters.clear()
    elif why == "the workspace records":
        monkeypatch.setenv(recorder.OBSERVER_VARIABLE, "workspace")
    assert recorder.begin_recording(None if why == "no dbutils" else run) is None
    assert type(spark).sql is before
    assert not run.hooked
    recorder.write_record()
    assert not folder.exists()


def test_it_is_written_between_cells_until_that_takes_too_long(spark, run, folder, monkeypatch):
    found = recorder.begin_recording(run)
    spark.table("one")
    found.write_between_cells()
    first = (folder / "_OBSERVED.json").read_text()
    assert "one" in first
    monkeypatch.setattr(found, "_spent", 60.0)
    spark.table("two")
    found.write_between_cells()
    assert (folder / "_OBSERVED.json").read_text() == first
    assert set(seen(folder).reads) == {"main.shop.one", "main.shop.two"}


def test_secrets_stay_in_and_no_list_grows_without_end(spark, run, folder, monkeypatch):
    recorder.begin_recording(run)
    spark.sql(f"SELECT * FROM t WHERE key = 'dapi{'0' * 32}'")
    monkeypatch.setattr(recorder, "_MOST_CALLS", 3)
    for number in range(9):
        spark.table(f"t{number}")
    recorder.write_record()
    text = (folder / "_OBSERVED.json").read_text()
    assert "dapi0" not in text
    found = json.loads(text)
    assert (len(found["calls"]), found["complete"]) == (3, False)
