"""Opening a host that is not ours: what it answers decides, and the local one is never started."""

from __future__ import annotations

import pytest
import requests
import responses

from brickloop.config.settings import load_settings
from brickloop.errors import ConnectionFailed, NotAuthenticated, SettingsError
from brickloop.flows.target import ledger_key, open_target, shared_places, sync_key, upload_folder

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


@pytest.mark.parametrize(
    ("lines", "folder"),
    [
        ("", "/Workspace/Users/me@x/.brickloop/nb"),
        ("targets.dev = {}\ntarget = 'dev'", "/Workspace/Users/me@x/.brickloop/shop/dev/nb"),
        ("folder = '/Workspace/Shared/x/'", "/Workspace/Shared/x"),
        ("folder = '~/etl'", "/Workspace/Users/me@x/etl"),
        (
            "folder = '/Users/${workspace.current_user.userName}/y'",
            "/Users/me@x/y",
        ),
    ],
)
def test_where_notebooks_are_sent(tmp_path, lines, folder):
    (tmp_path / "pyproject.toml").write_text(f"project.name = 'shop'\n[tool.brickloop]\n{lines}\n")
    assert upload_folder(load_settings(tmp_path, {}), "me@x", "nb") == folder


def test_a_folder_that_nobody_can_fill_in_is_an_error(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.brickloop]\nfolder = '/x/${var.y}'\n")
    with pytest.raises(SettingsError, match=r"\$\{var\.y\}"):
        upload_folder(load_settings(tmp_path, {}), "me@x", "nb")


def test_targets_that_are_one_place_are_named(settings, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.brickloop]\nfolder = '/Shared/x'\n[tool.brickloop.targets]\na = {}\n"
        "b = {folder = '/Shared/x/'}\nc = {folder = '/Shared/y'}\nd = {profile = 'none'}\n"
        "e = {profile = 'local'}\n"
    )
    assert shared_places(load_settings(tmp_path)) == [("a", "b")]


def test_targets_on_one_host_have_a_ledger_key_each(settings, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.brickloop]\ntargets.dev = {}\ntargets.prod = {}\n"
    )
    keys = [ledger_key(load_settings(tmp_path, overrides={"target": t})) for t in ("dev", "prod")]
    assert keys[0] == f"{HOST}|environment|~/.brickloop/{tmp_path.name}/dev"
    assert keys[0] != keys[1]


def test_the_place_decides_under_which_key_sync_remembers(settings, tmp_path):
    assert sync_key(settings, "/Workspace/Shared/x") == ledger_key(settings)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.brickloop]\ntarget = 'dev'\n[tool.brickloop.targets]\ndev = {}\n"
        "prod = {folder = '/Shared/x'}\nmine = {folder = '~/y'}\nlocal = {profile = 'local'}\n"
    )
    by_name = {
        name: load_settings(tmp_path, overrides={"target": name})
        for name in ("dev", "prod", "mine", "local")
    }
    for name in ("dev", "prod", "mine"):
        chosen = by_name[name]
        for place in ("/Workspace/Shared/x", "/Workspace/Shared/x/below", "/Workspace/Shared"):
            assert sync_key(chosen, place) == ledger_key(by_name["prod"])
        place = "/Workspace/Users/me/y"
        assert sync_key(chosen, place, user="me") == ledger_key(by_name["mine"])
        assert sync_key(chosen, "/Workspace/Shared/xy") == f"{HOST}|environment|~/.brickloop"
    assert sync_key(by_name["local"], "/Workspace/Shared/x").startswith("local:")
