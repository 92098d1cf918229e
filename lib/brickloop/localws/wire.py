"""The API's shapes on the wire: endpoints, calls with checked fields, answers, errors.

Error body: https://docs.databricks.com/api/workspace/introduction (``error_code``, ``message``,
``details``). What goes wrong with a request leaves as an ``ApiError`` and in no other shape.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from brickloop.localws.services import Services

MIB = 1024 * 1024
Answer = dict[str, Any] | Response
Handler = Callable[["Services", "Call"], Answer]
StreamHandler = Callable[["Services", Request, str], Awaitable[Response]]


class ApiError(Exception):
    """A refusal in the API's own words."""

    def __init__(self, status: int, code: str, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.reason = reason
        """Reason of the ErrorInfo in ``details``, where the endpoint gives one."""

    def to_json(self) -> dict[str, Any]:
        """The error body."""
        body: dict[str, Any] = {"error_code": self.code, "message": self.message}
        if self.reason:
            info = "type.googleapis.com/google.rpc.ErrorInfo"
            body["details"] = [{"@type": info, "reason": self.reason, "domain": "databricks.com"}]
        return body


def invalid(message: str) -> ApiError:
    """The refusal of a field or combination of fields that cannot be."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def malformed(message: str) -> ApiError:
    """The refusal of a body that cannot be read."""
    return ApiError(400, "MALFORMED_REQUEST", message)


def not_implemented(what: str) -> ApiError:
    """The refusal of something that a Databricks workspace has and this one has not."""
    return ApiError(501, "NOT_IMPLEMENTED", f"{what} is not available in the local workspace.")


@dataclass(frozen=True)
class Call:
    """One request whose body has been read."""

    method: str
    path: str
    tail: str
    """What follows the endpoint's path, with its leading slash; empty for an exact endpoint."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The query of a GET or DELETE, the JSON or form body of a POST, PUT or PATCH."""
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    """The raw body of an endpoint that takes bytes."""
    upload: Any = None
    """The file part of a multipart form (a seekable binary file), where there is one."""
    origin: str = ""
    """Scheme and host under which the client reached the server, ``http://127.0.0.1:8080``."""

    def text(self, name: str, default: str | None = None) -> str:
        """A text field; without ``default`` it must be there and not be empty."""
        value = self.fields.get(name)
        if value is None or value == "":
            if default is None:
                raise invalid(f"Missing required field: {name}")
            return default
        if not isinstance(value, str):
            raise malformed(f"Could not parse request object: '{name}' must be a string")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text field, None when it is absent or empty."""
        return self.text(name, "") or None

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number; without ``default`` it must be there."""
        value = self.fields.get(name)
        if value is None or value == "":
            if default is None:
                raise invalid(f"Missing required field: {name}")
            return default
        try:
            if isinstance(value, bool | float):
                raise ValueError
            number = int(value)
        except (TypeError, ValueError):
            raise malformed(
                f"Could not parse request object: '{name}' must be a whole number"
            ) from None
        if not -(2**63) <= number < 2**63:
            raise malformed(f"Could not parse request object: '{name}' is out of range")
        return number

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value, ``true`` and ``false`` in a query or a form."""
        value = self.fields.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        raise malformed(f"Could not parse request object: '{name}' must be true or false")

    def mapping(self, name: str) -> dict[str, Any]:
        """A JSON object, empty when it is absent."""
        value = self.fields.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise malformed(f"Could not parse request object: '{name}' must be an object")
        return value

    def decoded(self, name: str) -> bytes:
        """The bytes of a base64 field; absent means empty."""
        value = self.text(name, "")
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise malformed(f"Could not parse request object: '{name}' is not base64") from None


@dataclass(frozen=True)
class Endpoint:
    """One line of a route table."""

    method: str
    path: str
    """Exact, or with a final ``*`` that stands for the rest of the path."""
    handler: Handler | None = None
    body: Literal["fields", "bytes", "stream"] = "fields"
    stream: StreamHandler | None = None
    limit: int = 10 * MIB
    """Largest body in bytes that is read at all."""
    too_large: tuple[str, str] = ("INVALID_PARAMETER_VALUE", "The request body is too large.")
    """Code and message of the refusal beyond ``limit``."""
    public: bool = False
    """Whether it is answered without the token."""
    waits: bool = False
    """Whether its handler may wait for long; such ones have threads of their own."""


def parse_json(content: bytes) -> dict[str, Any]:
    """The object in a request body; an empty body is an empty object."""
    if not content.strip():
        return {}
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise malformed(f"Invalid JSON given in the body of the request: {error}") from None
    if not isinstance(value, dict):
        raise malformed("Invalid JSON given in the body of the request - expected a map")
    return value


def page_of(
    items: list[Any], token: str | None, limit: int
) -> tuple[list[Any], str | None, str | None]:
    """One page of ``items`` with the tokens of the next and the previous page.

    A token is the offset of its page. Raises ApiError for a token that no page carried.
    """
    try:
        start = int(token) if token else 0
        if start < 0:
            raise ValueError
    except ValueError:
        raise invalid(f"Invalid page token: '{token}'") from None
    end = start + limit
    following = str(end) if end < len(items) else None
    before = str(max(0, start - limit)) if start > 0 else None
    return items[start:end], following, before
