"""Statement Execution. https://docs.databricks.com/api/workspace/statementexecution"""

from __future__ import annotations

import base64
import datetime
import json
import re
import time
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from brickloop.localws.services import Services
from brickloop.localws.threads import run_waiting
from brickloop.localws.wire import MIB, Answer, ApiError, Call, Endpoint, invalid, malformed

if TYPE_CHECKING:
    from brickloop.localws.statement_chunks import Chunk
    from brickloop.localws.statement_parameters import Parameter
    from brickloop.localws.statements import Statement

_BASE = "/api/2.0/sql/statements"
_DOWNLOADS = "/sql/results"
_WAIT_DEFAULT, _WAIT_LEAST, _WAIT_MOST = 10, 5, 50
_STATEMENT_BYTES = 16 * MIB
_ATTACHED_BYTES = 5 * MIB
_LINK_SECONDS = 900
_FORMS = ("JSON_ARRAY", "ARROW_STREAM", "CSV")
# the last one is what drivers ask for: inline where the result is small
_DISPOSITIONS = ("INLINE", "EXTERNAL_LINKS", "INLINE_OR_EXTERNAL_LINKS")
_MEDIA_TYPES = {
    "JSON_ARRAY": "application/json",
    "ARROW_STREAM": "application/vnd.apache.arrow.stream",
    "CSV": "text/csv; charset=utf-8",
}
_TYPE_NAMES = {
    "TINYINT": "BYTE", "SMALLINT": "SHORT", "BIGINT": "LONG", "VOID": "NULL",
}  # fmt: skip


def execute_statement(services: Services, call: Call) -> Answer:
    """A statement begun, with its result where that is there in time."""
    services.sql.load()
    from brickloop.localws.statements import ResultOptions

    text, warehouse_id = call.text("statement"), call.text("warehouse_id")
    seconds = _wait_seconds(call)
    on_timeout = _one_of(call, "on_wait_timeout", ("CONTINUE", "CANCEL"), "CONTINUE")
    disposition = _one_of(call, "disposition", _DISPOSITIONS, "INLINE")
    form = _one_of(call, "format", _FORMS, "JSON_ARRAY")
    compression = _one_of(call, "result_compression", ("NONE", "LZ4_FRAME"), "NONE")
    if disposition == "INLINE" and form != "JSON_ARRAY":
        raise invalid(f"The format {form} is supported with disposition EXTERNAL_LINKS only.")
    options = ResultOptions(
        form,
        disposition,
        _limit(call, "byte_limit"),
        compression == "LZ4_FRAME" and form == "ARROW_STREAM",
    )
    statement = services.sql.execute(
        text,
        _parameters(call),
        options,
        warehouse_id=warehouse_id,
        session_id=call.optional_text("session_id"),
        catalog=call.optional_text("catalog"),
        schema=call.optional_text("schema"),
        row_limit=_limit(call, "row_limit"),
    )
    if seconds and not statement.wait(seconds).ended and on_timeout == "CANCEL":
        services.sql.statements.cancel(statement.id)
    return _shown(services, statement, call)


def read_statement(services: Services, call: Call) -> Answer:
    """A statement's state, with its first rows; or one chunk of its result."""
    statement_id, _, rest = call.tail.lstrip("/").partition("/")
    statement = _find(services, statement_id)
    if not rest:
        return _shown(services, statement, call)
    found = re.fullmatch(r"result/chunks/(\d{1,9})", rest)
    if found is None:
        raise ApiError(501, "NOT_IMPLEMENTED", f"{call.path} is not available.")
    if statement.current_phase().value != "SUCCEEDED":
        raise ApiError(
            400,
            "BAD_REQUEST",
            f"The statement {statement_id} is in state {statement.current_phase().value} and has"
            " no result to be fetched.",
        )
    index = int(found.group(1))
    if index >= len(statement.chunks):
        raise invalid(
            f"Invalid chunk index {index}: the result has {len(statement.chunks)} chunks."
        )
    return _result(services, statement, index, call)


def change_statement(services: Services, call: Call) -> Answer:
    """A statement canceled."""
    statement_id, _, action = call.tail.lstrip("/").partition("/")
    if action != "cancel":
        raise ApiError(501, "NOT_IMPLEMENTED", f"{call.path} is not available.")
    services.sql.statements.cancel(_find(services, statement_id).id)
    return {}


def close_statement(services: Services, call: Call) -> Answer:
    """A statement closed, its result freed."""
    services.sql.statements.close(_find(services, call.tail.strip("/")).id)
    return {}


