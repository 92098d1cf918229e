from __future__ import annotations

import base64
import io
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    NotFound,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)

MIB = 1024 * 1024
Ask = Callable[..., requests.Response]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def folder(client: WorkspaceClient) -> str:
    path = f"/tmp/{uuid.uuid4().hex[:12]}"
    client.dbfs.mkdirs(path)
    return path


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])
def test_any_size_goes_and_comes(client: WorkspaceClient, folder: str, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    client.dbfs.upload(f"{folder}/data.bin", io.BytesIO(data))
    assert client.dbfs.download(f"{folder}/data.bin").read() == data
    assert client.dbfs.get_status(f"{folder}/data.bin").file_size == size


def test_missing_paths(client: WorkspaceClient, folder: str) -> None:
    path = f"{folder}/no"
    for call in (
        lambda: client.dbfs.get_status(path),
        lambda: list(client.dbfs.list(path)),
        lambda: client.dbfs.read(path),
        lambda: client.dbfs.move(path, path + "2"),
    ):
        with pytest.raises(ResourceDoesNotExist, match=path):
            call()


def test_deleting_what_is_not_there_is_fine(folder: str, ask: Ask) -> None:
    answer = ask("POST", "/api/2.0/dbfs/delete", json={"path": f"{folder}/no"})
    assert (answer.status_code, answer.json()) == (200, {})


def test_a_full_folder_is_deleted_only_recursively(
    client: WorkspaceClient, folder: str, ask: Ask
) -> None:
    client.dbfs.put(f"{folder}/a", contents=encoded(b"a"))
    answer = ask("POST", "/api/2.0/dbfs/delete", json={"path": folder})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "IO_ERROR")
    assert client.dbfs.exists(f"{folder}/a")
    client.dbfs.delete(folder, recursive=True)
    assert not client.dbfs.exists(folder)


def test_what_is_there_is_not_overwritten_unless_asked(
    client: WorkspaceClient, folder: str, ask: Ask
) -> None:
    path = f"{folder}/a"
    client.dbfs.put(path, contents=encoded(b"one"))
    for taken in (path, folder):
        for call in ("create", "put"):
            answer = ask("POST", f"/api/2.0/dbfs/{call}", json={"path": taken, "contents": "eA=="})
            assert answer.status_code == 400
            assert answer.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
            assert answer.json()["message"].startswith(
                "A file or directory already exists at the input path"
            )
    with pytest.raises(ResourceAlreadyExists):
        client.dbfs.create(folder, overwrite=True)
    client.dbfs.put(path, contents=encoded(b"two"), overwrite=True)
    assert client.dbfs.download(path).read() == b"two"


def test_create_makes_the_folders_above(client: WorkspaceClient, folder: str) -> None:
    client.dbfs.upload(f"{folder}/x/y/z.bin", io.BytesIO(b"deep"))
    assert client.dbfs.download(f"{folder}/x/y/z.bin").read() == b"deep"


def test_of_five_creators_at_once_one_wins(folder: str, ask: Ask) -> None:
    def create(_: int) -> int:
        return ask("POST", "/api/2.0/dbfs/create", json={"path": f"{folder}/one"}).status_code

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(create, range(5))) == [200, 400, 400, 400, 400]


def test_a_reader_never_sees_half_a_file(client: WorkspaceClient, folder: str) -> None:
    path = f"{folder}/a"
    client.dbfs.put(path, contents=encoded(b"before"))
    handle = client.dbfs.create(path, overwrite=True).handle
    assert handle is not None
    client.dbfs.add_block(handle, encoded(b"half"))
    assert client.dbfs.download(path).read() == b"before"
    client.dbfs.add_block(handle, encoded(b" done"))
    client.dbfs.close(handle)
    assert client.dbfs.download(path).read() == b"half done"


def test_a_handle_is_good_once(client: WorkspaceClient, folder: str) -> None:
    handle = client.dbfs.create(f"{folder}/a").handle
    assert handle is not None
    client.dbfs.close(handle)
    with pytest.raises(NotFound):
        client.dbfs.add_block(handle, encoded(b"x"))
    with pytest.raises(NotFound):
        client.dbfs.close(handle)


