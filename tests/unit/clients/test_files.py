"""Files over a line that fails: what is refused is named, what breaks off is asked for again."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from databricks.sdk import WorkspaceClient

from brickloop.clients.files import RemoteFiles, write_whole
from brickloop.errors import (
    ConnectionFailed,
    NotAuthenticated,
    OutputForbidden,
    OutputMissing,
    OutputUnavailable,
    WorkFailed,
)

HOST = "https://workspace.test"
MIB = 1024 * 1024
PATH = "/tmp/file"


@pytest.fixture
def edge() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add(responses.GET, f"{HOST}/.well-known/databricks-config", json={}, status=404)
        yield mock


@pytest.fixture
def files(edge: responses.RequestsMock) -> RemoteFiles:
    return RemoteFiles(WorkspaceClient(host=HOST, token="t", auth_type="pat"), HOST)


class Dbfs:
    """One file in DBFS; ``answer`` may say something else for a block's number and attempt."""

    def __init__(
        self,
        edge: responses.RequestsMock,
        data: bytes,
        answer: Callable[[int, int], Any] = lambda block, attempt: None,
    ) -> None:
        self.data, self.answer = data, answer
        self.asked: list[int] = []
        self.lock = threading.Lock()
        edge.add(
            responses.GET,
            f"{HOST}/api/2.0/dbfs/get-status",
            json={"path": PATH, "is_dir": False, "file_size": len(data)},
        )
        edge.add_callback(responses.GET, re.compile(f"{HOST}/api/2.0/dbfs/read"), self._read)

    def _read(self, request: requests.PreparedRequest) -> Any:
        query = parse_qs(urlsplit(str(request.url)).query)
        offset, length = int(query["offset"][0]), int(query["length"][0])
        with self.lock:
            self.asked.append(offset // MIB)
            attempt = self.asked.count(offset // MIB)
        other = self.answer(offset // MIB, attempt)
        if other is not None:
            return other
        block = self.data[offset : offset + length]
        body = {"bytes_read": len(block), "data": base64.b64encode(block).decode()}
        return (200, {}, json.dumps(body))


DATA = bytes(range(256)) * (4 * 4096) + b"the end"


def test_blocks_come_in_order_however_their_answers_do(edge, files):
    dbfs = Dbfs(edge, DATA)
    assert files.read(PATH) == DATA
    assert sorted(dbfs.asked) == [0, 1, 2, 3, 4]
    dbfs.asked.clear()
    assert files.read_if_there(PATH) == DATA
    assert sorted(dbfs.asked) == [0, 1, 2, 3, 4]


def test_a_small_file_is_one_request(edge, files):
    dbfs = Dbfs(edge, b"small")
    assert files.read_if_there(PATH) == b"small"
    assert len(edge.calls) - dbfs.asked.count(0) <= 1


@pytest.mark.parametrize(
    "written",
    [
        '{"bytes_read": 3, "data": "//8+"}',
        '{"bytes_read":3,"data":"\\/\\/8+"}',
        '{"data":"\\u002f/8+","bytes_read":3}',
        '{"bytes_read":3,\n "data" : "//8+"}',
    ],
)
def test_json_may_be_written_in_any_way(edge, files, written):
    Dbfs(edge, b"\xff\xff>", lambda block, attempt: (200, {}, written))
    assert files.read(PATH) == b"\xff\xff>"


def test_a_file_without_data_is_empty(edge, files):
    Dbfs(edge, b"", lambda block, attempt: (200, {}, '{"bytes_read":0}'))
    assert files.read(PATH) == b""
    assert files.read_if_there(PATH) == b""


def test_an_answer_that_breaks_off_is_asked_for_again(edge, files, monkeypatch):
    dbfs = Dbfs(edge, DATA)
    broken = threading.Lock()
    read = requests.Response.iter_content

    def breaks_once(self, *args, **kwargs):
        if "dbfs/read" in self.url and "offset=1048576" in self.url and broken.acquire(False):
            raise requests.exceptions.ChunkedEncodingError("connection broken")
        return read(self, *args, **kwargs)

    monkeypatch.setattr(requests.Response, "iter_content", breaks_once)
    assert files.read(PATH) == DATA
    assert dbfs.asked.count(1) == 2

    def breaks_always(self, *args, **kwargs):
        if "dbfs/read" in self.url:
            raise requests.exceptions.ChunkedEncodingError("connection broken")
        return read(self, *args, **kwargs)

    monkeypatch.setattr(requests.Response, "iter_content", breaks_always)
    with pytest.raises(ConnectionFailed):
        files.read(PATH)


def test_an_answer_to_come_back_later_is_followed(edge, files):
    def busy(block: int, attempt: int) -> Any:
        return (429, {"Retry-After": "0"}, "{}") if block == 1 and attempt == 1 else None

    dbfs = Dbfs(edge, DATA, busy)
    assert files.read(PATH) == DATA
    assert dbfs.asked.count(1) == 2


def test_a_file_that_changes_meanwhile_is_said(edge, files, tmp_path):
    short = (200, {}, json.dumps({"bytes_read": 1, "data": "eA=="}))
    Dbfs(edge, DATA, lambda block, attempt: short if block == 3 else None)
    with pytest.raises(OutputUnavailable, match="changed while it was read"):
        files.copy(PATH, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def refusal(status: int, code: str, message: str) -> dict[str, Any]:
    return {"status": status, "json": {"error_code": code, "message": message}}


@pytest.mark.parametrize(
    ("path", "answer", "error", "hint"),
    [
        (
            "/tmp/x",
            refusal(403, "PERMISSION_DENIED", "Public DBFS root is disabled. Access is denied"),
            OutputForbidden,
            "write to a volume",
        ),
        (
            "/tmp/x",
            refusal(400, "BAD_REQUEST", "[DBFS_DISABLED] DBFS is disabled"),
            OutputForbidden,
            "write to a volume",
        ),
        (
            "/Volumes/a/b/c/x",
            refusal(403, "PERMISSION_DENIED", "User does not have READ VOLUME"),
            OutputForbidden,
            "ask its owner",
        ),
        (
            "/Workspace/Users/other/x",
            refusal(403, "PERMISSION_DENIED", "no permission"),
            OutputForbidden,
            "ask its owner",
        ),
        ("/tmp/x", refusal(403, "403", "Invalid access token."), NotAuthenticated, "new token"),
        ("/tmp/x", refusal(500, "INTERNAL_ERROR", "no"), WorkFailed, ""),
        ("/tmp/x", refusal(404, "RESOURCE_DOES_NOT_EXIST", "no"), OutputMissing, "check the path"),
    ],
)
def test_what_is_refused_is_named(edge, files, path, answer, error, hint):
    anything = re.compile(f"{HOST}/api/2.0/(dbfs|fs|workspace)/.*")
    edge.add(responses.GET, anything, **answer)
    # an answer to HEAD has no body
    edge.add(responses.HEAD, anything, status=answer["status"])
    with pytest.raises(error) as raised:
        files.read(path)
    if error is OutputForbidden:
        assert not files.is_readable(path)
    assert hint in (raised.value.hint or "")
    assert "token=" not in str(raised.value)


def test_a_local_file_is_written_whole_or_not_at_all(tmp_path: Path):
    target = tmp_path / "a" / "b"

    def broken() -> Iterator[bytes]:
        yield b"part"
        raise OSError("line cut")

    assert write_whole(target, iter([b"one", b"two"])) == 6
    with pytest.raises(OSError, match="line cut"):
        write_whole(target, broken())
    assert target.read_bytes() == b"onetwo"
    assert [path.name for path in target.parent.iterdir()] == ["b"]
