from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import AlreadyExists, BadRequest, NotFound

from brickloop.launcher import LocalServer

MIB = 1024 * 1024
Ask = Callable[..., requests.Response]


def read(client: WorkspaceClient, path: str) -> bytes:
    contents = client.files.download(path).contents
    assert contents is not None
    return contents.read()


@pytest.mark.parametrize(
    "name", ["plain.txt", "a b.txt", "a?b#c+d%20.txt", "ümlaut ☃.txt", "x" * 200, "a/b/c/deep.txt"]
)
def test_any_name_goes_and_comes(client: WorkspaceClient, volume_folder: str, name: str) -> None:
    client.files.upload(f"{volume_folder}/{name}", io.BytesIO(b"hello"))
    assert read(client, f"{volume_folder}/{name}") == b"hello"
    top = name.split("/")[0]
    (entry,) = list(client.files.list_directory_contents(volume_folder))
    assert (entry.path, entry.name) == (f"{volume_folder}/{top}", top)


@pytest.mark.parametrize("size", [0, 1, MIB, 5 * MIB + 3])
def test_any_size_goes_and_comes(client: WorkspaceClient, volume_folder: str, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    client.files.upload(f"{volume_folder}/f", io.BytesIO(data))
    assert read(client, f"{volume_folder}/f") == data
    assert client.files.get_metadata(f"{volume_folder}/f").content_length == size


def test_a_large_file_goes_in_parts_and_comes_by_ranges(
    client: WorkspaceClient, volume_folder: str, tmp_path: Path
) -> None:
    data = bytes(range(256)) * (52 * MIB // 256)
    client.files.upload(f"{volume_folder}/large", io.BytesIO(data))
    target = tmp_path / "large"
    client.files.download_to(f"{volume_folder}/large", str(target), use_parallel=True)
    assert target.read_bytes() == data


def test_an_upload_in_parts_can_be_given_up(
    client: WorkspaceClient, volume_folder: str, ask: Ask, local_server: LocalServer
) -> None:
    path = f"{volume_folder}/parts"
    begun = ask("POST", f"/api/2.0/fs/files{path}?action=initiate-upload").json()
    session = begun["multipart_upload"]["session_token"]
    body = {"path": path, "session_token": session}
    link = ask("POST", "/api/2.0/fs/create-abort-upload-url", json=body).json()
    assert requests.delete(link["abort_upload_url"]["url"], timeout=10).status_code == 204
    answer = ask("POST", "/api/2.0/fs/create-abort-upload-url", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "NOT_FOUND")
    assert not list((local_server.root / "uploads").iterdir())


def test_a_link_opens_only_what_it_was_made_for(
    client: WorkspaceClient, volume_folder: str, ask: Ask
) -> None:
    client.files.upload(f"{volume_folder}/a", io.BytesIO(b"a"))
    params = {"path": f"{volume_folder}/a"}
    link = ask("POST", "/api/2.0/fs/create-download-url", params=params).json()["url"]
    assert requests.get(link, timeout=10).content == b"a"
    for bad in (link.replace("%2Fa&", "%2Fb&"), link.replace("until=", "until=9"), link[:-1]):
        assert bad != link
        assert requests.get(bad, timeout=10).status_code == 403
    assert requests.put(link, data=b"x", timeout=10).status_code in {403, 404}
    assert read(client, f"{volume_folder}/a") == b"a"


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=5-500", 206, b"56789"),
        ("bytes=10-", 416, None),
    ],
)
def test_ranges(
    client: WorkspaceClient,
    volume_folder: str,
    ask: Ask,
    asked: str,
    status: int,
    expected: bytes | None,
) -> None:
    client.files.upload(f"{volume_folder}/f", io.BytesIO(b"0123456789"))
    answer = ask("GET", f"/api/2.0/fs/files{volume_folder}/f", headers={"Range": asked})
    assert answer.status_code == status
    if expected is not None:
        assert answer.content == expected


def test_missing_files_and_folders(client: WorkspaceClient, volume_folder: str, ask: Ask) -> None:
    client.files.upload(f"{volume_folder}/f", io.BytesIO(b"x"))
    for call in (
        lambda: client.files.download(f"{volume_folder}/no"),
        lambda: client.files.download(volume_folder),
        lambda: client.files.delete(f"{volume_folder}/no"),
        lambda: client.files.get_metadata(f"{volume_folder}/no"),
        lambda: client.files.get_directory_metadata(f"{volume_folder}/no"),
        lambda: client.files.get_directory_metadata(f"{volume_folder}/f"),
        lambda: list(client.files.list_directory_contents(f"{volume_folder}/f")),
        lambda: client.files.delete_directory(f"{volume_folder}/no"),
        lambda: client.files.upload("/Volumes/main/default/no/f", io.BytesIO(b"x")),
    ):
        with pytest.raises(NotFound):
            call()
    for path in ("no", "f"):
        answer = ask("HEAD", f"/api/2.0/fs/directories{volume_folder}/{path}")
        assert (answer.status_code, answer.content) == (404, b"")