@pytest.mark.parametrize("size", [MIB + 1, 18 * MIB])
def test_blocks_over_one_megabyte_are_refused(
    client: WorkspaceClient, folder: str, size: int
) -> None:
    handle = client.dbfs.create(f"{folder}/a").handle
    assert handle is not None
    data = encoded(bytes(size))
    for call in (
        lambda: client.dbfs.add_block(handle, data),
        lambda: client.dbfs.put(f"{folder}/b", contents=data),
    ):
        with pytest.raises(BadRequest) as caught:
            call()
        assert caught.value.error_code == "MAX_BLOCK_SIZE_EXCEEDED"


def test_reads_go_up_to_one_megabyte_and_stop_at_the_end(
    client: WorkspaceClient, folder: str
) -> None:
    path = f"{folder}/a"
    client.dbfs.put(path, contents=encoded(b"0123456789"))
    assert client.dbfs.read(path, offset=8, length=MIB).data == encoded(b"89")
    assert client.dbfs.read(path, offset=10).bytes_read == 0
    assert client.dbfs.read(path, offset=99).bytes_read == 0
    with pytest.raises(BadRequest) as caught:
        client.dbfs.read(path, length=MIB + 1)
    assert caught.value.error_code == "MAX_READ_SIZE_EXCEEDED"
    for arguments in ({"offset": -1}, {"length": -1}):
        with pytest.raises(InvalidParameterValue):
            client.dbfs.read(path, **arguments)
    with pytest.raises(InvalidParameterValue):
        client.dbfs.read(folder)


def test_a_list_is_one_level_and_of_a_file_itself(client: WorkspaceClient, folder: str) -> None:
    assert list(client.dbfs.list(folder)) == []
    client.dbfs.put(f"{folder}/b", contents=encoded(b"bb"))
    client.dbfs.put(f"{folder}/sub/c", contents=encoded(b"c"))
    found = [(entry.path, entry.is_dir, entry.file_size) for entry in client.dbfs.list(folder)]
    assert found == [(f"{folder}/b", False, 2), (f"{folder}/sub", True, 0)]
    (entry,) = list(client.dbfs.list(f"{folder}/b"))
    assert entry.path == f"{folder}/b"


def test_a_move_needs_a_free_place(client: WorkspaceClient, folder: str) -> None:
    client.dbfs.put(f"{folder}/a", contents=encoded(b"a"))
    client.dbfs.put(f"{folder}/b", contents=encoded(b"b"))
    with pytest.raises(ResourceAlreadyExists):
        client.dbfs.move(f"{folder}/a", f"{folder}/b")
    with pytest.raises(InvalidParameterValue):
        client.dbfs.move(folder, f"{folder}/below")
    client.dbfs.move(f"{folder}/a", f"{folder}/new/c")
    assert client.dbfs.download(f"{folder}/new/c").read() == b"a"
    assert not client.dbfs.exists(f"{folder}/a")


def test_the_scheme_may_be_written(folder: str, ask: Ask) -> None:
    answer = ask("GET", "/api/2.0/dbfs/get-status", params={"path": f"dbfs:{folder}"})
    assert answer.json()["path"] == folder


@pytest.mark.parametrize(
    "path", ["/tmp/../../etc/passwd", "dbfs:/../x", "tmp/x", "/Volumes/main/default/brickloop/x"]
)
def test_paths_that_are_not_dbfs_are_refused(ask: Ask, path: str) -> None:
    answer = ask("GET", "/api/2.0/dbfs/read", params={"path": path})
    assert answer.status_code in {400, 404}
    assert answer.json()["error_code"] in {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}


def test_contents_that_are_not_base64_are_refused(folder: str, ask: Ask) -> None:
    answer = ask("POST", "/api/2.0/dbfs/put", json={"path": f"{folder}/a", "contents": "&&&"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


def test_a_form_may_be_larger_than_a_block(client: WorkspaceClient, folder: str, ask: Ask) -> None:
    data = bytes(range(256)) * 8192
    answer = ask(
        "POST", "/api/2.0/dbfs/put", data={"path": f"{folder}/a"}, files={"contents": data}
    )
    assert answer.status_code == 200
    assert client.dbfs.download(f"{folder}/a").read() == data
