"""The door to a workspace: what does not answer, what does not let us in, what is said."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from brickloop.clients import workspace
from brickloop.clients.workspace import connect, probe, translate
from brickloop.errors import ConnectionFailed, NotAuthenticated, TimedOut, WorkFailed


class _Refusing(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"error_code": "PERMISSION_DENIED", "message": "Invalid access token."}'
        self.send_response(404 if "well-known" in self.path else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def refusing_host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def closed_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def test_a_port_where_nobody_listens_is_named_at_once():
    begun = time.monotonic()
    with pytest.raises(ConnectionFailed) as caught:
        connect(f"http://127.0.0.1:{closed_port()}", token="dapi-secret")
    assert time.monotonic() - begun < 10
    assert "connection refused" in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert caught.value.exit_code == 3
    assert caught.value.hint


def test_a_host_that_listens_and_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("brickloop.clients.workspace._PROBE_READ_SECONDS", 0.3)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ConnectionFailed, match="no answer within"),
    ):
        probe(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_a_wrong_token_is_an_authentication_error_without_the_token(refusing_host):
    client = connect(refusing_host, token="dapi-very-secret")
    with pytest.raises(NotAuthenticated) as caught, translate(refusing_host):
        client.current_user.me()
    assert "Invalid access token" in str(caught.value)
    assert "dapi-very-secret" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.exit_code == 3


def test_only_the_explicit_profile_counts(refusing_host, tmp_path, monkeypatch):
    config = tmp_path / "cfg"
    config.write_text(f"[dev]\nhost = {refusing_host}\ntoken = dapi-of-the-profile\n")
    monkeypatch.setenv("DATABRICKS_HOST", "https://other.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-the-environment")
    client = connect(refusing_host, profile="dev", config_file=str(config))
    assert client.config.host == refusing_host
    assert client.config.token == "dapi-of-the-profile"


def test_no_credentials_at_all_say_how_to_get_some(refusing_host, tmp_path, monkeypatch):
    config = tmp_path / "cfg"
    config.write_text(f"[dev]\nhost = {refusing_host}\nauth_type = pat\n")
    with pytest.raises(NotAuthenticated) as caught:
        connect(refusing_host, profile="dev", config_file=str(config))
    assert "databricks auth login" in (caught.value.hint or "")


def test_errors_of_the_sdk_and_the_network_become_ours():
    import requests
    from databricks.sdk import errors as sdk

    for raised, expected in (
        (sdk.Unauthenticated("no"), NotAuthenticated),
        (sdk.PermissionDenied("you may not"), WorkFailed),
        (sdk.PermissionDenied("Invalid access token."), NotAuthenticated),
        (sdk.NotFound("no such thing", error_code="RESOURCE_DOES_NOT_EXIST"), WorkFailed),
        (TimeoutError("Timed out after 0:05:00"), TimedOut),
        (requests.ConnectionError("Connection reset by peer"), ConnectionFailed),
    ):
        with pytest.raises(expected), translate("https://h.example.com"):
            raise raised
    with pytest.raises(ZeroDivisionError), translate("https://h.example.com"):
        raise ZeroDivisionError


def test_proxy_and_certificates_of_the_environment_still_hold(local_server, monkeypatch, tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    client = connect(local_server.host, token=local_server.token)
    session = client.api_client._api_client._session
    assert session.trust_env is False
    assert session.verify == str(bundle)
    assert client.current_user.me().user_name
    workspace._look_up_environment_once(client, "https://elsewhere.test")
    assert "https" not in session.proxies, "what was found holds"
    session.trust_env = True
    workspace._look_up_environment_once(client, "https://elsewhere.test")
    assert session.proxies["https"] == "http://proxy.test:3128"
