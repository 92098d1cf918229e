"""The one door to a workspace: an SDK client that was seen to work, and its errors in our words."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import brickloop
from brickloop.errors import (
    BrickloopError,
    ConnectionFailed,
    NotAuthenticated,
    TimedOut,
    WorkFailed,
)

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_PROBE_CONNECT_SECONDS = 5.0
_PROBE_READ_SECONDS = 6.0
_PROBE_SECONDS = 12.0
_ENVIRONMENT_LOCK = threading.Lock()


def connect(
    host: str,
    *,
    token: str | None = None,
    profile: str | None = None,
    config_file: str | None = None,
) -> WorkspaceClient:
    """An SDK client for ``host`` that has been answered once.

    With ``token`` only that is used, with ``profile`` only what the profile says, else what the
    environment says. Raises ConnectionFailed within 15 seconds when the host does not answer, and
    NotAuthenticated when it does not accept the credentials.
    """
    probe(host)
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config

    product: dict[str, Any] = {"product": "brickloop", "product_version": brickloop.__version__}
    with translate(host):
        try:
            if token is not None:
                with _without_databricks_environment():
                    config = Config(host=host, token=token, auth_type="pat", **product)
            elif profile is not None:
                with _without_databricks_environment():
                    config = Config(profile=profile, config_file=config_file, **product)
            else:
                config = Config(host=host, **product)
            client = WorkspaceClient(config=config)
            _look_up_environment_once(client, host)
            return client
        except ValueError as error:
            raise NotAuthenticated(
                _without_settings(error),
                where=host,
                hint="set DATABRICKS_TOKEN, or sign in with: databricks auth login --host " + host,
            ) from None


def _look_up_environment_once(client: WorkspaceClient, host: str) -> None:
    """Find the proxy and the certificates of the host now, not again for each request.

    requests goes through all variables of the environment every time, which takes a quarter of the
    processor time of many small requests.
    """
    import requests

    session = getattr(getattr(client.api_client, "_api_client", None), "_session", None)
    if not isinstance(session, requests.Session) or not session.trust_env:
        return
    found = session.merge_environment_settings(host, {}, None, None, None)
    session.proxies = dict(found["proxies"])
    if session.verify is True:
        session.verify = found["verify"]
    session.trust_env = False


def probe(host: str) -> None:
    """Return when anything answers at ``host``; raises ConnectionFailed after 12 seconds at most.

    Any HTTP answer will do. Proxies and certificate bundles of the environment are honoured.
    """
    import requests

    outcome: list[Exception | None] = []

    def ask() -> None:
        try:
            requests.get(
                f"{host}/.well-known/databricks-config",
                timeout=(_PROBE_CONNECT_SECONDS, _PROBE_READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ).close()
            outcome.append(None)
        except (requests.RequestException, OSError, ValueError) as error:
            outcome.append(error)

    # looking a name up cannot be given a time limit, waiting for the thread can
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PROBE_SECONDS)
    failure = outcome[0] if outcome else TimeoutError(f"no answer within {_PROBE_SECONDS:.0f} s")
    if failure is not None:
        raise ConnectionFailed(
            f"the workspace cannot be reached: {_network_reason(failure)}",
            where=host,
            hint="check the host's name, the network and the proxy; brickloop does not fall back"
            " to the local workspace by itself (--profile local does)",
        )


@contextlib.contextmanager
def translate(host: str) -> Iterator[None]:
    """Turn the SDK's and the network's errors into brickloop's, in whatever is done inside.

    Errors of the SDK that callers tell apart (NotFound, ResourceAlreadyExists, ...) must be caught
    inside; what comes through here is for people.
    """
    try:
        yield
    except BrickloopError:
        raise
    except Exception as error:
        mapped = in_our_words(error, host)
        if mapped is None:
            raise
        raise mapped from error


def in_our_words(error: Exception, host: str | None) -> BrickloopError | None:
    """What an error of the SDK or of the network means; None for any other error."""
    import requests
    from databricks.sdk import errors as sdk
    from databricks.sdk.errors.base import DatabricksError

    text = _without_settings(error)
    if isinstance(error, sdk.Unauthenticated) or (
        isinstance(error, sdk.PermissionDenied) and "token" in text.lower()
    ):
        return NotAuthenticated(
            f"the workspace does not accept the credentials: {text}",
            where=host,
            hint="get a new token, or sign in with: databricks auth login"
            + (f" --host {host}" if host else ""),
        )
    if isinstance(error, sdk.PermissionDenied):
        return WorkFailed(
            f"not allowed: {text}", where=host, hint="ask an administrator for the permission"
        )
    if isinstance(error, sdk.OperationTimeout | TimeoutError) and not isinstance(
        error, requests.RequestException
    ):
        return TimedOut(f"the workspace did not answer in time: {text}", where=host)
    if isinstance(error, DatabricksError):
        code = f" [{error.error_code}]" if error.error_code else ""
        return WorkFailed(f"the workspace answered: {text}{code}", where=host)
    if isinstance(error, requests.RequestException | ConnectionError):
        return ConnectionFailed(
            f"the connection failed: {_network_reason(error)}",
            where=host,
            hint="check the network and try again; what was done is not done twice",
        )
    return None


def _network_reason(error: BaseException) -> str:
    """The innermost cause, which is what a person needs; the outer ones repeat the address."""
    text = repr(error)
    for sign, reason in (
        ("Name or service not known", "its name is not known"),
        ("Temporary failure in name resolution", "its name cannot be looked up"),
        ("nodename nor servname", "its name is not known"),
        ("NameResolutionError", "its name cannot be looked up"),
        ("getaddrinfo", "its name cannot be looked up"),
        ("Connection refused", "connection refused"),
        ("No route to host", "no route to the host"),
        ("Network is unreachable", "the network is unreachable"),
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"),
        ("SSLError", "the TLS handshake failed"),
        ("ConnectTimeout", f"no connection within {_PROBE_CONNECT_SECONDS:.0f} s"),
        ("ReadTimeout", f"connected, but no answer within {_PROBE_READ_SECONDS:.0f} s"),
        ("Connection reset", "the connection was reset"),
        ("RemoteDisconnected", "the connection was closed without an answer"),
    ):
        if sign in text:
            return reason
    return str(error).split("\n", 1)[0] or type(error).__name__


def _without_settings(error: Exception) -> str:
    """The SDK's reason without the list of settings it appends, which names the token."""
    text = str(error).split(". Config:", 1)[0].split(" Config: ", 1)[0].strip()
    return text or type(error).__name__


@contextlib.contextmanager
def _without_databricks_environment() -> Iterator[None]:
    """Hide DATABRICKS_* while a Config is made: the SDK would mix them into an explicit profile."""
    with _ENVIRONMENT_LOCK:
        hidden = {
            name: os.environ.pop(name)
            for name in list(os.environ)
            if name.startswith("DATABRICKS_")
        }
        try:
            yield
        finally:
            os.environ.update(hidden)
