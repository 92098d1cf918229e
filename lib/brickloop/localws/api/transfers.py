"""Large files in volumes: uploads in parts and links that need no token.

The SDK takes these doors by itself from 50 MB on, and for every download. A link is signed for one
path, one purpose and an hour at most, as a cloud store's would be.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from brickloop.localws.api.files import (
    FILE_LIMIT,
    check_target,
    file_response,
    missing,
    put_in_place,
    receive,
)
from brickloop.localws.services import Services
from brickloop.localws.volumes import find_volume_path
from brickloop.localws.wire import MIB, Answer, ApiError, Call, Endpoint, invalid, parse_json

_LINK_SECONDS = 3600
_MAX_PARTS = 10_000
_JSON_LIMIT = 2 * MIB


async def change_upload(services: Services, request: Request, tail: str) -> Response:
    """Begin an upload in parts, or make a file of the parts that came."""
    action = request.query_params.get("action", "")
    if action == "initiate-upload":
        overwrite = request.query_params.get("overwrite", "true").lower() == "true"
        begun = await run_in_threadpool(_begin, services, tail, overwrite)
        return JSONResponse(begun)
    if action == "complete-upload":
        session = request.query_params.get("session_token", "")
        content = b""
        async for chunk in request.stream():
            content += chunk
            if len(content) > _JSON_LIMIT:
                raise invalid("The list of parts is too long.")
        await run_in_threadpool(_complete, services, tail, session, parse_json(content))
        return JSONResponse({})
    raise invalid(f"Unknown action: '{action}'")


def make_part_links(services: Services, call: Call) -> Answer:
    """Links to send the parts of an upload to."""
    session = call.text("session_token")
    _session(services, call.text("path"), session)
    first, count = call.whole("start_part_number"), call.whole("count", 1)
    if not (first >= 1 and count >= 1 and first + count - 1 <= _MAX_PARTS):
        raise invalid(f"Part numbers are from 1 to {_MAX_PARTS}.")
    links = [
        {
            "part_number": number,
            "url": _link(services, {"op": "part", "session": session, "part": str(number)}),
            "headers": [],
        }
        for number in range(first, first + count)
    ]
    return {"upload_part_urls": links}


def make_abort_link(services: Services, call: Call) -> Answer:
    """A link that gives an upload up."""
    session = call.text("session_token")
    _session(services, call.text("path"), session)
    link = _link(services, {"op": "abort", "session": session})
    return {"abort_upload_url": {"url": link, "headers": []}}


def make_download_link(services: Services, call: Call) -> Answer:
    """A link to a file's bytes."""
    place = find_volume_path(services.layout, call.query.get("path") or call.text("path"))
    if not place.real.is_file():
        raise missing(place.path)
    return {"url": _link(services, {"op": "read", "path": place.path}), "headers": []}


async def follow_link(services: Services, request: Request, tail: str) -> Response:
    """Do what a signed link is for: read a file, take a part, give an upload up."""
    query = dict(request.query_params)
    signature = query.pop("signature", "")
    if not services.identity.is_signed(_purpose(query), signature):
        raise ApiError(403, "PERMISSION_DENIED", "The link is not valid.")
    if time.time() > int(query["until"]):
        raise ApiError(403, "PERMISSION_DENIED", "The link has expired.")
    op = query["op"]
    if op == "read" and request.method in {"GET", "HEAD"}:
        place = await run_in_threadpool(find_volume_path, services.layout, query["path"])
        return await run_in_threadpool(file_response, place, request)
    folder = _session_folder(services, query.get("session", ""))
    if op == "part" and request.method == "PUT":
        draft = folder / f"{secrets.token_hex(8)}.draft"
        await receive(request, draft, FILE_LIMIT)
        draft.replace(folder / query["part"])
        return Response(status_code=200, headers={"etag": f'"{query["part"]}"'})
    if op == "abort" and request.method == "DELETE":
        shutil.rmtree(folder)
        return Response(status_code=204)
    raise ApiError(403, "PERMISSION_DENIED", "The link is for another purpose.")


def _begin(services: Services, path: str, overwrite: bool) -> dict[str, Any]:
    place = find_volume_path(services.layout, path)
    check_target(place, overwrite)
    session = secrets.token_hex(16)
    folder = services.layout.root / "uploads" / session
    folder.mkdir(parents=True)
    facts = {"path": place.path, "overwrite": overwrite}
    (folder / "upload.json").write_text(json.dumps(facts))
    return {"multipart_upload": {"session_token": session}}


def _complete(services: Services, path: str, session: str, body: Mapping[str, Any]) -> None:
    facts = _session(services, path, session)
    folder = _session_folder(services, session)
    listed = body.get("parts")
    if not isinstance(listed, list) or not listed:
        raise invalid("The list of parts is empty.")
    numbers = [part.get("part_number") if isinstance(part, dict) else None for part in listed]
    parts = [folder / str(number) for number in numbers]
    if any(not isinstance(n, int) for n in numbers) or not all(p.is_file() for p in parts):
        raise invalid("A listed part was not uploaded.")
    place = find_volume_path(services.layout, facts["path"])
    with services.disk.draft() as (draft, file):
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, file, MIB)
        file.close()
        put_in_place(services.disk, draft, place, bool(facts["overwrite"]))
    shutil.rmtree(folder)


def _session_folder(services: Services, session: str) -> Path:
    known = len(session) == 32 and set(session) <= set("0123456789abcdef")
    folder = services.layout.root / "uploads" / session
    if not known or not folder.is_dir():
        raise ApiError(404, "NOT_FOUND", "The upload session does not exist.")
    return folder


def _session(services: Services, path: str, session: str) -> dict[str, Any]:
    folder = _session_folder(services, session)
    facts: dict[str, Any] = json.loads((folder / "upload.json").read_text())
    if find_volume_path(services.layout, path).path != facts["path"]:
        raise invalid("The upload session belongs to another path.")
    return facts


def _link(services: Services, what: dict[str, str]) -> str:
    query = {**what, "until": str(int(time.time()) + _LINK_SECONDS)}
    signed = {**query, "signature": services.identity.signature(_purpose(query))}
    return f"{services.identity.host}/signed?{urlencode(signed)}"


def _purpose(query: Mapping[str, str]) -> str:
    return "link:" + json.dumps(query, sort_keys=True)


ENDPOINTS = (
    Endpoint("POST", "/api/2.0/fs/files/*", stream=change_upload),
    Endpoint("POST", "/api/2.0/fs/create-upload-part-urls", make_part_links),
    Endpoint("POST", "/api/2.0/fs/create-abort-upload-url", make_abort_link),
    Endpoint("POST", "/api/2.0/fs/create-download-url", make_download_link),
    Endpoint("GET", "/signed", stream=follow_link, public=True),
    Endpoint("PUT", "/signed", stream=follow_link, public=True),
    Endpoint("DELETE", "/signed", stream=follow_link, public=True),
)
