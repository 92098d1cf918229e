"""Listing workspace folders without the SDK, whose import takes longer than most listings.

Only for credentials that are a token as they stand; other ways to sign in are the SDK's business.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import brickloop
from brickloop.errors import ConnectionFailed, NotAuthenticated, WorkFailed

_SECONDS = 10.0
_PARALLEL = 8


@dataclass(frozen=True)
class Listed:
    """One object as a listing shows it."""

    path: str
    kind: str
    """``NOTEBOOK``, ``FILE``, ``DIRECTORY``, ..."""
    object_id: int | None
    modified_at: int | None


def list_folders(
    host: str, token: str, folders: Iterable[str]
) -> dict[str, dict[str, Listed] | None]:
    """What each folder holds, by path; None for a folder that is not there. One request each.

    Raises ConnectionFailed, NotAuthenticated, or WorkFailed for any other answer.
    """
    wanted = list(folders)
    if not wanted:
        return {}
    shares = [wanted[number::_PARALLEL] for number in range(min(_PARALLEL, len(wanted)))]
    with ThreadPoolExecutor(len(shares)) as pool:
        found: dict[str, dict[str, Listed] | None] = {}
        for part in pool.map(lambda share: _list(host, token, share), shares):
            found.update(part)
    return found


def _list(host: str, token: str, folders: list[str]) -> dict[str, dict[str, Listed] | None]:
    parts = urlsplit(host)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.netloc, timeout=_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=_SECONDS)
    headers = {
        "Authorization": f"Bearer {token}",
        "User-Agent": f"brickloop/{brickloop.__version__}",
    }
    found: dict[str, dict[str, Listed] | None] = {}
    try:
        for folder in folders:
            connection.request(
                "GET", f"/api/2.0/workspace/list?path={quote(folder, safe='')}", headers=headers
            )
            answer = connection.getresponse()
            found[folder] = _objects(host, answer.status, answer.read())
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionFailed(
            f"the connection failed: {type(error).__name__}", where=host, hint="check the network"
        ) from None
    finally:
        connection.close()
    return found


def _objects(host: str, status: int, body: bytes) -> dict[str, Listed] | None:
    if status == 404:
        return None
    if status in {401, 403}:
        raise NotAuthenticated("the workspace does not accept the credentials", where=host)
    try:
        objects = json.loads(body).get("objects") or [] if status == 200 else None
        if objects is not None:
            return {
                one["path"]: Listed(
                    one["path"], one["object_type"], one.get("object_id"), one.get("modified_at")
                )
                for one in objects
            }
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise WorkFailed(f"the workspace answered {status} to a listing", where=host)
