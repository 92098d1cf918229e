from __future__ import annotations

import pytest

from brickloop.localws.sql_create import read_create_table
from brickloop.localws.sql_tokens import Cursor
from brickloop.localws.table_keys import FOREIGN, PRIMARY, TableKey


def keys_of(columns: str) -> list[TableKey]:
    """The keys of a CREATE TABLE with these columns."""
    cursor = Cursor(f"CREATE TABLE t ({columns})")
    cursor.skip_to(2)
    return read_create_table(cursor).keys


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("a INT, b STRING DEFAULT 'PRIMARY KEY'", []),
        ("a INT NOT NULL PRIMARY KEY, b INT", [TableKey(PRIMARY, ("a",))]),
        ("`a b` INT CONSTRAINT k PRIMARY KEY RELY", [TableKey(PRIMARY, ("a b",), "k")]),
        ("a INT, b TIMESTAMP, PRIMARY KEY (a, b TIMESERIES)", [TableKey(PRIMARY, ("a", "b"))]),
        ("a INT, CONSTRAINT k PRIMARY KEY (a) NOT ENFORCED", [TableKey(PRIMARY, ("a",), "k")]),
        ("a INT REFERENCES x.p", [TableKey(FOREIGN, ("a",), "", ("x", "p"))]),
        ("a INT FOREIGN KEY REFERENCES p(i)", [TableKey(FOREIGN, ("a",), "", ("p",), ("i",))]),
        (
            "a INT, b INT, CONSTRAINT f FOREIGN KEY (a, b) REFERENCES c.s.p (x, y) MATCH FULL",
            [TableKey(FOREIGN, ("a", "b"), "f", ("c", "s", "p"), ("x", "y"))],
        ),
        ("a INT, CONSTRAINT positive CHECK (a > 0)", []),
    ],
)
def test_keys_are_read_from_columns_and_constraints(columns: str, expected: list[TableKey]) -> None:
    assert keys_of(columns) == expected


def test_a_key_without_a_name_gets_one() -> None:
    assert TableKey(PRIMARY, ("a",)).named("t").name == "t_pk"
    assert TableKey(FOREIGN, ("a",), "", ("m", "s", "p")).named("t").name == "t_p_fk"
    assert TableKey(PRIMARY, ("a",), "mine").named("t").name == "mine"
