"""The connector's errors in our words: what may be sent again, and what is said."""

from __future__ import annotations

import pytest
from databricks.sql import exc
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from brickloop.clients.warehouse import Endpoint, statement_error, translate_error
from brickloop.errors import (
    ConnectionFailed,
    ConnectionLost,
    NotAuthenticated,
    StatementFailed,
)

ENDPOINT = Endpoint("https://one.example", "/sql/1.0/warehouses/w1", "Small", token="dapi-secret")


def request_error(**context):
    return exc.RequestError("Error during request to server", context)


@pytest.mark.parametrize(
    ("error", "may_have_run"),
    [
        (exc.DatabaseError("Invalid SessionHandle: SessionHandle [1-2]"), False),
        (exc.RequestError("... Session [5] is closed", {}), False),
        (exc.InterfaceError("Cannot create cursor from closed connection"), False),
        (request_error(**{"original-exception": "[Errno 111] Connection refused"}), False),
        (MaxRetryError(None, "/", NewConnectionError(None, "refused")), False),
        (request_error(**{"original-exception": "Remote end closed connection"}), True),
        (ProtocolError("Connection aborted."), True),
        (ConnectionResetError("reset by peer"), True),
        (request_error(**{"http-code": 500}), True),
    ],
)
def test_a_lost_connection_knows_whether_the_statement_may_have_run(error, may_have_run):
    found = translate_error(error, ENDPOINT, "SELECT 1")
    assert isinstance(found, ConnectionLost)
    assert found.may_have_run is may_have_run
    assert "https://one.example/sql/1.0/warehouses/w1" in str(found)
    assert "dapi-secret" not in f"{found!r}{found}{found.hint}{ENDPOINT!r}"


@pytest.mark.parametrize(
    ("context", "kind", "said"),
    [
        ({"http-code": 401, "error-message": "Invalid token"}, NotAuthenticated, "Invalid token"),
        ({"http-code": 403}, NotAuthenticated, "credentials"),
        ({"http-code": 404}, ConnectionFailed, "no such warehouse"),
    ],
)
def test_refusals_of_the_server_are_told_apart(context, kind, said):
    found = translate_error(request_error(**context), ENDPOINT, "")
    assert type(found) is kind
    assert said in str(found)


def test_what_is_no_error_of_theirs_is_left_alone():
    assert translate_error(KeyError("x"), ENDPOINT, "") is None


def test_a_syntax_error_has_its_place_and_no_noise():
    found = statement_error(
        "org.apache.spark.sql.catalyst.parser.ParseException: \n[PARSE_SYNTAX_ERROR] Syntax error"
        " at or near 'FORM'. SQLSTATE: 42601 (line 2, pos 4)\n\n== SQL ==\nSELECT 1\n    FORM t\n"
        "----^^^",
        "SELECT 1\n    FORM t",
    )
    assert isinstance(found, StatementFailed)
    assert str(found) == "[PARSE_SYNTAX_ERROR] Syntax error at or near 'FORM'"
    assert (found.line, found.position, found.sqlstate) == (2, 4, "42601")


def test_what_the_server_suggests_is_the_hint():
    found = statement_error(
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `nam` cannot be resolved. Did you"
        " mean one of the following? [`name`, `n`]. SQLSTATE: 42703; line 1 pos 7;\n'Project",
        "SELECT nam FROM t",
    )
    assert found.hint == "did you mean: `name`, `n`"
    assert str(found).endswith("`nam` cannot be resolved")
    assert (found.line, found.position) == (1, 7)
