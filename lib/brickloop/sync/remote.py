"""The workspace side of a sync: a small port, and the SDK behind it.

No write is ever sent twice by itself. The SDK repeats a request after a lost connection; a delete
whose answer was lost would then remove what somebody made there in the meantime. A request body
that cannot be rewound is sent once only, so every write goes out with such a body; whoever calls
decides, after looking again, whether to send it once more.

Source: https://docs.databricks.com/api/workspace/workspace
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from brickloop.clients.workspace import translate
from brickloop.errors import WorkFailed
from brickloop.model.notebook import Language, NotebookFormat
from brickloop.model.paths import workspace_path

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_API = "/api/2.0/workspace"


class Kind(str, Enum):
    """What an entry of a tree is."""

    FILE = "FILE"
    NOTEBOOK = "NOTEBOOK"
    DIRECTORY = "DIRECTORY"
    OPAQUE = "OPAQUE"
    """Something sync never touches: a library, a dashboard, a git folder, a link."""


@dataclass(frozen=True)
class Stamp:
    """All the workspace says about an object without its content; equality means unchanged."""

    kind: Kind
    object_id: int | None
    modified_at: int | None
    """Milliseconds, by the workspace's clock; compared for equality only."""
    size: int | None = None
    """Bytes; None where the workspace does not say (notebooks)."""
    language: Language | None = None

    def agrees(self, other: Stamp | None) -> bool:
        """Whether nothing tells the two apart; a size that one side lacks does not count."""
        if other is None or self.modified_at is None:
            return False
        sizes = self.size == other.size or None in {self.size, other.size}
        return sizes and (self.kind, self.object_id, self.modified_at, self.language) == (
            other.kind,
            other.object_id,
            other.modified_at,
            other.language,
        )


@dataclass(frozen=True)
class RemoteEntry:
    """One object of the workspace."""

    name: str
    stamp: Stamp
    format: NotebookFormat | None = None
    """How a notebook is best exported; listings do not say."""

    @property
    def kind(self) -> Kind:
        """What the object is."""
        return self.stamp.kind


@dataclass(frozen=True)
class Content:
    """What is written to the workspace."""

    kind: Kind
    data: bytes
    language: Language | None = None
    format: NotebookFormat | None = None


class RemoteFault(WorkFailed):
    """The workspace did not do what one request asked."""


class Missing(RemoteFault):
    """There is nothing at the path, or its parent folder is not there."""


class AlreadyThere(RemoteFault):
    """There is something at the path already."""


class NotEmpty(RemoteFault):
    """The folder still holds something."""


class Refused(RemoteFault):
    """The workspace said no; it did nothing."""


class Throttled(RemoteFault):
    """The workspace asks to wait."""

    def __init__(self, message: str, *, where: str | None = None, seconds: float = 1.0) -> None:
        super().__init__(message, where=where, hint="try again in a moment")
        self.seconds = seconds


class Ambiguous(RemoteFault):
    """No answer, or one that does not tell whether the write was done."""


class Remote(Protocol):
    """What sync needs of a workspace. Paths are absolute, ``/Workspace/...``."""

    def list_folder(self, path: str) -> list[RemoteEntry]:
        """What a folder holds; raises Missing."""

    def status(self, path: str) -> RemoteEntry:
        """The object at a path, a notebook's format included; raises Missing."""

    def export(self, path: str, kind: Kind, format: NotebookFormat | None) -> bytes:
        """The content of a file or notebook; raises Missing."""

    def put(self, path: str, content: Content, *, overwrite: bool) -> None:
        """Write; raises Missing (no parent), AlreadyThere, Refused, Throttled or Ambiguous."""

    def delete(self, path: str) -> None:
        """Remove one object or an empty folder; raises Missing, NotEmpty and as ``put``."""

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents; raises AlreadyThere over a file, and as ``put``."""


class WorkspaceRemote:
    """A Remote that is a Databricks workspace; safe to share between threads."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._api = client.api_client
        self.host = str(client.config.host or "")
        self._headers: dict[str, str] = {}
        if client.config.workspace_id:
            self._headers["X-Databricks-Workspace-Id"] = str(client.config.workspace_id)
        # parallel mkdirs have made two folders of one name
        self._folders = threading.Lock()

    def list_folder(self, path: str) -> list[RemoteEntry]:
        answer = self._read("list", path)
        objects = answer.get("objects") or []
        return [_entry(found) for found in objects]

    def status(self, path: str) -> RemoteEntry:
        return _entry(self._read("get-status", path, return_export_info="true"))

    def export(self, path: str, kind: Kind, format: NotebookFormat | None) -> bytes:
        wanted = "AUTO" if kind is Kind.FILE else (format or NotebookFormat.SOURCE).value
        with translate(self.host), _told(path, write=False):
            answer: Any = self._api.do(
                "GET",
                f"{_API}/export",
                query={"path": path, "format": wanted, "direct_download": "true"},
                headers=dict(self._headers),
                raw=True,
            )
            with answer["contents"] as stream:
                data: bytes = stream.read()
            return data

    def put(self, path: str, content: Content, *, overwrite: bool) -> None:
        fields: dict[str, Any] = {"path": path}
        if content.kind is Kind.FILE:
            fields["format"] = "RAW"
        else:
            fields["format"] = (content.format or NotebookFormat.SOURCE).value
            if content.language is not None and fields["format"] == "SOURCE":
                fields["language"] = content.language.value
        if overwrite:
            fields["overwrite"] = "true"
        from urllib3.filepost import encode_multipart_formdata

        body, content_type = encode_multipart_formdata(
            {**fields, "content": ("content", content.data, "application/octet-stream")}
        )
        self._write("import", path, body, content_type)

    def delete(self, path: str) -> None:
        self._write("delete", path, json.dumps({"path": path, "recursive": False}).encode())

    def make_folder(self, path: str) -> None:
        with self._folders:
            self._write("mkdirs", path, json.dumps({"path": path}).encode())

    def _read(self, call: str, path: str, **more: str) -> dict[str, Any]:
        with translate(self.host), _told(path, write=False):
            answer: Any = self._api.do(
                "GET",
                f"{_API}/{call}",
                query={"path": path, **more},
                headers={"Accept": "application/json", **self._headers},
            )
            return dict(answer)

    def _write(
        self, call: str, path: str, body: bytes, content_type: str = "application/json"
    ) -> None:
        with translate(self.host), _told(path, write=True):
            self._api.do(
                "POST",
                f"{_API}/{call}",
                headers={
                    "Accept": "application/json",
                    "Content-Type": content_type,
                    **self._headers,
                },
                data=_SentOnce(body),
            )


