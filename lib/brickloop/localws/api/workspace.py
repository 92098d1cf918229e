"""Workspace objects: notebooks, files and folders. https://docs.databricks.com/api/workspace/workspace

Limits: content of an import or a plain export 10 MB; a file 500 MB where it is sent or fetched as
it is. HTML and DBC are not offered, nor is the import or export of a whole folder as an archive.
"""

from __future__ import annotations

import base64
import zipfile
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from brickloop.errors import NotebookError
from brickloop.localws.conversion import (
    canonical_ipynb,
    canonical_source,
    ipynb_to_source,
    source_to_ipynb,
)
from brickloop.localws.services import Services
from brickloop.localws.wire import (
    MIB,
    Answer,
    ApiError,
    Call,
    Endpoint,
    invalid,
    not_implemented,
)
from brickloop.localws.workspace_tree import DIRECTORY, FILE, NOTEBOOK, WorkspaceObject
from brickloop.model.notebook import Language, language_of_source, parse_ipynb
from brickloop.model.paths import workspace_path

_NOTEBOOK_LIMIT = 10 * MIB
_FILE_LIMIT = 500 * MIB
_TOO_LARGE = (
    "MAX_NOTEBOOK_SIZE_EXCEEDED",
    f"The content exceeds the limit of {_NOTEBOOK_LIMIT} bytes.",
)
_SUFFIXES = {
    Language.PYTHON: "py",
    Language.SQL: "sql",
    Language.SCALA: "scala",
    Language.R: "r",
}


def get_status(services: Services, call: Call) -> Answer:
    """What stands at a path; with ``return_export_info`` also how a notebook is best exported."""
    asked = call.text("path")
    found = _find(services, asked)
    shaped = _shape(found, asked)
    if call.flag("return_export_info") and found.kind == NOTEBOOK:
        shaped["repos_export_format"] = found.format
    return shaped


def list_objects(services: Services, call: Call) -> Answer:
    """What a folder holds, one level; of a notebook or file that one object."""
    asked = call.text("path")
    since = call.whole("notebooks_modified_after", 0)
    found = _find(services, asked)
    if found.kind != DIRECTORY:
        return {"objects": [_shape(found, asked)]}
    prefix = asked.rstrip("/")
    objects = [
        _shape(child, f"{prefix}/{child.name}")
        for child in services.tree.children(found.path)
        if not since or child.kind != NOTEBOOK or child.modified_ms > since
    ]
    return {"objects": objects} if objects else {}


def make_folders(services: Services, call: Call) -> Answer:
    """Make a folder and its parents."""
    services.tree.make_folder(call.text("path"))
    return {}


def delete(services: Services, call: Call) -> Answer:
    """Remove an object, a folder with all in it when ``recursive``."""
    asked = call.text("path")
    _find(services, asked)
    services.tree.delete(asked, recursive=call.flag("recursive"), shown=asked)
    return {}


def import_object(services: Services, call: Call) -> Answer:
    """Make a notebook or file of the content that was sent, as JSON or as a form."""
    asked = call.text("path")
    format = call.text("format", "SOURCE")
    language = _language(call)
    overwrite = call.flag("overwrite")
    content = _content(call, _FILE_LIMIT if format in {"RAW", "AUTO"} else _NOTEBOOK_LIMIT)
    path, kind = asked, NOTEBOOK
    stored: tuple[bytes, Language | None, str | None]
    if format == "RAW":
        kind, stored = FILE, (content, None, None)
    elif format == "AUTO":
        path, kind, stored = _detect(asked, content)
    elif format == "SOURCE":
        if language is None:
            raise _no_archive(content)
        stored = _source_notebook(content, language)
    elif format == "JUPYTER":
        stored = _jupyter_notebook(content)
    elif format in {"HTML", "DBC", "R_MARKDOWN"}:
        raise not_implemented(f"Importing the format {format}")
    else:
        raise invalid(f"Unknown format: {format}")
    data, of_language, stored_format = stored
    made = services.tree.put(
        path,
        data,
        kind=kind,
        language=of_language,
        format=stored_format,
        overwrite=overwrite,
        shown=path,
    )
    return {"object_id": made.object_id}


