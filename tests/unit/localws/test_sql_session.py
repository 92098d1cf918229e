"""SQL sessions on a real engine: what they share, what outlives them, and what they tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brickloop.localws.engine import Engine
from brickloop.localws.layout import StoreLayout
from brickloop.localws.session import session_record
from brickloop.localws.sql_session import SqlSession
from brickloop.localws.statement_error import StatementError
from brickloop.localws.statement_parameters import Parameter

from .conftest import Bench

USER = "me@here.test"
Opener = Callable[[], SqlSession]


@pytest.fixture
def open_session(layout: StoreLayout, endpoint: str) -> Iterator[Opener]:
    """Opens sessions that are closed at the test's end."""
    opened: list[SqlSession] = []

    def open_one() -> SqlSession:
        opened.append(SqlSession.open(layout, endpoint, user=USER))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


def rows(session: SqlSession, text: str, *parameters: Parameter) -> list[list[Any]]:
    """The rows of a statement."""
    table = session.execute(text, parameters or None).table()
    return [list(row.values()) for row in table.to_pylist()]


def failure(session: SqlSession, text: str) -> StatementError:
    """The error of a statement."""
    with pytest.raises(StatementError) as caught:
        session.execute(text).table()
    return caught.value


def test_sessions_see_what_others_make_replace_and_drop(open_session: Opener) -> None:
    one, two = open_session(), open_session()
    rows(one, "CREATE TABLE seen AS SELECT 1 AS a")
    assert rows(two, "SELECT * FROM seen") == [[1]]
    rows(two, "CREATE OR REPLACE TABLE seen AS SELECT 'x' AS b, 2 AS c")
    assert rows(one, "SELECT * FROM main.default.SEEN") == [["x", 2]]
    rows(one, "ALTER TABLE seen ADD COLUMN d INT")
    assert rows(two, "SELECT * FROM seen") == [["x", 2, None]]
    rows(two, "CREATE VIEW looking AS SELECT b FROM seen")
    assert rows(one, "SELECT * FROM looking") == [["x"]]
    rows(one, "CREATE FUNCTION plus_one(n INT) RETURNS INT RETURN n + 1")
    assert rows(two, "SELECT plus_one(1)") == [[2]]
    rows(one, "DROP VIEW looking")
    rows(one, "DROP FUNCTION plus_one")
    rows(two, "DROP TABLE seen")
    assert failure(one, "SELECT * FROM seen").condition == "TABLE_OR_VIEW_NOT_FOUND"
    assert failure(two, "SELECT * FROM looking").condition == "TABLE_OR_VIEW_NOT_FOUND"
    assert failure(two, "SELECT plus_one(1)").condition == "UNRESOLVED_ROUTINE"


def test_a_catalog_made_in_an_open_session_is_there_at_once(open_session: Opener) -> None:
    one, two = open_session(), open_session()
    rows(one, "CREATE CATALOG lately")
    rows(two, "CREATE TABLE lately.default.t AS SELECT 5 AS n")
    assert rows(one, "SELECT l.n FROM lately.default.t l WHERE l.n = 5") == [[5]]
    rows(one, "USE CATALOG lately")
    assert rows(one, "SELECT current_catalog()") == [["lately"]]
    assert rows(one, "SELECT n FROM t") == [[5]]
    assert one.current() == ("lately", "default")
    rows(one, "USE CATALOG main")
    rows(one, "DROP CATALOG lately CASCADE")


def test_what_is_current_belongs_to_a_session(open_session: Opener) -> None:
    one, two = open_session(), open_session()
    rows(one, "CREATE SCHEMA IF NOT EXISTS apart")
    rows(one, "USE apart")
    rows(one, "CREATE TEMPORARY VIEW mine AS SELECT 1 AS a")
    rows(one, "SET VAR_LIKE = 1")
    assert two.current() == ("main", "default")
    assert failure(two, "SELECT * FROM mine").sqlstate == "42P01"
    rows(two, "DROP SCHEMA apart")