def test_what_is_there_is_not_overwritten_unless_asked(
    client: WorkspaceClient, volume_folder: str
) -> None:
    path = f"{volume_folder}/f"
    client.files.upload(path, io.BytesIO(b"one"), overwrite=False)
    with pytest.raises(AlreadyExists):
        client.files.upload(path, io.BytesIO(b"two"), overwrite=False)
    with pytest.raises(AlreadyExists):
        client.files.upload(f"{path}/below", io.BytesIO(b"two"), overwrite=True)
    client.files.upload(path, io.BytesIO(b"three"), overwrite=True)
    assert read(client, path) == b"three"


def test_of_five_creators_at_once_one_wins(volume_folder: str, ask: Ask) -> None:
    def create(number: int) -> int:
        url = f"/api/2.0/fs/files{volume_folder}/one"
        return ask("PUT", url, params={"overwrite": "false"}, data=str(number)).status_code

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(create, range(5))) == [204, 409, 409, 409, 409]


def test_folders_are_made_with_parents_and_not_over_files(
    client: WorkspaceClient, volume_folder: str
) -> None:
    for _ in range(2):
        client.files.create_directory(f"{volume_folder}/a/b")
    client.files.get_directory_metadata(f"{volume_folder}/a/b")
    client.files.upload(f"{volume_folder}/f", io.BytesIO(b"x"))
    for path in ("f", "f/below"):
        with pytest.raises(AlreadyExists):
            client.files.create_directory(f"{volume_folder}/{path}")


def test_only_an_empty_folder_is_deleted(client: WorkspaceClient, volume_folder: str) -> None:
    client.files.upload(f"{volume_folder}/sub/f", io.BytesIO(b"x"))
    with pytest.raises(BadRequest) as caught:
        client.files.delete_directory(f"{volume_folder}/sub")
    reasons = [info.reason for info in caught.value.get_error_info()]
    assert reasons == ["FILES_API_DIRECTORY_IS_NOT_EMPTY"]
    client.files.delete(f"{volume_folder}/sub/f")
    client.files.delete_directory(f"{volume_folder}/sub")
    assert list(client.files.list_directory_contents(volume_folder)) == []


def test_a_long_list_comes_in_pages(client: WorkspaceClient, volume_folder: str) -> None:
    for number in range(7):
        client.files.create_directory(f"{volume_folder}/{number}")
    listed = client.files.list_directory_contents(volume_folder, page_size=3)
    assert [entry.name for entry in listed] == [str(number) for number in range(7)]


@pytest.mark.parametrize(
    "path",
    [
        "/Volumes/main/default/brickloop/../../../../etc/passwd",
        "/Volumes/main/default/brickloop/%2e%2e/%2e%2e/x",
        "/Volumes/main",
        "/etc/passwd",
        "/Volumes/main/default/brickloop/a%00b",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_path_leads_out_of_a_volume(local_server: LocalServer, method: str, path: str) -> None:
    with requests.Session() as session:
        request = requests.Request(
            method,
            local_server.host,
            headers={"Authorization": f"Bearer {local_server.token}"},
            data=b"x" if method == "PUT" else None,
        )
        prepared = session.prepare_request(request)
        # as it is: requests would resolve the dots itself
        prepared.url = f"{local_server.host}/api/2.0/fs/files{path}"
        answer = session.send(prepared, timeout=10)
    assert answer.status_code in {400, 404}
    assert "root:" not in answer.text


def test_an_upload_cut_off_leaves_nothing(
    local_server: LocalServer, client: WorkspaceClient, volume_folder: str
) -> None:
    address = urlsplit(local_server.host)
    head = (
        f"PUT /api/2.0/fs/files{volume_folder}/cut HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {local_server.token}\r\nContent-Length: 1000000\r\n\r\n"
    )
    drafts = local_server.root / "tmp"
    before = set(drafts.iterdir())
    with socket.create_connection((str(address.hostname), int(address.port or 0))) as raw:
        raw.sendall(head.encode() + b"x" * 1000)
        until(lambda: set(drafts.iterdir()) > before)
    until(lambda: set(drafts.iterdir()) <= before)
    assert list(client.files.list_directory_contents(volume_folder)) == []


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
