"""The workspace port over the real SDK, against an HTTP server that misbehaves on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from brickloop.errors import NotAuthenticated
from brickloop.model.notebook import Language, NotebookFormat
from brickloop.sync.remote import (
    AlreadyThere,
    Ambiguous,
    Content,
    Kind,
    Missing,
    NotEmpty,
    Refused,
    Remote,
    Stamp,
    Throttled,
    WorkspaceRemote,
)


class Server:
    """Answers each request with the next thing of ``answers``; an empty list answers ``{}``."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.answers: list[tuple[int, dict[str, Any]] | str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if "/workspace/" not in self.path:
                    return self._send(404, {})
                outer.requests.append((self.command, self.path, body))
                answer = outer.answers.pop(0) if outer.answers else (200, {})
                if isinstance(answer, str):
                    # the effect is done, the answer is lost
                    self.close_connection = True
                    return None
                return self._send(*answer)

            def _send(self, status: int, document: dict[str, Any]) -> None:
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                if status in {429, 503}:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(data)

            do_GET = _answer
            do_POST = _answer

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def server(running: Server) -> Server:
    running.requests.clear()
    running.answers.clear()
    return running


@pytest.fixture(scope="module")
def remote(running: Server) -> Remote:
    from databricks.sdk import WorkspaceClient

    return WorkspaceRemote(WorkspaceClient(host=running.url, token="secret", auth_type="pat"))


NOTEBOOK = Content(Kind.NOTEBOOK, b"print(1)", Language.PYTHON, NotebookFormat.SOURCE)


@pytest.mark.parametrize("call", ["put", "delete", "make_folder"])
def test_a_write_whose_answer_is_lost_is_not_sent_again(
    server: Server, remote: Remote, call: str
) -> None:
    server.answers = ["lost"]
    with pytest.raises(Ambiguous, match="connection was lost"):
        if call == "put":
            remote.put("/Workspace/a", NOTEBOOK, overwrite=True)
        else:
            getattr(remote, call)("/Workspace/a")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (404, "RESOURCE_DOES_NOT_EXIST", "The parent folder (/x) does not exist.", Missing),
        (400, "RESOURCE_ALREADY_EXISTS", "Path (/x) already exists.", AlreadyThere),
        (409, "ALREADY_EXISTS", "Path (/x) already exists.", AlreadyThere),
        (400, "", "Path (/x) already exists.", AlreadyThere),
        (400, "DIRECTORY_NOT_EMPTY", "Folder (/x) is not empty.", NotEmpty),
        (400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "too large", Refused),
        (403, "PERMISSION_DENIED", "no write access to /x", Refused),
        (401, "UNAUTHENTICATED", "who are you", NotAuthenticated),
        (429, "RESOURCE_EXHAUSTED", "slow down", Throttled),
        (503, "TEMPORARILY_UNAVAILABLE", "in a moment", Throttled),
        (500, "INTERNAL_ERROR", "Unexpected error", Ambiguous),
        (502, "", "bad gateway", Ambiguous),
        (504, "DEADLINE_EXCEEDED", "no answer", Ambiguous),
    ],
)
def test_answers_to_writes_have_names(
    server: Server,
    remote: Remote,
    status: int,
    code: str,
    message: str,
    expected: type[Exception],
) -> None:
    server.answers = [(status, {"error_code": code, "message": message})]
    with pytest.raises(expected) as caught:
        remote.put("/Workspace/x", NOTEBOOK, overwrite=False)
    assert type(caught.value) is expected
    assert len(server.requests) == 1
    assert "secret" not in str(caught.value)


def test_a_throttled_write_carries_the_pause_that_was_asked_for(
    server: Server, remote: Remote
) -> None:
    server.answers = [(429, {"error_code": "RESOURCE_EXHAUSTED", "message": "slow"})]
    with pytest.raises(Throttled) as caught:
        remote.delete("/Workspace/x")
    assert caught.value.seconds == 0


def test_a_file_goes_raw_and_a_notebook_with_its_language(server: Server, remote: Remote) -> None:
    remote.put("/Workspace/f.py", Content(Kind.FILE, b"\x00\xff#"), overwrite=False)
    remote.put("/Workspace/n", NOTEBOOK, overwrite=True)
    jupyter = Content(Kind.NOTEBOOK, b"{}", Language.PYTHON, NotebookFormat.JUPYTER)
    remote.put("/Workspace/j", jupyter, overwrite=False)
    file, source, notebook = (body for _, _, body in server.requests)
    assert b"RAW" in file
    assert b"\x00\xff#" in file
    assert b"overwrite" not in file
    assert b"SOURCE" in source
    assert b"PYTHON" in source
    assert b'name="overwrite"\r\n\r\ntrue' in source
    assert b"JUPYTER" in notebook
    assert b"language" not in notebook


def test_a_folder_is_deleted_without_what_is_in_it(server: Server, remote: Remote) -> None:
    remote.delete("/Workspace/x")
    assert json.loads(server.requests[0][2]) == {"path": "/Workspace/x", "recursive": False}


def test_a_listing_keeps_what_it_does_not_understand_as_opaque(
    server: Server, remote: Remote
) -> None:
    shown = [
        {"object_type": "NOTEBOOK", "path": "/U/a/n", "language": "SQL", "object_id": 1,
         "modified_at": 5},
        {"object_type": "DASHBOARD_V9", "path": "/U/a/d.lvdash.json", "object_id": 2},
        {"object_type": "FILE", "path": "/U/a/f", "object_id": 3, "modified_at": 6, "size": 0},
    ]  # fmt: skip
    server.answers = [(200, {"objects": shown})]
    entries = remote.list_folder("/Workspace/U/a")
    assert [(entry.name, entry.kind) for entry in entries] == [
        ("n", Kind.NOTEBOOK),
        ("d.lvdash.json", Kind.OPAQUE),
        ("f", Kind.FILE),
    ]
    assert entries[0].stamp == Stamp(Kind.NOTEBOOK, 1, 5, None, Language.SQL)
    assert remote.list_folder("/Workspace/U/a") == []


def test_stamps_agree_where_only_a_size_is_unknown() -> None:
    one = Stamp(Kind.FILE, 1, 5, 10)
    assert one.agrees(Stamp(Kind.FILE, 1, 5, None))
    assert not one.agrees(Stamp(Kind.FILE, 1, 5, 11))
    assert not one.agrees(Stamp(Kind.FILE, 1, 4, 10))
    assert not one.agrees(Stamp(Kind.FILE, 2, 5, 10))
    assert not one.agrees(None)
    unknown = Stamp(Kind.FILE, 1, None, 10)
    assert not unknown.agrees(unknown)