def import_file(services: Services, call: Call) -> Answer:
    """Make a file, or a notebook where the content is one, of the request's body."""
    path, kind, stored = _detect(call.tail, call.content)
    if services.tree.find(path) is not None and not call.flag("overwrite"):
        raise _taken(services, path)
    try:
        services.tree.put(
            path,
            stored[0],
            kind=kind,
            language=stored[1],
            format=stored[2],
            overwrite=call.flag("overwrite"),
        )
    except ApiError as error:
        if error.code == "RESOURCE_ALREADY_EXISTS":
            raise _taken(services, path) from None
        raise
    return {}


def export_object(services: Services, call: Call) -> Answer:
    """The content of a notebook or file, as JSON or as it is (``direct_download``)."""
    asked = call.text("path")
    format = call.text("format", "SOURCE")
    found = _find(services, asked)
    direct = call.flag("direct_download")
    if format not in {"SOURCE", "AUTO", "RAW", "JUPYTER", "HTML", "DBC", "R_MARKDOWN"}:
        raise invalid(f"Unknown format: {format}")
    if found.kind == DIRECTORY:
        raise not_implemented("Exporting a folder as an archive")
    if format in {"HTML", "DBC", "R_MARKDOWN"}:
        raise not_implemented(f"Exporting the format {format}")
    limit = _FILE_LIMIT if direct and found.kind == FILE else _NOTEBOOK_LIMIT
    if found.size > limit:
        what = "NOTEBOOK" if found.kind == NOTEBOOK else "READ"
        code = f"MAX_{what}_SIZE_EXCEEDED"
        raise ApiError(400, code, f"The object exceeds the limit of {limit} bytes.", reason=code)
    data, suffix = _exported(services, found, format)
    if direct:
        name = quote(f"{found.name}.{suffix}" if found.kind == NOTEBOOK else found.name)
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(data, media_type="application/octet-stream", headers=headers)
    answer: dict[str, Any] = {"content": base64.b64encode(data).decode()}
    return {**answer, "file_type": suffix} if suffix else answer


def _exported(services: Services, found: WorkspaceObject, format: str) -> tuple[bytes, str]:
    data = services.tree.read(found)
    if found.kind == FILE:
        if format == "JUPYTER":
            raise invalid(f"Path ({found.path}) is a file; it cannot be exported as JUPYTER.")
        return data, PurePosixPath(found.name).suffix.lstrip(".")
    language = found.language or Language.PYTHON
    if format == "JUPYTER":
        if found.format == "JUPYTER":
            return data, "ipynb"
        return source_to_ipynb(data.decode(), language, found.name).encode(), "ipynb"
    if found.format == "JUPYTER":
        data = ipynb_to_source(data.decode()).encode()
    return data, _SUFFIXES[language]


def _find(services: Services, asked: str) -> WorkspaceObject:
    found = services.tree.find(asked)
    if found is None:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({asked}) doesn't exist.")
    return found


def _shape(found: WorkspaceObject, shown: str) -> dict[str, Any]:
    shaped: dict[str, Any] = {
        "object_type": found.kind,
        "path": shown,
        "object_id": found.object_id,
        "resource_id": str(found.object_id),
    }
    if found.kind == DIRECTORY:
        return shaped
    shaped |= {"created_at": found.created_ms, "modified_at": found.modified_ms}
    if found.language is not None:
        shaped["language"] = found.language.value
    if found.kind == FILE:
        shaped["size"] = found.size
    return shaped


def _language(call: Call) -> Language | None:
    name = call.optional_text("language")
    if name is None:
        return None
    if name not in Language.__members__:
        raise invalid(f"Unknown language: {name}")
    return Language(name)