@pytest.mark.parametrize("name", ["plain", "with space", "100% ü"])
def test_everything_outlives_the_engine(tmp_path: Path, name: str) -> None:
    layout = StoreLayout(tmp_path / name)
    layout.make()
    engine = Engine(layout)
    try:
        first = SqlSession.open(layout, engine.start(), user=USER)
        for text in (
            "CREATE CATALOG other",
            "CREATE SCHEMA other.kept COMMENT 'stays'",
            "CREATE TABLE other.kept.t (a INT COMMENT 'a number') COMMENT 'rows'"
            " TBLPROPERTIES ('k' = 'v')",
            "INSERT INTO other.kept.t VALUES (1), (2)",
            "CREATE TABLE csv_files USING csv AS SELECT 1 AS n, 'x' AS s",
            "CREATE TABLE outside (a INT) LOCATION 'dbfs:/outside'",
            "INSERT INTO outside VALUES (9)",
            "USE other.kept",
            "CREATE VIEW v COMMENT 'a view' AS SELECT max(a) AS top FROM t",
            "CREATE FUNCTION twice(x INT) RETURNS INT COMMENT 'doubles' RETURN x * 2",
        ):
            first.execute(text).table()
        first.close()
        engine.stop()
        again = SqlSession.open(layout, engine.start(), user=USER)
        assert (layout.warehouse / "other" / "kept" / "t" / "_delta_log").is_dir()
        assert rows(again, "SELECT sum(a) FROM other.kept.t") == [[3]]
        assert rows(again, "SELECT n + 1, s FROM csv_files") == [[2, "x"]]
        assert rows(again, "SELECT a FROM outside") == [[9]]
        assert rows(again, "SELECT a FROM delta.`dbfs:/outside`") == [[9]]
        assert rows(again, "SELECT top FROM other.kept.v") == [[2]]
        assert rows(again, "SELECT other.kept.twice(4)") == [[8]]
        shown = rows(again, "SHOW CREATE TABLE other.kept.t")[0][0]
        assert "COMMENT 'a number'" in shown and "COMMENT 'rows'" in shown and "'k' = 'v'" in shown
        assert ["Comment", "a view", ""] in rows(again, "DESCRIBE TABLE EXTENDED other.kept.v")
        assert ["Comment", "stays"] in rows(again, "DESCRIBE SCHEMA other.kept")
        again.close()
    finally:
        engine.stop()


def test_parameters_are_bound_by_name_and_by_place(open_session: Opener) -> None:
    session = open_session()
    result = session.execute(
        "SELECT :i AS i, :s AS s, :d AS d, :t AS t, :n AS n, :l AS l",
        [
            Parameter("5", "BIGINT", "i"),
            Parameter('it\'s \\ "quoted"', "STRING", "s"),
            Parameter("1.50", "DECIMAL", "d"),
            Parameter("2024-01-01", "DATE", "t"),
            Parameter(None, "INT", "n"),
            Parameter(None, "ARRAY", "l", (Parameter("1", "INT"), Parameter("2", "INT"))),
        ],
    )
    assert result.types == ("BIGINT", "STRING", "DECIMAL(3,2)", "DATE", "INT", "ARRAY<INT>")
    row = result.table().to_pylist()[0]
    assert (row["i"], row["s"], str(row["d"]), row["n"], row["l"]) == (
        5, "it's \\ \"quoted\"", "1.50", None, [1, 2],
    )  # fmt: skip
    assert rows(session, "SELECT ? + ?", Parameter("1", "INT"), Parameter("2", "INT")) == [[3]]
    rows(session, "CREATE TABLE bound (a INT, b STRING)")
    changed = session.execute(
        "INSERT INTO bound VALUES (:a, :b)", [Parameter("1", "INT", "a"), Parameter("?", name="b")]
    )
    assert changed.affected_rows == 1
    query = "SELECT b FROM bound WHERE a = :a QUALIFY row_number() OVER (ORDER BY a) = :a"
    assert rows(session, query, Parameter("1", "INT", "a")) == [["?"]]
    rows(session, "DROP TABLE bound")


def test_an_error_tells_its_place(open_session: Opener) -> None:
    error = failure(open_session(), "SELECT 1,\n  2 FRM x\nWHERE")
    assert (error.condition, error.sqlstate) == ("PARSE_SYNTAX_ERROR", "42601")
    assert error.line == 2
    assert "^^^" in error.message


def test_a_column_comes_before_a_variable_or_an_alias(open_session: Opener) -> None:
    session = open_session()
    rows(session, "DECLARE VARIABLE k INT DEFAULT 100")
    inner = "(SELECT a AS z, k FROM VALUES (1, 5) AS t(a, k))"
    assert rows(session, f"SELECT z, k, session.k AS v FROM {inner}") == [[1, 5, 100]]
    assert rows(session, f"SELECT u.z + k AS s FROM {inner.replace(', k FROM', ', k AS q FROM')} u"
                " WHERE u.q < k") == [[101]]  # fmt: skip
    nested = "SELECT z + 1 AS k, k * 2 AS d FROM (SELECT a AS z FROM VALUES (1) AS t(a))"
    assert rows(session, f"SELECT d FROM ({nested})") == [[4]]


def test_a_wrong_name_is_shown_with_those_that_are_there(open_session: Opener) -> None:
    session = open_session()
    rows(session, "CREATE TABLE wares (price INT, product STRING)")
    error = failure(session, "SELECT product,\n  prize FROM wares")
    assert error.message == (
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name"
        " `prize` cannot be resolved. Did you mean one of the following? [`price`, `product`]."
        " SQLSTATE: 42703; line 2 pos 2"
    )
    assert (error.line, error.column) == (2, 3)
    error = failure(session, "SELECT * FROM warse")
    assert error.message.endswith("SQLSTATE: 42P01; line 1 pos 14")
    rows(session, "DROP TABLE wares")