class _SentOnce:
    """A request body that cannot be rewound: the SDK does not repeat such a request."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(1 << 20):
            yield block

    def read(self, count: int = -1) -> bytes:
        end = len(self._data) if count is None or count < 0 else self._at + count
        block = bytes(self._data[self._at : end])
        self._at += len(block)
        return block


@contextlib.contextmanager
def _told(path: str, *, write: bool) -> Iterator[None]:
    """Turn the SDK's errors of one request into RemoteFaults; others pass."""
    try:
        yield
    except Exception as error:
        fault = _fault(error, path, write=write)
        if fault is None:
            raise
        raise fault from error


def _fault(error: Exception, path: str, *, write: bool) -> RemoteFault | None:
    import requests
    from databricks.sdk import errors as sdk
    from databricks.sdk.core import DatabricksError

    if isinstance(error, requests.RequestException):
        never_sent = "NewConnectionError" in repr(error) or "ConnectTimeout" in repr(error)
        if write and not never_sent:
            return Ambiguous("the connection was lost before the answer came", where=path)
        return None
    if not isinstance(error, DatabricksError):
        return None
    # the SDK appends its settings to a refusal
    text = str(error).split(". Config:", 1)[0].strip() or type(error).__name__
    code = error.error_code or ""
    if isinstance(error, sdk.NotFound):
        return Missing(text, where=path)
    if isinstance(error, sdk.ResourceConflict) or (
        isinstance(error, sdk.BadRequest) and "already exists" in text.lower()
    ):
        return AlreadyThere(text, where=path)
    if code == "DIRECTORY_NOT_EMPTY":
        return NotEmpty(text, where=path)
    if isinstance(error, sdk.TooManyRequests | sdk.TemporarilyUnavailable):
        after = error.retry_after_secs
        return Throttled(text, where=path, seconds=1.0 if after is None else float(after))
    if isinstance(error, sdk.Unauthenticated):
        return None
    if isinstance(error, sdk.PermissionDenied):
        return None if "token" in text.lower() else Refused(f"not allowed: {text}", where=path)
    if isinstance(error, sdk.BadRequest | sdk.NotImplemented):
        return Refused(f"{text} [{code}]" if code else text, where=path)
    kind = Ambiguous if write else RemoteFault
    return kind(f"the workspace answered: {text}", where=path)


def _entry(found: Mapping[str, Any]) -> RemoteEntry:
    path = str(found.get("path") or "")
    name = path.rstrip("/").rsplit("/", 1)[-1]
    type_name = str(found.get("object_type") or "")
    kind = Kind(type_name) if type_name in Kind.__members__ else Kind.OPAQUE
    language = str(found.get("language") or "")
    exported = str(found.get("repos_export_format") or "")
    stamp = Stamp(
        kind,
        _whole(found.get("object_id")),
        _whole(found.get("modified_at")),
        _whole(found.get("size")),
        Language(language) if language in Language.__members__ else None,
    )
    format = NotebookFormat(exported) if exported in NotebookFormat.__members__ else None
    return RemoteEntry(name, stamp, format)


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).lstrip("-").isdigit() else None


def normal_folder(path: str) -> str:
    """The one spelling of a workspace folder; raises PathError for a relative or upward path."""
    return workspace_path(path)
