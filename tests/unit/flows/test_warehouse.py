"""Who asks where is remembered for just these credentials, and no longer than it holds."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest
from tests.fakes.sql import FakeWarehouse

from brickloop.clients.warehouse import Endpoint
from brickloop.config.profile import resolve_target
from brickloop.config.settings import load_settings
from brickloop.flows import warehouse as flow
from brickloop.flows.warehouse import Warehouse

HOST = "https://one.example"


class Server:
    """Says who the holder of a token is; counts who asked."""

    def __init__(self, monkeypatch):
        self.users = {"dapi-of-ann": "ann", "dapi-of-bob": "bob"}
        self.asked: list[str] = []
        monkeypatch.setattr("brickloop.clients.warehouse.open_session", self.open)

    def open(self, endpoint: Endpoint, **_options):
        warehouse = FakeWarehouse()
        user = self.users[endpoint.token or ""]

        def reply(_text):
            self.asked.append(user)
            return pa.table({"user": [user], "catalog": ["main"], "schema": ["default"]})

        warehouse.reply = reply
        session = warehouse.open()
        session.endpoint = endpoint  # type: ignore[attr-defined]
        return session


@pytest.fixture
def server(monkeypatch):
    return Server(monkeypatch)


def sign_in(monkeypatch, token):
    monkeypatch.setenv("DATABRICKS_HOST", HOST)
    monkeypatch.setenv("DATABRICKS_TOKEN", token)


def made(root, **words):
    settings = load_settings(root, overrides={"warehouse": "/sql/1.0/warehouses/w1", **words})
    return Warehouse(settings, resolve_target(settings))


def test_it_is_asked_once_and_then_known_to_every_later_command(tmp_path, server, monkeypatch):
    sign_in(monkeypatch, "dapi-of-ann")
    assert made(tmp_path).identify(False) is None
    first = made(tmp_path).identify(True)
    assert made(tmp_path).identify(False) == first
    assert (first.user, first.catalog, first.host) == ("ann", "main", HOST)
    assert server.asked == ["ann"]


def test_other_credentials_are_asked_for_anew(tmp_path, server, monkeypatch):
    sign_in(monkeypatch, "dapi-of-ann")
    made(tmp_path).identify(True)
    sign_in(monkeypatch, "dapi-of-bob")
    assert made(tmp_path).identify(False) is None
    assert made(tmp_path).identify(True).user == "bob"
    sign_in(monkeypatch, "dapi-of-ann")
    assert made(tmp_path).identify(False).user == "ann"


@pytest.mark.parametrize("name", ["warehouse", "catalog", "schema"])
def test_other_wishes_are_asked_for_anew(tmp_path, server, monkeypatch, name):
    sign_in(monkeypatch, "dapi-of-ann")
    made(tmp_path).identify(True)
    assert made(tmp_path, **{name: "/sql/1.0/warehouses/other"}).identify(False) is None


def test_another_profile_is_asked_for_anew(tmp_path, server, monkeypatch):
    config = tmp_path / "databrickscfg"
    config.write_text(
        f"[ann]\nhost = {HOST}\ntoken = dapi-of-ann\n[bob]\nhost = {HOST}\ntoken = dapi-of-bob\n"
    )
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(config))
    assert made(tmp_path, profile="ann").identify(True).user == "ann"
    assert made(tmp_path, profile="bob").identify(False) is None
    # somebody else's token in the same profile
    config.write_text(config.read_text().replace("dapi-of-ann", "dapi-of-bob"))
    assert made(tmp_path, profile="ann").identify(False) is None
    assert made(tmp_path, profile="ann").identify(True).user == "bob"


def test_a_token_names_its_user_for_long_and_a_sign_in_does_not(tmp_path, server, monkeypatch):
    sign_in(monkeypatch, "dapi-of-ann")
    now = time.time()
    made(tmp_path).identify(True)
    monkeypatch.setattr(flow.time, "time", lambda: now + 20 * 86400)
    assert made(tmp_path).identify(False) is not None
    monkeypatch.setattr(flow.time, "time", lambda: now + 31 * 86400)
    assert made(tmp_path).identify(False) is None
    monkeypatch.undo()
    sign_in(monkeypatch, "dapi-of-ann")
    monkeypatch.delenv("DATABRICKS_TOKEN")
    assert made(tmp_path)._lasts() == 3600


def test_no_credential_is_written(tmp_path, server, monkeypatch):
    sign_in(monkeypatch, "dapi-of-ann")
    made(tmp_path).identify(True)
    for path in (tmp_path / ".brickloop").rglob("*"):
        if path.is_file():
            assert b"dapi" not in path.read_bytes()


def test_a_session_that_was_asked_who_we_are_is_used_on(tmp_path, server, monkeypatch):
    sign_in(monkeypatch, "dapi-of-ann")
    warehouse = made(tmp_path)
    warehouse.identify(True)
    session = warehouse.open_session()
    assert session.seen  # type: ignore[attr-defined]
    assert not warehouse.open_session().seen  # type: ignore[attr-defined]


def test_where_no_ledger_can_be_kept_it_is_asked_each_time(tmp_path, server, monkeypatch):
    sign_in(monkeypatch, "dapi-of-ann")
    (tmp_path / ".brickloop").write_text("in the way")
    for _ in range(2):
        assert made(tmp_path).identify(True).user == "ann"
    assert server.asked == ["ann", "ann"]


@pytest.mark.parametrize(
    ("fields", "plain"),
    [
        ({"token": "x"}, True),
        ({"token": "x", "auth_type": "pat"}, True),
        ({"token": "x", "auth_type": "oauth-m2m"}, False),
        ({"token": "x", "client_id": "y"}, False),
        ({"client_id": "y", "client_secret": "z"}, False),
        ({}, False),
    ],
)
def test_the_sdk_is_left_out_only_for_a_plain_token(fields, plain):
    assert flow._is_plain_token(fields) is plain


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("0123456789abcdef", "/sql/1.0/warehouses/0123456789abcdef"),
        ("sql/protocolv1/o/1/0123-456-abc", "/sql/protocolv1/o/1/0123-456-abc"),
        ("/sql/1.0/warehouses/w1", "/sql/1.0/warehouses/w1"),
    ],
)
def test_an_id_or_a_path_is_taken_without_a_list(tmp_path, server, monkeypatch, wanted, path):
    sign_in(monkeypatch, "dapi-of-ann")
    monkeypatch.setattr(Warehouse, "opened", lambda _self: pytest.fail("the SDK was asked"))
    assert made(tmp_path, warehouse=wanted).endpoint().http_path == path
    # as a profile or the environment says it
    monkeypatch.setenv("DATABRICKS_HTTP_PATH", wanted)
    assert made(tmp_path, warehouse=None).identify(True).warehouse