def test_a_statement_is_canceled_from_another_thread(open_session: Opener) -> None:
    session = open_session()
    begun = time.monotonic()

    def cancel_until_gone() -> None:
        while time.monotonic() - begun < 60 and not ended.wait(0.2):
            session.cancel()

    ended = threading.Event()
    other = threading.Thread(target=cancel_until_gone)
    other.start()
    try:
        error = failure(
            session, "SELECT sum(a.id * b.id) FROM range(2000000) a CROSS JOIN range(200000) b"
        )
    finally:
        ended.set()
        other.join()
    assert (error.condition, error.sqlstate) == ("OPERATION_CANCELED", "HY008")
    assert rows(session, "SELECT 1") == [[1]]


def test_metadata_comes_from_the_catalog(open_session: Opener) -> None:
    session = open_session()
    rows(session, "CREATE SCHEMA described")
    rows(session, "CREATE TABLE described.t (a INT NOT NULL COMMENT 'key', b DECIMAL(5,2))")
    rows(session, "CREATE VIEW described.v AS SELECT b FROM described.t")
    assert "main" in session.catalogs()
    assert ("main", "described") in session.schemas("main")
    found = [(each.name, each.kind) for each in session.tables("main", "described")]
    assert found == [("t", "TABLE"), ("v", "VIEW")]
    columns = session.columns("main", "described", "t")
    assert [(c.name, c.type, c.nullable, c.comment) for c in columns] == [
        ("a", "INT", False, "key"),
        ("b", "DECIMAL(5,2)", True, ""),
    ]
    assert [c.type for c in session.columns("main", "described", "v")] == ["DECIMAL(5,2)"]
    rows(session, "DROP SCHEMA described CASCADE")


def test_the_record_tells_what_was_read_and_written(open_session: Opener) -> None:
    session = open_session()
    for text in (
        "CREATE TABLE record_a AS SELECT 1 AS n",
        "CREATE TABLE record_b (n INT)",
        "INSERT INTO record_b SELECT n FROM record_a",
        "UPDATE record_a SET n = 2",
    ):
        rows(session, text)
    record = session_record(session._spark)
    assert record.tables_written == ("main.default.record_a", "main.default.record_b")
    assert record.tables_read == ("main.default.record_a",)
    assert len(record.statements) == 4
    rows(session, "DROP TABLE record_a")
    rows(session, "DROP TABLE record_b")


def test_notebooks_and_sql_share_tables(spark_bench: Bench, open_session: Opener) -> None:
    session = open_session()
    rows(session, "CREATE TABLE from_sql AS SELECT 1 AS a UNION ALL SELECT 2")
    ran = spark_bench.run(
        "spark.table('from_sql').selectExpr('a * 10 AS b').write.saveAsTable('from_notebook')\n"
        "spark.range(3).write.mode('overwrite').format('parquet').saveAsTable('as_parquet')\n"
        "print(spark.catalog.tableExists('from_sql'), spark.catalog.tableExists('absent'))",
        "# MAGIC %sql SELECT * EXCEPT (b), b FROM from_notebook ORDER BY ALL",
        "spark.sql('SELECT a, count(*) AS n FROM from_sql GROUP BY ALL ORDER BY ALL').show()",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text(1) == "True False\n"
    assert ran.table(2) == [[10], [20]] or ran.table(2) == [["10"], ["20"]]
    assert rows(session, "SELECT b FROM from_notebook ORDER BY b") == [[10], [20]]
    assert rows(session, "SELECT sum(id) FROM as_parquet") == [[3]]
    for name in ("from_sql", "from_notebook", "as_parquet"):
        rows(session, f"DROP TABLE {name}")


def test_a_history_is_read_within_a_query(open_session: Opener) -> None:
    session = open_session()
    rows(session, "CREATE OR REPLACE TABLE told AS SELECT 1 AS a")
    rows(session, "CREATE OR REPLACE TABLE other AS SELECT 1 AS a")
    rows(session, "INSERT INTO told VALUES (2)")
    version = rows(session, "SELECT max(version) FROM (DESCRIBE HISTORY told)")[0][0]
    both = "\nUNION ALL\n".join(
        f"SELECT {place} AS place, operation FROM (DESCRIBE HISTORY {table} LIMIT 1)"
        for place, table in enumerate(("told", "main.default.other"))
    )
    first, second = rows(session, both)
    assert first == [0, "WRITE"] and second[0] == 1 and second[1] != "WRITE"
    named = "WITH h AS (DESC HISTORY told) SELECT count(*) FROM h JOIN other ON a = 1"
    assert rows(session, named) == [[version + 1]]
    assert rows(session, "SELECT '(DESCRIBE HISTORY x)' AS history") == [["(DESCRIBE HISTORY x)"]]
    error = failure(session, "SELECT * FROM (DESCRIBE HISTORY nowhere)")
    assert error.condition == "TABLE_OR_VIEW_NOT_FOUND"
