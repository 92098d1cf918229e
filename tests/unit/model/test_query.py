from __future__ import annotations

import pytest

from brickloop.errors import UsageError
from brickloop.model.query import (
    Number,
    Parameter,
    encode_value,
    parse_duration,
    parse_parameter,
    split_statements,
    write_age,
)


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ("", []),
        (" ;; \n -- only words\n ; /* and ; more */", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';', \";\", `;`; SELECT 2", ["SELECT ';', \";\", `;`", "SELECT 2"]),
        (r"SELECT 'it\'s; so'; SELECT 2", [r"SELECT 'it\'s; so'", "SELECT 2"]),
        (r"SELECT r'\'; SELECT 2", [r"SELECT r'\'", "SELECT 2"]),
        ("SELECT 'it''s; so'; SELECT 2", ["SELECT 'it''s; so'", "SELECT 2"]),
        ("SELECT 1 -- a; b\n; SELECT 2", ["SELECT 1 -- a; b", "SELECT 2"]),
        ("SELECT /* a /* ; */ ; */ 1; SELECT 2", ["SELECT /* a /* ; */ ; */ 1", "SELECT 2"]),
        ("SELECT 'open; SELECT 2", ["SELECT 'open; SELECT 2"]),
        ("SELECT CASE WHEN a THEN 1 END; SELECT 2", ["SELECT CASE WHEN a THEN 1 END", "SELECT 2"]),
        ("SELECT begin, end FROM t; SELECT 2", ["SELECT begin, end FROM t", "SELECT 2"]),
        (
            "BEGIN DECLARE x INT; IF x > 1 THEN SELECT 1; ELSE SELECT 2; END IF; END; SELECT 3",
            [
                "BEGIN DECLARE x INT; IF x > 1 THEN SELECT 1; ELSE SELECT 2; END IF; END",
                "SELECT 3",
            ],
        ),
        ("BEGIN TRANSACTION; SELECT 1; COMMIT", ["BEGIN TRANSACTION", "SELECT 1", "COMMIT"]),
        (
            "CREATE PROCEDURE p() LANGUAGE SQL AS BEGIN SELECT 1; SELECT 2; END; SELECT 3",
            ["CREATE PROCEDURE p() LANGUAGE SQL AS BEGIN SELECT 1; SELECT 2; END", "SELECT 3"],
        ),
        (
            "CREATE FUNCTION f() RETURNS INT LANGUAGE PYTHON AS $$ a = 1; return a $$; SELECT 1",
            [
                "CREATE FUNCTION f() RETURNS INT LANGUAGE PYTHON AS $$ a = 1; return a $$",
                "SELECT 1",
            ],
        ),
    ],
)
def test_statements_are_parted_at_semicolons_that_part(script, texts):
    assert [one.text for one in split_statements(script)] == texts


def test_a_statement_knows_its_line_and_its_parameters():
    first, second = split_statements("\n\nSELECT :a, :b,\n ':c', x:d, y::int, :a;\n\n  SELECT 2\n")
    assert (first.line, first.parameters) == (3, ("a", "b"))
    assert (second.line, second.parameters) == (6, ())


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("SELECT 1", True),
        ("(SELECT 1)", True),
        ("-- say\nwith a as (select 1) select * from a", True),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", False),
        ("FROM t INSERT INTO u SELECT 1", False),
        ("DESCRIBE t", True),
        ("SHOW TABLES", True),
        ("INSERT INTO t VALUES (1)", False),
        ("CREATE TABLE t (a INT)", False),
        ("OPTIMIZE t", False),
        ("USE a", False),
        ("SELECT 'insert'", True),
    ],
)
def test_only_what_certainly_reads_is_said_to_read(text, reads):
    assert split_statements(text)[0].only_reads is reads


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("USE main.sales", True),
        ("set timezone = UTC", True),
        ("RESET", True),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", True),
        ("CREATE TEMPORARY FUNCTION f AS 'x'", True),
        ("CREATE VIEW v AS SELECT 1", False),
        ("SELECT 1", False),
    ],
)
def test_what_changes_the_session_is_known(text, changes):
    assert split_statements(text)[0].changes_session is changes


@pytest.mark.parametrize(
    ("pair", "kind", "text"),
    [
        ("a=1", "INT", "1"),
        ("a=-5", "INT", "-5"),
        ("a=3000000000", "BIGINT", "3000000000"),
        ("a=99999999999999999999", "STRING", "99999999999999999999"),
        ("a=007", "STRING", "007"),
        ("a=1.50", "DECIMAL(3,2)", "1.50"),
        ("a=0.05", "DECIMAL(2,2)", "0.05"),
        ("a=1e3", "DOUBLE", "1e3"),
        ("a=TRUE", "BOOLEAN", "true"),
        ("a=null", "VOID", None),
        ("a=2024-02-29", "DATE", "2024-02-29"),
        ("a=2023-02-29", "STRING", "2023-02-29"),
        ("a=2024-01-31 10:00:00", "TIMESTAMP", "2024-01-31 10:00:00"),
        ("a=", "STRING", ""),
        ("a=x=y", "STRING", "x=y"),
        ("a:string=1", "STRING", "1"),
        ("a:Integer=1", "INT", "1"),
        ("a:decimal(10, 2)=1", "DECIMAL(10,2)", "1"),
        (":a=1", "INT", "1"),
    ],
)
def test_a_parameter_has_the_type_of_its_look_or_the_given_one(pair, kind, text):
    assert parse_parameter(pair) == Parameter("a", kind, text)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("a", "is no parameter"),
        ("=1", "is no parameter"),
        ("a b=1", "is no parameter"),
        ("a:colour=1", "unknown type 'COLOUR'"),
        ("a:int=one", "'one' is no INT"),
        ("a:tinyint=128", "is no TINYINT"),
        ("a:date=2024-13-01", "is no DATE"),
    ],
)
def test_a_wrong_parameter_is_refused(pair, said):
    with pytest.raises(UsageError, match=said):
        parse_parameter(pair)


def test_a_number_shows_as_it_was_written_and_counts_as_a_number():
    value = Number("12345678901234567890.10")
    assert str(value) == "12345678901234567890.10"
    assert value > 1e19
    assert encode_value({"a": [value, None, True, "ü"]}) == (
        '{"a": [12345678901234567890.10, null, true, "ü"]}'
    )
    assert encode_value([float("nan"), float("inf"), 0.1]) == '["NaN", "Infinity", 0.1]'


def test_lengths_of_time_are_read_and_written():
    assert [parse_duration(t, "x") for t in ("300", "5m", "1.5h", "1d", "0")] == [
        300,
        300,
        5400,
        86400,
        0,
    ]
    with pytest.raises(UsageError, match="--ttl is 'soon'"):
        parse_duration("soon", "--ttl")
    assert [write_age(s) for s in (0.31, 42, 185, 7800, 90000)] == [
        "0.3 s",
        "42 s",
        "3 m 5 s",
        "2 h 10 m",
        "1 d 1 h",
    ]
