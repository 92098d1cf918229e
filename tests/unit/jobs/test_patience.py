"""What is asked again, and what is not."""

from __future__ import annotations

import pytest
import requests
from databricks.sdk import errors as sdk
from databricks.sdk.errors.base import DatabricksError

from brickloop.errors import ConnectionFailed, OutputUnavailable, WorkFailed
from brickloop.jobs import patience
from brickloop.jobs.patience import is_passing, patiently


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


PASSING = [
    requests.ConnectionError("reset"),
    requests.Timeout(),
    TimeoutError(),
    sdk.TooManyRequests("429"),
    sdk.InternalError("500"),
    sdk.TemporarilyUnavailable("503"),
    sdk.DeadlineExceeded("504"),
    DatabricksError("502"),
    caused(WorkFailed("x"), sdk.InternalError("500")),
    caused(ConnectionFailed("x"), requests.ConnectionError("refused")),
]
LASTING = [
    sdk.NotFound("404"),
    sdk.PermissionDenied("403"),
    sdk.InvalidParameterValue("400"),
    sdk.NotImplemented("501"),
    OutputUnavailable("x"),
    WorkFailed("x"),
    ValueError("x"),
]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(patience, "_PAUSES", (0, 0, 0))


@pytest.mark.parametrize("error", PASSING, ids=lambda error: f"{type(error).__name__}-{error}")
def test_a_failure_of_the_moment_is_asked_again(error):
    answers = [error, error, "there"]

    def work():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert is_passing(error)
    assert patiently(work) == "there"


@pytest.mark.parametrize("error", LASTING, ids=lambda error: type(error).__name__)
def test_any_other_failure_is_told_at_once(error):
    calls = []

    def work():
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        patiently(work)
    assert calls == [1]


def test_patience_has_an_end():
    calls = []

    def work():
        calls.append(1)
        raise sdk.InternalError("500")

    with pytest.raises(sdk.InternalError):
        patiently(work)
    assert len(calls) == 4