def open_session(services: Services, call: Call) -> Answer:
    """A session, in which the statements of a driver follow one another."""
    services.sql.load()
    from brickloop.localws.statement_error import StatementError

    settings = call.mapping("session_confs") or call.mapping("session_configs")
    try:
        session = services.sql.open_client_session(
            call.text("warehouse_id"),
            call.optional_text("catalog"),
            call.optional_text("schema"),
            {str(key): str(value) for key, value in settings.items()},
        )
    except StatementError as error:
        raise ApiError(400, "BAD_REQUEST", error.message) from None
    return {"session_id": session.id.hex()}


def close_session(services: Services, call: Call) -> Answer:
    """A session's end."""
    from brickloop.localws.warehouse_sessions import UnknownSession

    session_id = call.tail.strip("/")
    try:
        services.sql.sessions.close(bytes.fromhex(session_id))
    except (UnknownSession, ValueError):
        raise ApiError(404, "NOT_FOUND", f"The session {session_id} was not found.") from None
    return {}


async def download_chunk(services: Services, request: Request, tail: str) -> Response:
    """A chunk of a result, for whoever holds its link; the link is the key, for a while."""
    statement_id, _, number = tail.strip("/").partition("/")
    query = request.query_params
    until, signature = query.get("expires", ""), query.get("signature", "")
    purpose = _purpose(statement_id, number, until)
    if not services.identity.is_signed(purpose, signature):
        raise ApiError(403, "PERMISSION_DENIED", "The link's signature does not match.")
    if not until.isdecimal() or int(until) < time.time():
        raise ApiError(403, "PERMISSION_DENIED", "The link has expired.")
    try:
        statement = await run_waiting(_find, services, statement_id)
        chunk = statement.chunks[int(number)]
        if not chunk.path.is_file():
            raise IndexError
    except (IndexError, ValueError):
        raise ApiError(404, "NOT_FOUND", "The result is no longer there.") from None
    return FileResponse(chunk.path, media_type=_MEDIA_TYPES[statement.options.form])


def _find(services: Services, statement_id: str) -> Statement:
    services.sql.load()
    from brickloop.localws.statements import UnknownStatement

    try:
        return services.sql.statements.get(statement_id)
    except UnknownStatement:
        raise ApiError(404, "NOT_FOUND", f"The statement {statement_id} was not found.") from None


def _shown(services: Services, statement: Statement, call: Call) -> dict[str, Any]:
    phase, error = statement.current_phase(), statement.error
    status: dict[str, Any] = {"state": phase.value}
    if error is not None and phase.value in {"FAILED", "CANCELED"}:
        code = "CANCELLED" if phase.value == "CANCELED" else "BAD_REQUEST"
        if error.condition == "INTERNAL_ERROR":
            code = "INTERNAL_ERROR"
        status["error"] = {"error_code": code, "message": error.message}
        if error.sqlstate:
            status["sql_state"] = error.sqlstate
            status["error"]["sql_state"] = error.sqlstate
    body: dict[str, Any] = {"statement_id": statement.id, "status": status}
    if phase.value == "SUCCEEDED":
        body["manifest"] = _manifest(statement)
        body["result"] = _result(services, statement, 0, call)
    return body


def _manifest(statement: Statement) -> dict[str, Any]:
    from brickloop.localws.arrow_results import sql_name

    options = statement.options
    columns = [
        _column(field.name, sql_name(field.dataType), position)
        for position, field in enumerate(statement.shape.schema.fields)
    ]
    manifest: dict[str, Any] = {
        "format": options.form,
        "schema": {"column_count": len(columns), "columns": columns},
        "total_chunk_count": len(statement.chunks),
        "total_row_count": statement.row_count,
        "total_byte_count": statement.byte_count,
        "truncated": statement.truncated,
    }
    if statement.chunks:
        manifest["chunks"] = [_chunk(each) for each in statement.chunks]
    if options.lz4_compressed:
        manifest["result_compression"] = "LZ4_FRAME"
    return manifest


def _column(name: str, kind: str, position: int) -> dict[str, Any]:
    base = re.split(r"[(< ]", kind, maxsplit=1)[0]
    column: dict[str, Any] = {
        "name": name,
        "type_text": kind,
        "type_name": _TYPE_NAMES.get(base, base),
        "position": position,
    }
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        column["type_precision"], column["type_scale"] = int(found[1]), int(found[2])
    if base == "INTERVAL":
        column["type_interval_type"] = kind.partition(" ")[2]
    return column


def _chunk(chunk: Chunk) -> dict[str, Any]:
    return {
        "chunk_index": chunk.index,
        "row_offset": chunk.row_offset,
        "row_count": chunk.row_count,
        "byte_count": chunk.byte_count,
    }


