"""Files of a workspace by path: DBFS, volumes and workspace files behind one small port."""

from __future__ import annotations

import binascii
import contextlib
import io
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.clients.workspace import translate
from brickloop.errors import OutputForbidden, OutputMissing, OutputUnavailable
from brickloop.model.paths import RemotePath, Store, parse_remote_path
from brickloop.model.whole_file import whole_file

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_BLOCK = 1024 * 1024
"""DBFS gives no more in one request."""
_AT_ONCE = 12
"""Requests for blocks of one file that are under way together; each holds some 3 MB."""
_ATTEMPTS = 3
_USE_A_VOLUME = (
    "DBFS root is switched off or closed in many workspaces: write to a volume instead,"
    " /Volumes/<catalog>/<schema>/<volume>/..."
)


@dataclass(frozen=True)
class FileStatus:
    """What stands at a path."""

    is_folder: bool
    size: int | None
    """Bytes of a file, None where the store does not say."""


class RemoteFiles:
    """The files of one workspace; paths are written as in notebooks.

    What may not be read raises OutputForbidden; errors of the connection are those of
    ``clients.workspace``.
    """

    def __init__(self, client: WorkspaceClient, host: str) -> None:
        self._client = client
        self._host = host

    def read(self, path: str) -> bytes:
        """A file's bytes; raises OutputMissing where there is no such file."""
        return b"".join(self.blocks(path))

    def read_if_there(self, path: str) -> bytes | None:
        """A file's bytes, None where there is no such file; one request for up to 1 MB."""
        from databricks.sdk.errors import InvalidParameterValue, NotFound

        remote = parse_remote_path(path)
        with self._reading(remote):
            try:
                if remote.store is Store.DBFS:
                    first = self._read_block(remote.path, 0)
                    if len(first) < _BLOCK:
                        return first
                    return b"".join(self._dbfs_blocks(remote.path, None, first))
                return b"".join(self._streamed_blocks(remote))
            except (NotFound, InvalidParameterValue):
                return None

    def blocks(self, path: str) -> Iterator[bytes]:
        """A file's bytes in pieces of about 1 MB, in order; no more than a few are held at once.

        Raises OutputMissing where there is no such file, OutputUnavailable for a folder and for a
        file that changes meanwhile.
        """
        remote = parse_remote_path(path)
        status = self.status(path)
        if status is None:
            raise OutputMissing(
                "there is no such file",
                where=str(remote),
                hint="check the path, and that the run wrote it",
            )
        if status.is_folder:
            raise OutputUnavailable("this is a folder, not a file", where=str(remote))
        with self._reading(remote):
            if remote.store is Store.DBFS:
                yield from self._dbfs_blocks(remote.path, status.size, None)
            else:
                yield from self._streamed_blocks(remote)

    def copy(
        self, path: str, target: Path, progress: Callable[[int, int | None], None] | None = None
    ) -> int:
        """Copy a file to the local disk, whole or not at all; its size in bytes.

        ``progress`` hears the bytes that have come and, where that is known, those there are.
        """
        total = None
        if progress is not None:
            status = self.status(path)
            total = status.size if status else None

        def heard() -> Iterator[bytes]:
            size = 0
            for block in self.blocks(path):
                yield block
                size += len(block)
                if progress is not None:
                    progress(size, total)

        return write_whole(target, heard())

    def status(self, path: str) -> FileStatus | None:
        """What stands at a path, None where nothing does."""
        from databricks.sdk.errors import NotFound

        remote = parse_remote_path(path)
        with self._reading(remote):
            try:
                if remote.store is Store.DBFS:
                    found = self._client.dbfs.get_status(remote.path)
                    return FileStatus(bool(found.is_dir), int(found.file_size or 0))
                if remote.store is Store.WORKSPACE:
                    return self._workspace_status(remote.path)
                try:
                    meta = self._client.files.get_metadata(remote.path)
                    return FileStatus(False, int(meta.content_length or 0))
                except NotFound:
                    self._client.files.get_directory_metadata(remote.path)
                    return FileStatus(True, None)
            except NotFound:
                return None

    def names(self, path: str) -> list[str] | None:
        """The names in a folder, None where there is none."""
        from databricks.sdk.errors import NotFound

        remote = parse_remote_path(path)
        entries: list[Any]
        with self._reading(remote):
            try:
                if remote.store is Store.DBFS:
                    entries = list(self._client.dbfs.list(remote.path))
                elif remote.store is Store.VOLUME:
                    entries = list(self._client.files.list_directory_contents(remote.path))
                else:
                    entries = list(self._client.workspace.list(remote.path))
            except NotFound:
                return None
        return [str(entry.path).rstrip("/").rsplit("/", 1)[-1] for entry in entries]

    def write(self, path: str, data: bytes) -> None:
        """Write a file, replacing one that is there; its folder is made."""
        remote = parse_remote_path(path)
        parent = remote.path.rsplit("/", 1)[0]
        with translate(self._host):
            if remote.store is Store.DBFS:
                with self._client.dbfs.open(remote.path, write=True, overwrite=True) as file:
                    for begin in range(0, len(data), _BLOCK):
                        file.write(data[begin : begin + _BLOCK])
            elif remote.store is Store.VOLUME:
                self._client.files.create_directory(parent)
                self._client.files.upload(remote.path, io.BytesIO(data), overwrite=True)
            else:
                from databricks.sdk.service.workspace import ImportFormat

                self._client.workspace.mkdirs(parent)
                self._client.workspace.upload(
                    remote.path, io.BytesIO(data), format=ImportFormat.RAW, overwrite=True
                )

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        return self.status(path) is not None

    def is_readable(self, path: str) -> bool:
        """Whether there is a file or folder that we may look at."""
        try:
            return self.exists(path)
        except OutputForbidden:
            return False

    def _workspace_status(self, path: str) -> FileStatus:
        from databricks.sdk.service.workspace import ObjectType

        found = self._client.workspace.get_status(path)
        folders = {ObjectType.DIRECTORY, ObjectType.REPO}
        return FileStatus(found.object_type in folders, found.size)

    def _streamed_blocks(self, remote: RemotePath) -> Iterator[bytes]:
        """A volume's or the workspace's file, which come in one answer of any length."""
        if remote.store is Store.VOLUME:
            source: Any = self._client.files.download(remote.path).contents
        else:
            source = self._client.workspace.download(remote.path)
        if source is None:
            return
        with contextlib.closing(source):
            while block := source.read(_BLOCK):
                yield block

    def _dbfs_blocks(self, path: str, size: int | None, first: bytes | None) -> Iterator[bytes]:
        """The blocks of a DBFS file, several requests under way at a time."""
        if size is None:
            size = int(self._client.dbfs.get_status(path).file_size or 0)
        begin = 0
        if first is not None:
            yield first
            begin = len(first)
        expected = deque(range(begin, size, _BLOCK))
        with ThreadPoolExecutor(min(_AT_ONCE, len(expected)) or 1) as pool:
            under_way: deque[tuple[int, Future[bytes]]] = deque()
            try:
                while expected or under_way:
                    while expected and len(under_way) < _AT_ONCE:
                        offset = expected.popleft()
                        under_way.append((offset, pool.submit(self._read_block, path, offset)))
                    offset, answer = under_way.popleft()
                    block = answer.result()
                    del answer
                    if len(block) != min(_BLOCK, size - offset):
                        raise OutputUnavailable(
                            "the file changed while it was read",
                            where=f"dbfs:{path}",
                            hint="read it again once the run has ended",
                        )
                    yield block
            finally:
                for _, waiting in under_way:
                    waiting.cancel()

    def _read_block(self, path: str, offset: int) -> bytes:
        """Up to 1 MB from ``offset``, empty beyond the end."""
        import requests

        query = {"path": path, "offset": offset, "length": _BLOCK}
        for attempt in range(1, _ATTEMPTS + 1):
            answer: Any = self._client.api_client.do(
                "GET",
                "/api/2.0/dbfs/read",
                query=query,
                headers={"Accept": "application/json"},
                raw=True,
            )
            try:
                with contextlib.closing(answer["contents"]) as contents:
                    # in one piece: the SDK joins several by copying each time
                    contents.set_chunk_size(2 * _BLOCK)
                    return _decoded(contents.read())
            except (requests.RequestException, OSError):
                # the SDK tries a request again, not an answer that broke off
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError

    @contextlib.contextmanager
    def _reading(self, remote: RemotePath) -> Iterator[None]:
        """Errors as ``translate`` has them, but for what may not be read."""
        from databricks.sdk.errors import PermissionDenied
        from databricks.sdk.errors.base import DatabricksError

        with translate(self._host):
            try:
                yield
            except DatabricksError as error:
                text = str(error).split(" Config: ", 1)[0]
                is_off = remote.store is Store.DBFS and (
                    "DBFS" in text and ("disabled" in text or "not available" in text)
                )
                denied = isinstance(error, PermissionDenied) and "token" not in text.lower()
                if not is_off and not denied:
                    raise
                raise OutputForbidden(
                    f"this may not be read: {text}",
                    where=str(remote),
                    hint=_USE_A_VOLUME
                    if remote.store is Store.DBFS
                    else "ask its owner for the permission to read it",
                ) from error


def write_whole(target: Path, blocks: Iterator[bytes]) -> int:
    """Write a local file from its pieces, whole or not at all; its size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with whole_file(target) as file:
        for block in blocks:
            file.write(block)
            size += len(block)
    return size


def _decoded(answer: bytes) -> bytes:
    """The bytes in an answer of ``dbfs/read``.

    Its base64 is taken out as it stands: a parsed copy of it as text would cost more time and
    memory than all the rest.
    """
    begin = answer.find(b'"data":"')
    if begin >= 0:
        begin += len(b'"data":"')
        end = answer.find(b'"', begin)
        # an escape would be JSON's way, not base64's
        if end >= 0 and answer.find(b"\\", begin, end) < 0:
            return binascii.a2b_base64(memoryview(answer)[begin:end])
    import json

    return binascii.a2b_base64(json.loads(answer).get("data") or "")
