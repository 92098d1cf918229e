from __future__ import annotations

import pytest

from brickloop.sql.cacheable import judge


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT 1", ()),
        ("VALUES (1), (2)", ()),
        ("SELECT * FROM a.b.c JOIN d ON x = y", ("a.b.c", "d")),
        ("WITH t AS (SELECT 1 AS x) SELECT * FROM t, u", ("u",)),
        ("SELECT a:b.c::int FROM t QUALIFY row_number() OVER (ORDER BY 1) = 1", ("t",)),
        ("SELECT * EXCEPT (a) FROM t VERSION AS OF 3", ("t",)),
        ("FROM t |> WHERE x > 1", ("t",)),
        (
            "SELECT unix_timestamp(ts), date_trunc('month', d), h3_longlatash3(1, 2, 3) FROM t",
            ("t",),
        ),
        ("SELECT * FROM t TABLESAMPLE (10 PERCENT) REPEATABLE (1)", ("t",)),
        ("SELECT :x, * FROM range(10) LATERAL VIEW explode(array(1)) e AS z", ()),
        ("SELECT 'now()', `rand()` FROM t -- uuid()", ("t",)),
        ("SELECT count(*), percentile_approx(x, 0.5) FROM t GROUP BY ALL", ("t",)),
    ],
)
def test_what_answers_alike_twice_may_be_kept(statement, tables):
    found = judge(statement)
    assert found.reason is None
    assert found.tables == tables


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("SELECT now()", "the clock"),
        ("SELECT current_timestamp", "the clock"),
        ("SELECT nvl(x, current_date()) FROM t", "the clock"),
        ("SELECT * FROM t WHERE d > (SELECT current_date)", "the clock"),
        ("SELECT unix_timestamp()", "the clock"),
        ("SELECT localtimestamp()", "the clock"),
        ("SELECT rand()", "chance"),
        ("SELECT uuid()", "chance"),
        ("SELECT shuffle(array(1, 2))", "chance"),
        ("SELECT * FROM t TABLESAMPLE (10 PERCENT)", "REPEATABLE"),
        ("SELECT current_user()", "who asks"),
        ("SELECT is_member('admins')", "who asks"),
        ("SELECT monotonically_increasing_id()", "where rows lie"),
        ("SELECT my_udf(x) FROM t", "a function of your own"),
        ("SELECT main.f.g(x) FROM t", "a function of your own"),
        ("SELECT aes_encrypt(a, b) FROM t", "a function of your own"),
        ("SELECT ai_query('m', 'p')", "a model"),
        ("SELECT ai_gen('p')", "a model"),
        ("SELECT secret('a', 'b')", "a secret"),
        ("SELECT * FROM read_files('/x')", "files"),
        ("SELECT * FROM csv.`/a/b`", "files"),
        ("SELECT * FROM delta.`s3://a/b`", "files"),
        ("SELECT * FROM main.information_schema.tables", "the system"),
        ("SELECT * FROM system.billing.usage", "the system"),
        ("SELECT * FROM STREAM(t)", "a stream"),
        ("SELECT session.x", "a variable"),
        ("SELECT * FROM global_temp.v", "a view of the session"),
        ("INSERT INTO a VALUES (1)", "no query"),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "no query"),
        ("CREATE TABLE a AS SELECT 1", "no query"),
        ("DELETE FROM a", "no query"),
        ("SHOW TABLES", "no query"),
        ("DESCRIBE t", "no query"),
        ("OPTIMIZE t", "no query"),
        ("DESCRIBE HISTORY t LIMIT 1", "no query"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT (", "could not be read"),
    ],
)
def test_what_may_answer_otherwise_is_not_kept(statement, reason):
    assert reason in (judge(statement).reason or "")