def _result(services: Services, statement: Statement, index: int, call: Call) -> dict[str, Any]:
    options = statement.options
    if options.disposition == "INLINE_OR_EXTERNAL_LINKS" and options.form == "ARROW_STREAM":
        if attached := _attachment(statement):
            return {"chunk_index": 0, "row_offset": 0, **attached}
    elif not statement.chunks:
        return {}
    chunk = statement.chunks[index]
    shown = _chunk(chunk)
    if index + 1 < len(statement.chunks):
        shown["next_chunk_index"] = index + 1
        shown["next_chunk_internal_link"] = f"{_BASE}/{statement.id}/result/chunks/{index + 1}"
    if options.disposition == "INLINE":
        return {**shown, "data_array": json.loads(chunk.path.read_bytes())}
    until = int(time.time()) + _LINK_SECONDS
    signature = services.identity.signature(_purpose(statement.id, str(index), str(until)))
    link = f"{_DOWNLOADS}/{statement.id}/{index}?expires={until}&signature={signature}"
    moment = datetime.datetime.fromtimestamp(until, datetime.timezone.utc)
    expiration = moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    shown |= {"external_link": call.origin + link, "expiration": expiration}
    return {"external_links": [shown]}


def _attachment(statement: Statement) -> dict[str, Any] | None:
    """A small result itself, as drivers take it beside links; None for a large one."""
    import lz4.frame

    from brickloop.localws.statement_chunks import arrow_stream

    if len(statement.chunks) > 1 or statement.byte_count > _ATTACHED_BYTES:
        return None
    if statement.chunks:
        content = statement.chunks[0].path.read_bytes()
    else:
        content = arrow_stream(statement.shape, [])
        if statement.options.lz4_compressed:
            content = lz4.frame.compress(content)
    return {"row_count": statement.row_count, "attachment": base64.b64encode(content).decode()}


def _purpose(statement_id: str, index: str, until: str) -> str:
    return f"result:{statement_id}:{index}:{until}"


def _parameters(call: Call) -> list[Parameter]:
    from brickloop.localws.statement_parameters import Parameter

    given = call.fields.get("parameters") or []
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise malformed("Could not parse request object: 'parameters' must be a list of objects")
    found = []
    for each in given:
        name, value, kind = each.get("name"), each.get("value"), each.get("type") or "STRING"
        if name is not None and not isinstance(name, str):
            raise malformed("Could not parse request object: a parameter's name must be a string")
        if value is not None and not isinstance(value, str):
            raise malformed(
                f"Could not parse request object: the value of parameter '{name}' must be a string"
            )
        if not re.fullmatch(r"[A-Za-z_]+(\(\s*\d+\s*(,\s*\d+\s*)?\))?( [A-Za-z ]+)?", str(kind)):
            raise invalid(f"The type '{kind}' of parameter '{name}' is not supported.")
        found.append(Parameter(value, str(kind), name or None))
    names = [each.name for each in found if each.name]
    if len(set(names)) != len(names):
        raise invalid("Parameter names must be unique.")
    if names and len(names) != len(found):
        raise invalid("Either all parameters have a name or none.")
    return found


def _wait_seconds(call: Call) -> int:
    text = call.text("wait_timeout", f"{_WAIT_DEFAULT}s")
    found = re.fullmatch(r"(\d{1,6})s", text)
    seconds = int(found.group(1)) if found else -1
    if seconds and not _WAIT_LEAST <= seconds <= _WAIT_MOST:
        raise invalid(
            f"wait_timeout '{text}' is invalid: it must be 0s, or between {_WAIT_LEAST}s and"
            f" {_WAIT_MOST}s."
        )
    return seconds


def _one_of(call: Call, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = call.text(name, default)
    if value not in allowed:
        raise invalid(f"{name} '{value}' is invalid. Valid: {', '.join(allowed)}.")
    return value


def _limit(call: Call, name: str) -> int | None:
    if call.fields.get(name) is None:
        return None
    number = call.whole(name)
    if number < 1:
        raise invalid(f"{name} must be at least 1.")
    return number


ENDPOINTS = (
    Endpoint(
        "POST",
        _BASE,
        execute_statement,
        waits=True,
        limit=_STATEMENT_BYTES,
        too_large=("INVALID_PARAMETER_VALUE", "The statement is larger than 16 MiB."),
    ),
    Endpoint("GET", f"{_BASE}/*", read_statement, waits=True),
    Endpoint("POST", f"{_BASE}/*", change_statement),
    Endpoint("DELETE", f"{_BASE}/*", close_statement),
    Endpoint("POST", "/api/2.0/sql/sessions", open_session, waits=True),
    Endpoint("DELETE", "/api/2.0/sql/sessions/*", close_session),
    Endpoint("GET", f"{_DOWNLOADS}/*", stream=download_chunk, public=True),
)
