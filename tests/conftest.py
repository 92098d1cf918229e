"""What all tests share: a clean environment, and a real local workspace with its real client."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from brickloop import launcher

if TYPE_CHECKING:
    import requests
    from databricks.sdk import WorkspaceClient

HOME = "/Workspace/Users/local@brickloop.test"
VOLUME = "/Volumes/main/default/brickloop"
_CLEARED = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES")


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No setting of the machine reaches a test: no profile, no token, no colour, no width."""
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "BRICKLOOP_")) or name in _CLEARED:
            monkeypatch.delenv(name)
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(home / ".databrickscfg"))
    # a new home would have matplotlib search the fonts again, for seconds
    fonts = tmp_path_factory.getbasetemp().parent / "matplotlib"
    fonts.mkdir(exist_ok=True)
    monkeypatch.setenv("MPLCONFIGDIR", str(fonts))


@pytest.fixture(scope="session")
def local_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launcher.LocalServer]:
    """A local workspace of this test process: its own folder, port, engine and kernels."""
    root = tmp_path_factory.mktemp("local")
    yield launcher.ensure_started(root, idle_seconds=1800)
    launcher.stop(root)


@pytest.fixture(scope="session")
def client(local_server: launcher.LocalServer) -> WorkspaceClient:
    """The unmodified SDK's client of ``local_server``."""
    from databricks.sdk import WorkspaceClient

    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("DATABRICKS_"):
                patch.delenv(name)
        patch.setenv("DATABRICKS_CONFIG_FILE", os.devnull)
        return WorkspaceClient(host=local_server.host, token=local_server.token)


@pytest.fixture
def remote_folder(client: WorkspaceClient) -> str:
    """An empty workspace folder of one test."""
    folder = f"{HOME}/{uuid.uuid4().hex[:12]}"
    client.workspace.mkdirs(folder)
    return folder


@pytest.fixture
def volume_folder(client: WorkspaceClient) -> str:
    """An empty folder of one test in the volume."""
    folder = f"{VOLUME}/{uuid.uuid4().hex[:12]}"
    client.files.create_directory(folder)
    return folder


@pytest.fixture
def ask(local_server: launcher.LocalServer) -> Callable[..., requests.Response]:
    """``ask("GET", "/api/...", json=..., params=...)``: a plain request with the token."""
    import requests

    def send(method: str, path: str, **arguments: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {local_server.token}"}
        headers |= arguments.pop("headers", {})  # type: ignore[arg-type, operator]
        return requests.request(
            method,
            local_server.host + path,
            headers=headers,
            timeout=30,
            **arguments,  # type: ignore[arg-type]
        )

    return send


@pytest.fixture
def server_root(tmp_path: Path) -> Iterator[Path]:
    """A folder for a local workspace of one test's own; its server is stopped afterwards."""
    root = tmp_path / "local"
    yield root
    launcher.stop(root)
