"""The secrets API through the SDK, and what notebooks may see of secrets."""

from __future__ import annotations

import base64
import json
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound, ResourceAlreadyExists
from databricks.sdk.errors import NotImplemented as NotBuilt
from databricks.sdk.service.jobs import NotebookTask, SubmitTask, ViewsToExport
from databricks.sdk.service.workspace import (
    AclPermission,
    AzureKeyVaultSecretScopeMetadata,
    ImportFormat,
    Language,
    ScopeBackendType,
)

from brickloop.launcher import LocalServer, ensure_started, stop

USER = "local@brickloop.test"
VALUE = "n0t-for-y0ur-eyes é"


@pytest.fixture
def scope(client: WorkspaceClient) -> Iterator[str]:
    """An empty scope of one test."""
    name = f"scope-{uuid.uuid4().hex[:8]}"
    client.secrets.create_scope(name)
    yield name
    client.secrets.delete_scope(name)


def test_values_are_put_listed_read_and_deleted(client: WorkspaceClient, scope: str) -> None:
    client.secrets.put_secret(scope, "text", string_value=VALUE)
    client.secrets.put_secret(scope, "raw", bytes_value=base64.b64encode(b"\x00\xff").decode())
    client.secrets.put_secret(scope, "text", string_value=VALUE + "!")
    listed = {
        each.key: each.last_updated_timestamp or 0 for each in client.secrets.list_secrets(scope)
    }
    assert sorted(listed) == ["raw", "text"] and min(listed.values()) > 1_600_000_000_000
    found = client.secrets.get_secret(scope, "text")
    assert found.key == "text" and base64.b64decode(found.value or "").decode() == VALUE + "!"
    assert base64.b64decode(client.secrets.get_secret(scope, "raw").value or "") == b"\x00\xff"
    assert client.dbutils.secrets.get(scope, "text") == VALUE + "!"
    client.secrets.delete_secret(scope, "raw")
    assert [each.key for each in client.secrets.list_secrets(scope)] == ["text"]


def test_scopes_are_listed_and_what_is_wrong_is_refused(
    client: WorkspaceClient, scope: str, ask: Callable[..., requests.Response]
) -> None:
    assert scope in {each.name for each in client.secrets.list_scopes()}
    with pytest.raises(ResourceAlreadyExists, match=f"Scope {scope} already exists!"):
        client.secrets.create_scope(scope)
    for name in ("a/b", "x" * 129, "with space"):
        with pytest.raises(InvalidParameterValue):
            client.secrets.create_scope(name)
        with pytest.raises(InvalidParameterValue):
            client.secrets.put_secret(scope, name, string_value="x")
    with pytest.raises(NotFound, match="Scope none does not exist!"):
        client.secrets.put_secret("none", "k", string_value="x")
    with pytest.raises(NotFound, match="Scope none does not exist!"):
        list(client.secrets.list_secrets("none"))
    with pytest.raises(NotFound, match=f"Secret does not exist with scope: {scope} and key: none"):
        client.secrets.get_secret(scope, "none")
    with pytest.raises(NotFound):
        client.secrets.delete_secret(scope, "none")
    with pytest.raises(NotFound):
        client.secrets.delete_scope("none")
    with pytest.raises(BadRequest, match="Exactly one of string_value and bytes_value"):
        client.secrets.put_secret(scope, "k")
    with pytest.raises(InvalidParameterValue, match="131072 bytes"):
        client.secrets.put_secret(scope, "k", string_value="x" * (128 * 1024 + 1))
    with pytest.raises(NotBuilt, match="Azure Key Vault"):
        client.secrets.create_scope(
            "vault",
            scope_backend_type=ScopeBackendType.AZURE_KEYVAULT,
            backend_azure_keyvault=AzureKeyVaultSecretScopeMetadata("id", "name"),
        )
    answer = ask("GET", "/api/2.0/secrets/get", params={"scope": scope, "key": "none"})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_permissions_are_kept(client: WorkspaceClient, scope: str) -> None:
    assert client.secrets.get_acl(scope, USER).permission is AclPermission.MANAGE
    client.secrets.put_acl(scope, "readers", AclPermission.READ)
    client.secrets.put_acl(scope, "readers", AclPermission.WRITE)
    shown = {each.principal: each.permission for each in client.secrets.list_acls(scope)}
    assert shown == {USER: AclPermission.MANAGE, "readers": AclPermission.WRITE}
    client.secrets.delete_acl(scope, "readers")
    for act in (client.secrets.get_acl, client.secrets.delete_acl):
        with pytest.raises(NotFound, match="readers"):
            act(scope, "readers")


def test_a_notebook_uses_a_value_and_shows_none_of_it(
    client: WorkspaceClient, scope: str, remote_folder: str, local_server: LocalServer
) -> None:
    client.secrets.put_secret(scope, "key", string_value=VALUE)
    path = f"{remote_folder}/uses"
    text = (
        "# Databricks notebook source\n"
        f"value = dbutils.secrets.get(scope='{scope}', key='key')\n"
        "print('it is', value, len(value))\n"
        f"print([each.key for each in dbutils.secrets.list('{scope}')])\n"
        "dbutils.notebook.exit(value)\n"
    )
    client.workspace.upload(
        path, text.encode(), format=ImportFormat.SOURCE, language=Language.PYTHON
    )
    run = client.jobs.submit(
        tasks=[SubmitTask(task_key="main", notebook_task=NotebookTask(path))]
    ).result()
    assert run.tasks and run.tasks[0].run_id
    output = client.jobs.get_run_output(run.tasks[0].run_id)
    assert output.notebook_output and output.notebook_output.result == "[REDACTED]"
    views = (
        client.jobs.export_run(run.tasks[0].run_id, views_to_export=ViewsToExport.ALL).views or []
    )
    assert views and VALUE not in (views[0].content or "")
    # nothing that the server keeps holds the value as it is, its own file apart
    for file in local_server.root.rglob("*"):
        if file.is_file() and file.name != "secrets.json":
            assert VALUE.encode() not in file.read_bytes(), file
    kept = local_server.root / "secrets.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_secrets_outlive_the_server_and_a_broken_file_is_not_written_over(
    server_root: Path,
) -> None:
    def client_of(server: LocalServer) -> WorkspaceClient:
        return WorkspaceClient(host=server.host, token=server.token)

    client = client_of(ensure_started(server_root, warm=False, idle_seconds=600))
    client.secrets.create_scope("s", initial_manage_principal="users")
    client.secrets.put_secret("s", "k", string_value=VALUE)
    stop(server_root)
    client = client_of(ensure_started(server_root, warm=False, idle_seconds=600))
    assert base64.b64decode(client.secrets.get_secret("s", "k").value or "").decode() == VALUE
    assert client.secrets.get_acl("s", "users").permission is AclPermission.MANAGE
    stop(server_root)
    kept = server_root / "secrets.json"
    broken = kept.read_text()[:-3]
    kept.write_text(broken)
    server = ensure_started(server_root, warm=False, idle_seconds=600)
    answer = requests.post(
        f"{server.host}/api/2.0/secrets/scopes/create",
        data=json.dumps({"scope": "t"}),
        headers={"Authorization": f"Bearer {server.token}"},
        timeout=30,
    )
    assert answer.status_code == 500 and "cannot be read" in answer.json()["message"]
    assert VALUE not in answer.text and kept.read_text() == broken