def _content(call: Call, file_limit: int) -> bytes:
    if call.upload is not None:
        data: bytes = call.upload.read(file_limit + 1)
        if len(data) > file_limit:
            raise ApiError(400, *_TOO_LARGE, reason=_TOO_LARGE[0])
        return data
    if "content_text" in call.fields:
        data = str(call.fields["content_text"]).encode()
    else:
        data = call.decoded("content")
    if len(data) > _NOTEBOOK_LIMIT:
        raise ApiError(400, *_TOO_LARGE, reason=_TOO_LARGE[0])
    return data


def _detect(
    asked: str, content: bytes
) -> tuple[str, str, tuple[bytes, Language | None, str | None]]:
    """What AUTO makes of content: path, kind and what is stored."""
    # only the end of the name decides; the path keeps the caller's spelling
    suffix = PurePosixPath(workspace_path(asked)).suffix
    language = language_of_source(suffix, content[:64])
    if language is not None:
        stored = _source_notebook(content, language)
        return asked[: -len(suffix)], NOTEBOOK, stored
    if suffix.lower() == ".ipynb":
        try:
            parse_ipynb(content.decode())
        except (NotebookError, UnicodeDecodeError):
            return asked, FILE, (content, None, None)
        return asked[: -len(suffix)], NOTEBOOK, _jupyter_notebook(content)
    return asked, FILE, (content, None, None)


def _source_notebook(content: bytes, language: Language) -> tuple[bytes, Language, str]:
    if len(content) > _NOTEBOOK_LIMIT:
        raise ApiError(400, *_TOO_LARGE, reason=_TOO_LARGE[0])
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise invalid(f"The notebook is not UTF-8 text (byte {error.start}).") from None
    return canonical_source(text, language).encode(), language, "SOURCE"


def _jupyter_notebook(content: bytes) -> tuple[bytes, Language, str]:
    if len(content) > _NOTEBOOK_LIMIT:
        raise ApiError(400, *_TOO_LARGE, reason=_TOO_LARGE[0])
    try:
        text = canonical_ipynb(content.decode("utf-8-sig"))
    except (NotebookError, UnicodeDecodeError) as error:
        raise invalid(f"The content is no Jupyter notebook: it {error}") from None
    return text.encode(), parse_ipynb(text).language, "JUPYTER"


def _no_archive(content: bytes) -> ApiError:
    if zipfile.is_zipfile(BytesIO(content)):
        return not_implemented("Importing a folder as a zip archive")
    return ApiError(
        400,
        "BAD_REQUEST",
        "The content is not a valid zip archive; give a language to import it as a notebook.",
    )


def _taken(services: Services, path: str) -> ApiError:
    found = services.tree.find(path)
    if found is not None and found.kind == FILE:
        return ApiError(409, "ALREADY_EXISTS", f"Path ({path}) already exists.")
    # a notebook in the way is told apart by status and by having no code
    return ApiError(400, "", f"Path ({path}) already exists.")


ENDPOINTS = (
    Endpoint("GET", "/api/2.0/workspace/get-status", get_status),
    Endpoint("GET", "/api/2.0/workspace/list", list_objects),
    Endpoint("GET", "/api/2.0/workspace/export", export_object),
    Endpoint("POST", "/api/2.0/workspace/mkdirs", make_folders),
    Endpoint("POST", "/api/2.0/workspace/delete", delete),
    Endpoint(
        "POST",
        "/api/2.0/workspace/import",
        import_object,
        limit=16 * MIB,
        too_large=_TOO_LARGE,
    ),
    Endpoint(
        "POST",
        "/api/2.0/workspace-files/import-file/*",
        import_file,
        body="bytes",
        limit=_FILE_LIMIT,
        too_large=("MAX_FILE_SIZE_EXCEEDED", f"The file exceeds {_FILE_LIMIT} bytes."),
    ),
)
