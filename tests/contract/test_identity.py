from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, PermissionDenied
from databricks.sdk.service.catalog import VolumeType

from brickloop.launcher import LocalServer


def test_the_token_stands_for_the_local_user(client: WorkspaceClient) -> None:
    me = client.current_user.me()
    assert me.user_name == "local@brickloop.test"
    assert me.active


def test_the_workspace_id_is_that_of_the_folder(
    client: WorkspaceClient, local_server: LocalServer
) -> None:
    assert str(client.get_workspace_id()) == local_server.workspace_id
    assert client.config.workspace_id == local_server.workspace_id


def test_a_wrong_token_is_refused_by_the_sdk(local_server: LocalServer) -> None:
    stranger = WorkspaceClient(host=local_server.host, token="dapi-wrong")
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        stranger.current_user.me()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic dXNlcjpwdw=="}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Bearer nope"}, 403),
    ],
)
@pytest.mark.parametrize(
    "path",
    ["/api/2.0/preview/scim/v2/Me", "/api/2.0/nothing/here", "/api/2.0/fs/files/Volumes/a/b/c/d"],
)
def test_nothing_is_answered_without_the_token(
    local_server: LocalServer, headers: dict[str, str], status: int, path: str
) -> None:
    answer = requests.get(local_server.host + path, headers=headers, timeout=10)
    assert answer.status_code == status
    assert set(answer.json()) == {"error_code", "message"}
    assert local_server.token not in answer.text


def test_the_host_describes_itself_to_anyone_and_quickly(local_server: LocalServer) -> None:
    begun = time.monotonic()
    answer = requests.get(local_server.host + "/.well-known/databricks-config", timeout=10)
    assert time.monotonic() - begun < 5
    assert answer.json()["workspace_id"] == local_server.workspace_id


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1"])
def test_another_host_name_is_refused_even_with_the_token(
    ask: Callable[..., requests.Response], host: str
) -> None:
    answer = ask("GET", "/api/2.0/preview/scim/v2/Me", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "PERMISSION_DENIED"


def test_localhost_is_a_name_of_this_host(
    ask: Callable[..., requests.Response], local_server: LocalServer
) -> None:
    port = urlsplit(local_server.host).port
    answer = ask("GET", "/api/2.0/preview/scim/v2/Me", headers={"Host": f"localhost:{port}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/2.0/pipelines"),
        ("GET", "/api/2.1/unity-catalog/metastores"),
        ("DELETE", "/api/2.0/preview/scim/v2/Me"),
        ("PUT", "/"),
        ("GET", "/api/2.0/workspace/get-status/"),
    ],
)
def test_what_is_not_there_says_so_by_name(
    ask: Callable[..., requests.Response], method: str, path: str
) -> None:
    answer = ask(method, path)
    assert answer.status_code == 501
    assert answer.json() == {
        "error_code": "NOT_IMPLEMENTED",
        "message": f"{method} {path} is not available in the local workspace.",
    }


def test_a_head_of_nothing_has_no_body(ask: Callable[..., requests.Response]) -> None:
    answer = ask("HEAD", "/api/2.0/nothing")
    assert (answer.status_code, answer.content) == (501, b"")


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b"1", b"[" * 100_000])
def test_a_body_that_is_no_object_is_malformed(
    ask: Callable[..., requests.Response], body: bytes
) -> None:
    answer = ask("POST", "/api/2.0/workspace/mkdirs", data=body)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "MALFORMED_REQUEST"


def test_a_form_that_cannot_be_read_is_malformed(ask: Callable[..., requests.Response]) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = ask("POST", "/api/2.0/workspace/import", data=b"--y\r\nbroken", headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "INVALID_PARAMETER_VALUE"),
        ({"path": 7}, "MALFORMED_REQUEST"),
        ({"path": "relative"}, "INVALID_PARAMETER_VALUE"),
        ({"path": "/Users/../../etc"}, "INVALID_PARAMETER_VALUE"),
        ({"path": "/Users/a\x00b"}, "INVALID_PARAMETER_VALUE"),
        ({"path": "/Users/" + "x" * 300}, "INVALID_PARAMETER_VALUE"),
        ({"path": "/Users/\ud800"}, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_bad_fields_are_refused_by_name(
    ask: Callable[..., requests.Response], body: dict[str, object], code: str
) -> None:
    answer = ask("POST", "/api/2.0/workspace/mkdirs", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)


def test_the_cluster_and_the_warehouse_say_that_they_are_this_machine(
    client: WorkspaceClient, local_server: LocalServer
) -> None:
    (cluster,) = list(client.clusters.list())
    assert "This machine" in str(cluster.cluster_name)
    assert client.clusters.get(str(cluster.cluster_id)).cluster_name == cluster.cluster_name
    (warehouse,) = list(client.warehouses.list())
    assert warehouse.odbc_params is not None
    assert warehouse.odbc_params.path == local_server.http_path
    assert client.warehouses.get(str(warehouse.id)).name == warehouse.name


def test_an_unknown_cluster_is_not_found(client: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match="Cluster nope does not exist"):
        client.clusters.get("nope")


def test_a_client_learns_where_files_may_go(client: WorkspaceClient) -> None:
    assert "main" in [catalog.name for catalog in client.catalogs.list()]
    assert "default" in [schema.name for schema in client.schemas.list("main")]
    assert "brickloop" in [volume.name for volume in client.volumes.list("main", "default")]
    assert client.volumes.read("main.default.brickloop").volume_type is VolumeType.MANAGED


def test_a_new_schema_and_volume_take_files(client: WorkspaceClient) -> None:
    client.schemas.create("made", "main")
    client.volumes.create("main", "made", "shelf", VolumeType.MANAGED)
    client.files.create_directory("/Volumes/main/made/shelf/box")
    (entry,) = list(client.files.list_directory_contents("/Volumes/main/made/shelf"))
    assert entry.path == "/Volumes/main/made/shelf/box"


def test_missing_catalogs_schemas_and_volumes_are_not_found(client: WorkspaceClient) -> None:
    for call in (
        lambda: client.catalogs.get("nope"),
        lambda: client.schemas.get("main.nope"),
        lambda: client.volumes.read("main.default.nope"),
        lambda: list(client.volumes.list("main", "nope")),
    ):
        with pytest.raises(NotFound):
            call()
