"""The server as an ASGI application: who may ask, which endpoint answers, what a failure says."""

from __future__ import annotations

import asyncio
import errno
import hmac
import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from brickloop.errors import PathError
from brickloop.localws.api import ENDPOINTS
from brickloop.localws.services import Services
from brickloop.localws.threads import run_waiting
from brickloop.localws.wire import Answer, ApiError, Call, Endpoint, invalid, malformed, parse_json

_LOG = logging.getLogger("brickloop.localws")
# a body beyond its limit is read up to here, so that the client hears the refusal
_DRAIN_BYTES = 64 * 1024 * 1024


class RouteTable:
    """Which endpoint answers which request."""

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self._exact = {(e.method, e.path): e for e in endpoints if not e.path.endswith("*")}
        self._open = sorted(
            (e for e in endpoints if e.path.endswith("*")), key=lambda e: -len(e.path)
        )

    def find(self, method: str, path: str) -> tuple[Endpoint, str] | None:
        """The endpoint and the rest of the path that it leaves open."""
        for spelling in (method, "GET") if method == "HEAD" else (method,):
            found = self._exact.get((spelling, path))
            if found is not None:
                return found, ""
            for endpoint in self._open:
                prefix = endpoint.path[:-1]
                if endpoint.method == spelling and path.startswith(prefix):
                    return endpoint, path[len(prefix.rstrip("/")) :]
        return None


class LocalWorkspaceApp:
    """The ASGI application of one local workspace."""

    def __init__(
        self,
        services: Services,
        *,
        version: str,
        pid: int,
        ports: tuple[int, ...] = (),
        latency_ms: int = 0,
    ) -> None:
        """``ports`` are those that the server listens on, besides the one of its address."""
        self.services = services
        self.last_request = time.monotonic()
        self._routes = RouteTable(ENDPOINTS)
        self._latency = latency_ms / 1000
        known = {urlsplit(services.identity.host).port, *ports}
        names = ("127.0.0.1", "localhost")
        self._hosts = {f"{name}:{port}" for name in names for port in known}
        if 443 in known:
            # a client leaves the port of its scheme out
            self._hosts |= set(names)
        self._health = {
            "status": "ok",
            "workspace_id": services.identity.workspace_id,
            "version": version,
            "pid": pid,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await self._answer(request)
        try:
            await response(scope, receive, send)
        except OSError:
            _LOG.info("the client went away during %s", request.url.path)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._dispatch(request)
        except ApiError as error:
            return self._refusal(request, error)
        except PathError as error:
            return self._refusal(request, invalid(str(error)))
        except ClientDisconnect:
            return Response(status_code=499)
        except OSError as error:
            return self._refusal(request, _of_disk(error))
        except Exception as error:  # noqa: BLE001 - the one place where a fault becomes an answer
            _LOG.exception("%s %s failed", request.method, request.url.path)
            text = f"{type(error).__name__}: {error}"
            return self._refusal(request, ApiError(500, "INTERNAL_ERROR", text))

    async def _dispatch(self, request: Request) -> Response:
        path = request.scope["path"]
        if request.headers.get("host", "") not in self._hosts:
            # a page in a browser may have its own name resolve to 127.0.0.1
            raise ApiError(403, "PERMISSION_DENIED", "This server answers to 127.0.0.1 only.")
        if path == "/health":
            busy = self.services.active_count()
            return as_response({**self._health, "active_runs": busy})
        self.last_request = time.monotonic()
        if self._latency:
            await asyncio.sleep(self._latency)
        found = self._routes.find(request.method, path)
        if found is None or not found[0].public:
            self._check_token(request)
        if found is None:
            raise ApiError(
                501,
                "NOT_IMPLEMENTED",
                f"{request.method} {path} is not available in the local workspace.",
            )
        endpoint, tail = found
        if endpoint.stream is not None:
            return await endpoint.stream(self.services, request, tail)
        call, form = await _read_call(endpoint, request, tail)
        call = replace(call, origin=f"{request.url.scheme}://{request.headers['host']}")
        try:
            assert endpoint.handler is not None
            run = run_waiting if endpoint.waits else run_in_threadpool
            return as_response(await run(endpoint.handler, self.services, call))
        finally:
            if form is not None:
                await form()

    def _check_token(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise ApiError(
                401,
                "UNAUTHENTICATED",
                "Credential was not sent or was of an unsupported type for this API.",
            )
        if not hmac.compare_digest(token.encode(), self.services.identity.token.encode()):
            raise ApiError(403, "403", "Invalid access token.")

    def _refusal(self, request: Request, error: ApiError) -> Response:
        headers = {"x-databricks-org-id": self.services.identity.workspace_id}
        if error.status in {401, 403}:
            headers["x-databricks-reason-phrase"] = error.message
        if request.method == "HEAD":
            return Response(status_code=error.status, headers=headers)
        return as_response(error.to_json(), error.status, headers)


def as_response(
    answer: Answer, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """The HTTP response of an answer."""
    if isinstance(answer, Response):
        return answer
    content = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )
    return Response(content, status, headers, media_type="application/json")


async def _read_call(
    endpoint: Endpoint, request: Request, tail: str
) -> tuple[Call, Callable[[], Any] | None]:
    query = dict(request.query_params)
    path = request.scope["path"]
    if request.method in {"GET", "HEAD", "DELETE"}:
        return Call(request.method, path, tail, query, query), None
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _read_form(endpoint, request, tail, query)
    content = await _read_body(endpoint, request)
    if endpoint.body == "bytes":
        return Call(request.method, path, tail, query, query, content), None
    return Call(request.method, path, tail, parse_json(content), query, content), None


async def _read_body(endpoint: Endpoint, request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= endpoint.limit:
            chunks.append(chunk)
        else:
            chunks.clear()
            if size > endpoint.limit + _DRAIN_BYTES:
                break
    if size > endpoint.limit:
        raise ApiError(400, *endpoint.too_large)
    return b"".join(chunks)


async def _read_form(
    endpoint: Endpoint, request: Request, tail: str, query: dict[str, str]
) -> tuple[Call, Callable[[], Any] | None]:
    try:
        form = await request.form(max_files=1, max_fields=20, max_part_size=16 * 1024 * 1024)
    except MultiPartException as error:
        raise malformed(f"The form cannot be read: {error.message}") from None
    fields: dict[str, Any] = {}
    upload: Any = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            upload = value.file
        elif name == "content":
            # a part without a file name is content all the same
            fields["content_text"] = value
        else:
            fields[name] = value
    return Call(request.method, request.scope["path"], tail, fields, query, b"", upload), form.close


def _of_disk(error: OSError) -> ApiError:
    if error.errno in {errno.ENAMETOOLONG, errno.EINVAL, errno.ENOTDIR, errno.EISDIR}:
        return invalid(f"The path cannot be used: {error.strerror}.")
    if error.errno == errno.ENOENT:
        return ApiError(404, "RESOURCE_DOES_NOT_EXIST", "The path doesn't exist.")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ApiError(507, "RESOURCE_EXHAUSTED", "The disk of the local workspace is full.")
    return ApiError(500, "IO_ERROR", f"{type(error).__name__}: {error.strerror}")
