"""DBFS: files in blocks of at most 1 MB. https://docs.databricks.com/api/workspace/dbfs"""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

from starlette.responses import Response

from brickloop.localws.disk import name_problem
from brickloop.localws.services import Services
from brickloop.localws.wire import MIB, Answer, ApiError, Call, Endpoint, invalid
from brickloop.model.paths import RemotePath, Store, parse_remote_path

_BLOCK = MIB
_DEFAULT_READ = MIB // 2
_BODY_LIMIT = 16 * MIB
_BLOCK_TOO_LARGE = (
    "MAX_BLOCK_SIZE_EXCEEDED",
    f"The block exceeds the limit of {_BLOCK} bytes.",
)


def get_status(services: Services, call: Call) -> Answer:
    """What stands at a path."""
    path, real = _existing(services, call)
    return _shape(path, real)


def list_files(services: Services, call: Call) -> Answer:
    """What a folder holds, one level; of a file that one entry."""
    path, real = _existing(services, call)
    if not real.is_dir():
        return {"files": [_shape(path, real)]}
    children = sorted(real.iterdir(), key=lambda child: child.name)
    shaped = [
        _shape(f"{path.rstrip('/')}/{child.name}", child)
        for child in children
        if not child.is_symlink()
    ]
    return {"files": shaped} if shaped else {}


def make_folders(services: Services, call: Call) -> Answer:
    """Make a folder and its parents."""
    path, real = _place(services, call.text("path"))
    try:
        real.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _taken(path) from None
    return {}


def put(services: Services, call: Call) -> Answer:
    """Write a small file at once."""
    path, real = _place(services, call.text("path"))
    if call.upload is not None:
        # a file sent as a form may be larger than a block
        data = call.upload.read()
    else:
        data = call.decoded("contents")
        if len(data) > _BLOCK:
            raise ApiError(400, *_BLOCK_TOO_LARGE)
    _make_room(path, real, overwrite=call.flag("overwrite"))
    services.disk.place(data, real)
    return {}


def create(services: Services, call: Call) -> Answer:
    """The handle of a stream that will be a file; an empty file stands there until then."""
    path, real = _place(services, call.text("path"))
    _make_room(path, real, overwrite=call.flag("overwrite"))
    return {"handle": services.streams.open(real)}


def add_block(services: Services, call: Call) -> Answer:
    """Append a block of at most 1 MB to a stream."""
    block = call.decoded("data")
    if len(block) > _BLOCK:
        raise ApiError(400, *_BLOCK_TOO_LARGE)
    services.streams.add(call.whole("handle"), block)
    return {}


def close(services: Services, call: Call) -> Answer:
    """End a stream; its file is complete now."""
    services.streams.close(call.whole("handle"))
    return {}


def read(services: Services, call: Call) -> Answer:
    """At most 1 MB of a file from ``offset``; nothing beyond its end."""
    offset = call.whole("offset", 0)
    length = call.whole("length", _DEFAULT_READ)
    path, real = _existing(services, call)
    if real.is_dir():
        raise invalid(f"Cannot read a directory: {path}")
    if offset < 0 or length < 0:
        raise invalid("The offset and the length must not be negative.")
    if length > _BLOCK:
        raise ApiError(
            400, "MAX_READ_SIZE_EXCEEDED", f"The length exceeds the limit of {_BLOCK} bytes."
        )
    with real.open("rb") as file:
        file.seek(offset)
        data = file.read(length)
    # base64 is JSON text as it stands; a megabyte of it is not looked through for escapes
    content = b'{"bytes_read":%d,"data":"%s"}' % (len(data), base64.b64encode(data))
    return Response(content, media_type="application/json")


def delete(services: Services, call: Call) -> Answer:
    """Remove a file or folder; what is not there is removed already."""
    path, real = _place(services, call.text("path"))
    if path == "/":
        raise invalid("The root cannot be deleted.")
    if real.is_dir() and not real.is_symlink():
        if not call.flag("recursive") and any(real.iterdir()):
            raise ApiError(
                400,
                "IO_ERROR",
                f"Directory is not empty. Use recursive delete or remove contents first: {path}",
            )
        shutil.rmtree(real)
    else:
        real.unlink(missing_ok=True)
    return {}


def move(services: Services, call: Call) -> Answer:
    """Give a file or folder another path, which must be free."""
    source, real_source = _place(services, call.text("source_path"))
    target, real_target = _place(services, call.text("destination_path"))
    if not real_source.exists():
        raise _missing(source)
    if real_target.exists():
        raise _taken(target)
    if real_target.is_relative_to(real_source):
        raise invalid(f"Cannot move {source} into itself.")
    real_target.parent.mkdir(parents=True, exist_ok=True)
    real_source.replace(real_target)
    return {}


def _place(services: Services, text: str) -> tuple[str, Path]:
    """The path as DBFS writes it, and its real file."""
    remote = parse_remote_path(text if text.startswith("dbfs:") else f"dbfs:{text}")
    if remote.store is Store.VOLUME:
        raise invalid(f"{remote.path} is in a volume; use the Files API for it.")
    problem = name_problem(remote.path)
    if problem:
        raise invalid(problem)
    # below dbfs:/ also /Workspace is a folder like any other
    remote = RemotePath(Store.DBFS, remote.path)
    return remote.path, services.layout.real(remote)


def _existing(services: Services, call: Call) -> tuple[str, Path]:
    path, real = _place(services, call.text("path"))
    if not real.exists():
        raise _missing(path)
    return path, real


def _make_room(path: str, real: Path, *, overwrite: bool) -> None:
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        if real.is_dir():
            raise FileExistsError
        # exclusive, so of two creators without overwrite one wins
        with real.open("ab" if overwrite else "xb"):
            pass
    except (FileExistsError, NotADirectoryError):
        raise _taken(path) from None


def _shape(path: str, real: Path) -> dict[str, Any]:
    seen = real.stat()
    is_folder = real.is_dir()
    return {
        "path": path,
        "is_dir": is_folder,
        "file_size": 0 if is_folder else seen.st_size,
        "modification_time": seen.st_mtime_ns // 1_000_000,
    }


def _missing(path: str) -> ApiError:
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"No file or directory exists on path {path}.")


def _taken(path: str) -> ApiError:
    return ApiError(
        400,
        "RESOURCE_ALREADY_EXISTS",
        f"A file or directory already exists at the input path {path}.",
    )


ENDPOINTS = (
    Endpoint("GET", "/api/2.0/dbfs/get-status", get_status),
    Endpoint("GET", "/api/2.0/dbfs/list", list_files),
    Endpoint("GET", "/api/2.0/dbfs/read", read),
    Endpoint("POST", "/api/2.0/dbfs/mkdirs", make_folders),
    Endpoint("POST", "/api/2.0/dbfs/put", put, limit=_BODY_LIMIT, too_large=_BLOCK_TOO_LARGE),
    Endpoint("POST", "/api/2.0/dbfs/create", create),
    Endpoint(
        "POST", "/api/2.0/dbfs/add-block", add_block, limit=_BODY_LIMIT, too_large=_BLOCK_TOO_LARGE
    ),
    Endpoint("POST", "/api/2.0/dbfs/close", close),
    Endpoint("POST", "/api/2.0/dbfs/delete", delete),
    Endpoint("POST", "/api/2.0/dbfs/move", move),
)
