from __future__ import annotations

import pytest

from brickloop.display.query_view import find_place, show_origin, show_refusal
from brickloop.errors import StatementFailed


def failed(message, statement, line=None, position=None):
    return StatementFailed(message, statement=statement, line=line, position=position)


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (failed("x", "SELECT 1\n  FORM t", 2, 2), (2, 2, 6)),
        (failed("x", "SELECT 1", 9, 0), (None, 0, 0)),
        (failed("column `nam` is not there", "SELECT\n  nam"), (2, 2, 5)),
        (failed("Syntax error at or near 'FORM'", "SELECT * FORM t"), (1, 9, 13)),
        # twice in the text: which one is not known
        (failed("column `n` is not there", "SELECT n FROM t WHERE n > 1"), (None, 0, 0)),
        (failed("out of memory", "SELECT 1"), (None, 0, 0)),
    ],
)
def test_the_place_is_what_the_warehouse_names(error, place):
    assert find_place(error) == place


def test_the_statement_is_shown_around_the_place(capsys):
    statement = "\n".join(f"line{number}" for number in range(1, 21))
    show_refusal(failed("x", statement, 10, 0), first_line=101)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "  107 │ line7"
    assert lines[3] == "> 110 │ line10"
    assert lines[4] == "      │ ^^^^^^"
    assert lines[-1] == "      … 7 lines below"


def test_hostile_statements_do_not_reach_the_terminal(capsys):
    show_refusal(failed("x", "SELECT '\x1b[2J'", 1, 0), first_line=1)
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"cached": False}, "live: 1 row in 0.25 s (because)"),
        ({"cached": False, "connecting": 1.5}, "live: 1 row in 0.25 s, 1.5 s to connect (because)"),
        ({"cached": False, "columns": 0}, "live: done in 0.25 s (because)"),
    ],
)
def test_where_a_result_came_from_is_said(capsys, facts, said):
    known = {"created": 0.0, "seconds": 0.25, "connecting": 0.0, "row_count": 1}
    show_origin(**{**known, "why": "because", "columns": 1, **facts})
    assert capsys.readouterr().err == f"{said}\n"
