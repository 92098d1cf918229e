"""A workspace that answers after a while and does nothing else: what a distant host looks like.

The least that sync and `doit` ask of a workspace, over HTTP/1.1 on loopback, in a process of its
own, so that what is measured is the client. It keeps everything in memory and counts requests.
Objects are what ``GET /count`` and a request's path say; anything else is answered as the real API
does:
https://docs.databricks.com/api/workspace/workspace
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Item:
    """One object; data None is a folder."""

    data: bytes | None
    fields: dict[str, Any]


class Workspace:
    """Objects by path, and how often each call was made."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.inside: dict[str, dict[str, None]] = {}
        self.calls: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self.mkdirs("/Workspace/Users/me")

    def mkdirs(self, path: str) -> None:
        """Make a folder and its parents."""
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            folder = "/" + "/".join(parts[:depth])
            if folder not in self.items:
                self._enter(folder, None, {"object_type": "DIRECTORY"})

    def answer(self, call: str, fields: dict[str, str], content: bytes) -> tuple[int, bytes]:
        """Status and body of one request."""
        self.calls[call] += 1
        path = fields.get("path", "")
        if call == "count":
            return 200, json.dumps(self.calls).encode()
        if call == "reset":
            self.calls.clear()
            return 200, b"{}"
        if call == "Me":
            return 200, json.dumps({"id": "1", "userName": "me"}).encode()
        if call == "mkdirs":
            self.mkdirs(path)
            return 200, b"{}"
        if call == "import":
            return self._import(path, fields, content)
        item = self.items.get(path)
        if item is None:
            return _refused(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        if call == "list":
            found = [self._told(name) for name in self.inside.get(path, ())]
            return 200, json.dumps({"objects": found}).encode()
        if call == "get-status":
            return 200, json.dumps({**self._told(path), "repos_export_format": "SOURCE"}).encode()
        if call == "export" and fields.get("direct_download"):
            return 200, item.data or b""
        if call == "export":
            return 200, json.dumps(
                {"content": base64.b64encode(item.data or b"").decode()}
            ).encode()
        if call == "delete":
            del self.items[path]
            self.inside[path.rpartition("/")[0]].pop(path)
            return 200, b"{}"
        return _refused(501, "NOT_IMPLEMENTED", call)

    def _import(self, path: str, fields: dict[str, str], content: bytes) -> tuple[int, bytes]:
        folder = path.rpartition("/")[0]
        if folder not in self.items:
            return _refused(404, "RESOURCE_DOES_NOT_EXIST", f"The parent folder ({folder})")
        if path in self.items and fields.get("overwrite") != "true":
            return _refused(400, "RESOURCE_ALREADY_EXISTS", f"{path} already exists.")
        kind = {"object_type": "FILE", "size": len(content)}
        if fields.get("language"):
            kind = {"object_type": "NOTEBOOK", "language": fields["language"]}
        self._enter(path, content, kind)
        return 200, b"{}"

    def _enter(self, path: str, data: bytes | None, fields: dict[str, Any]) -> None:
        known = self.items.get(path)
        number = known.fields["object_id"] if known else next(self._numbers)
        moment = {"object_id": number, "modified_at": 1_700_000_000_000 + next(self._numbers)}
        self.items[path] = Item(data, {**fields, **moment})
        self.inside.setdefault(path.rpartition("/")[0], {})[path] = None

    def _told(self, path: str) -> dict[str, Any]:
        return {"path": path, **self.items[path].fields}


class _Connection(asyncio.Protocol):
    """One connection: requests are read whole, answered one by one after the delay."""

    def __init__(self, workspace: Workspace, delay: float) -> None:
        self._workspace = workspace
        self._delay = delay
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, value in (line.split(":", 1) for line in lines[1:])
        }
        body = bytes(rest)
        if headers.get("transfer-encoding") == "chunked":
            if not body.endswith(b"0\r\n\r\n"):
                return
            body = _unchunked(body)
        elif len(body) < int(headers.get("content-length", 0)):
            return
        self._buffer.clear()
        call, fields, content = _understand(lines[0], headers.get("content-type", ""), body)
        status, answer = self._workspace.answer(call, fields, content)
        loop = asyncio.get_running_loop()
        loop.call_later(
            0 if call in {"count", "reset"} else self._delay, self._send, status, answer
        )

    def _send(self, status: int, answer: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        head = (
            f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(answer)}\r\n\r\n"
        )
        self._transport.write(head.encode() + answer)


def _understand(line: str, kind: str, body: bytes) -> tuple[str, dict[str, str], bytes]:
    """The call, its fields and the content of a request."""
    url = urlsplit(line.split(" ")[1])
    call = unquote(url.path).rsplit("/", 1)[-1]
    fields = {name: values[0] for name, values in parse_qs(url.query).items()}
    content = b""
    if kind.startswith("multipart/"):
        for part in body.split(b"--" + kind.split("boundary=")[1].encode())[1:-1]:
            # not strip: a content may end in a line's end of its own
            whole = part.removeprefix(b"\r\n").removesuffix(b"\r\n")
            head, _, data = whole.partition(b"\r\n\r\n")
            name = head.split(b'name="')[1].split(b'"')[0].decode()
            if name == "content":
                content = data
            else:
                fields[name] = data.decode()
    elif body:
        fields |= json.loads(body)
    return call, fields, content


def _unchunked(body: bytes) -> bytes:
    found = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        found += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return found


def _refused(status: int, code: str, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"error_code": code, "message": message}).encode()


@contextlib.contextmanager
def slow_host(latency_ms: int) -> Iterator[str]:
    """The address of a new host, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._slow_host", str(latency_ms)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def _serve(latency_ms: int) -> None:
    workspace = Workspace()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(workspace, latency_ms / 1000), "127.0.0.1", 0
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
