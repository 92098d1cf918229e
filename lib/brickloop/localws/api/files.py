"""Files in volumes, sent and fetched as they are. https://docs.databricks.com/api/workspace/files

Limits: 5 GiB in one request; larger ones go in parts (``transfers``).
"""

from __future__ import annotations

import os
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from brickloop.localws.disk import Disk
from brickloop.localws.services import Services
from brickloop.localws.volumes import VolumePath, find_volume_path
from brickloop.localws.wire import MIB, Answer, ApiError, Call, Endpoint, invalid, page_of

FILE_LIMIT = 5 * 1024 * MIB
_PAGE = 1000


class VolumeFile(FileResponse):
    """A file's bytes, ranges honoured, in pieces that keep a loopback connection busy."""

    chunk_size = MIB


async def upload(services: Services, request: Request, tail: str) -> Response:
    """Write the body to a file; makes the folders above it."""
    overwrite = _flag(request, "overwrite")
    place = await run_in_threadpool(find_volume_path, services.layout, tail)
    await run_in_threadpool(check_target, place, overwrite)
    draft = services.disk.new_path()
    try:
        await receive(request, draft, FILE_LIMIT)
        await run_in_threadpool(put_in_place, services.disk, draft, place, overwrite)
    finally:
        draft.unlink(missing_ok=True)
    return Response(status_code=204)


async def download(services: Services, request: Request, tail: str) -> Response:
    """A file's bytes, or those of the range that was asked for; for HEAD its size and stamp."""
    place = await run_in_threadpool(find_volume_path, services.layout, tail)
    return await run_in_threadpool(file_response, place, request)


async def delete_file(services: Services, request: Request, tail: str) -> Response:
    """Remove a file."""
    place = await run_in_threadpool(find_volume_path, services.layout, tail)
    if not place.real.is_file():
        raise missing(place.path)
    place.real.unlink()
    return Response(status_code=204)


def list_folder(services: Services, call: Call) -> Answer:
    """What a folder holds, one level, a page at a time."""
    place = _folder(services, call.tail)
    if call.method == "HEAD":
        return Response(status_code=200)
    size = min(max(call.whole("page_size", _PAGE), 1), _PAGE)
    children = sorted(place.real.iterdir(), key=lambda child: child.name)
    shown = [child for child in children if not child.is_symlink()]
    page, following, _ = page_of(shown, call.optional_text("page_token"), size)
    answer: dict[str, Any] = {"contents": [_shape(place.path, child) for child in page]}
    if following:
        answer["next_page_token"] = following
    return answer


def make_folder(services: Services, call: Call) -> Answer:
    """Make a folder and its parents; one that is there already is fine."""
    place = find_volume_path(services.layout, call.tail)
    try:
        place.real.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ApiError(
            409, "ALREADY_EXISTS", f"A file already exists at the path: {place.path}"
        ) from None
    return Response(status_code=204)


def delete_folder(services: Services, call: Call) -> Answer:
    """Remove an empty folder."""
    place = _folder(services, call.tail)
    if place.depth == 0:
        raise invalid("A volume is not deleted through the Files API.")
    if any(place.real.iterdir()):
        raise ApiError(
            400,
            "INVALID_PARAMETER_VALUE",
            f"The directory is not empty: {place.path}",
            reason="FILES_API_DIRECTORY_IS_NOT_EMPTY",
        )
    place.real.rmdir()
    return Response(status_code=204)


async def receive(request: Request, draft: Path, limit: int) -> int:
    """Stream a request's body into a new file; its size in bytes. Refuses more than ``limit``."""
    size, pending = 0, bytearray()
    with draft.open("xb") as file:
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise ApiError(
                        400,
                        "INVALID_PARAMETER_VALUE",
                        f"The file exceeds the limit of {limit} bytes.",
                    )
                pending += chunk
                if len(pending) >= MIB:
                    await run_in_threadpool(file.write, bytes(pending))
                    pending.clear()
        except ClientDisconnect:
            raise ApiError(400, "ABORTED", "The client went away.") from None
        file.write(pending)
    return size


def check_target(place: VolumePath, overwrite: bool) -> None:
    """Refuse to write where a folder stands, or a file that may not be overwritten."""
    if place.depth == 0 or place.real.is_dir():
        raise ApiError(409, "ALREADY_EXISTS", f"A directory exists at the path: {place.path}")
    if place.real.exists() and not overwrite:
        raise ApiError(409, "ALREADY_EXISTS", f"The file already exists: {place.path}")


def put_in_place(disk: Disk, draft: Path, place: VolumePath, overwrite: bool) -> None:
    """Make a received file the one at ``place``; without ``overwrite`` one of many wins."""
    check_target(place, overwrite)
    try:
        place.real.parent.mkdir(parents=True, exist_ok=True)
        if not overwrite:
            os.link(draft, place.real)
        else:
            disk.place(draft, place.real)
    except FileExistsError:
        raise ApiError(409, "ALREADY_EXISTS", f"The file already exists: {place.path}") from None
    except NotADirectoryError:
        raise ApiError(409, "ALREADY_EXISTS", f"A file is above the path: {place.path}") from None


def file_response(place: VolumePath, request: Request) -> Response:
    """The response with a file's bytes; 404 for a folder or nothing, 412 for a changed file."""
    if not place.real.is_file():
        raise missing(place.path)
    seen = place.real.stat()
    unmodified_since = request.headers.get("if-unmodified-since")
    if unmodified_since and int(seen.st_mtime) > _http_seconds(unmodified_since):
        raise ApiError(412, "PRECONDITION_FAILED", f"The file was modified: {place.path}")
    headers = {"last-modified": formatdate(seen.st_mtime, usegmt=True)}
    return VolumeFile(
        place.real, headers=headers, media_type="application/octet-stream", stat_result=seen
    )


def missing(path: str) -> ApiError:
    """The 404 of the Files API."""
    return ApiError(404, "NOT_FOUND", f"The file or directory does not exist: {path}")


def _folder(services: Services, tail: str) -> VolumePath:
    place = find_volume_path(services.layout, tail)
    if not place.real.is_dir():
        raise missing(place.path)
    return place


def _shape(parent: str, child: Path) -> dict[str, Any]:
    seen = child.stat()
    shaped: dict[str, Any] = {
        "path": f"{parent}/{child.name}",
        "name": child.name,
        "is_directory": child.is_dir(),
        "last_modified": seen.st_mtime_ns // 1_000_000,
    }
    return shaped if child.is_dir() else {**shaped, "file_size": seen.st_size}


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "false").lower() == "true"


def _http_seconds(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        raise invalid(f"Not a date: {text}") from None


ENDPOINTS = (
    Endpoint("PUT", "/api/2.0/fs/files/*", stream=upload),
    Endpoint("GET", "/api/2.0/fs/files/*", stream=download),
    Endpoint("DELETE", "/api/2.0/fs/files/*", stream=delete_file),
    Endpoint("GET", "/api/2.0/fs/directories/*", list_folder),
    Endpoint("PUT", "/api/2.0/fs/directories/*", make_folder),
    Endpoint("DELETE", "/api/2.0/fs/directories/*", delete_folder),
)
