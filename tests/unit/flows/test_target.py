"""Opening a host that is not ours: what it answers decides, and the local one is never started."""

from __future__ import annotations

import pytest
import requests
import responses

from brickloop.config.settings import load_settings
from brickloop.errors import ConnectionFailed, NotAuthenticated
from brickloop.flows.target import ledger_key, open_target

HOST = "https://workspace.example.com"
ME = f"{HOST}/api/2.0/preview/scim/v2/Me"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", HOST)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-very-secret")
    monkeypatch.setattr(
        "brickloop.launcher.ensure_started", lambda *args, **more: pytest.fail("started")
    )
    return load_settings(tmp_path)


@pytest.fixture
def web():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        mocked.get(f"{HOST}/.well-known/databricks-config", status=404)
        yield mocked


def test_the_host_in_the_environment_is_opened_with_its_token(settings, web):
    web.get(ME, json={"userName": "me@example.com"})
    opened = open_target(settings)
    assert (opened.host, opened.user) == (HOST, "me@example.com")
    assert opened.home == "/Workspace/Users/me@example.com"
    assert opened.announcement == f"workspace {HOST} as me@example.com (DATABRICKS_HOST is set)"
    sent = next(call.request for call in web.calls if call.request.url.startswith(ME))
    assert sent.headers["Authorization"] == "Bearer dapi-very-secret"
    assert sent.headers["User-Agent"].startswith("brickloop/")


@pytest.mark.parametrize(("status", "code"), [(401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED")])
def test_a_refused_token_is_authentication_and_is_not_quoted(settings, web, status, code):
    web.get(ME, status=status, json={"error_code": code, "message": "Invalid access token."})
    with pytest.raises(NotAuthenticated) as caught:
        open_target(settings)
    assert "dapi-very-secret" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (requests.ConnectTimeout("x"), "no connection within"),
        (requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), "certificate is not trusted"),
        (requests.ConnectionError("getaddrinfo failed"), "name cannot be looked up"),
    ],
)
def test_a_host_out_of_reach_is_named_with_the_reason(settings, fault, said):
    with responses.RequestsMock() as mocked:
        mocked.get(f"{HOST}/.well-known/databricks-config", body=fault)
        with pytest.raises(ConnectionFailed, match=said) as caught:
            open_target(settings)
    assert str(caught.value).startswith(HOST)


def test_the_ledgers_key_names_host_and_folder_and_no_secret(settings):
    assert ledger_key(settings) == f"{HOST}|environment|~/.brickloop"
