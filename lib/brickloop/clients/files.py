"""Files of a workspace by path: DBFS, volumes and workspace files behind one small port."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from brickloop.clients.workspace import translate
from brickloop.errors import OutputUnavailable
from brickloop.model.paths import Store, parse_remote_path

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_BLOCK = 1024 * 1024


class RemoteFiles:
    """The files of one workspace; paths are written as in notebooks."""

    def __init__(self, client: WorkspaceClient, host: str) -> None:
        self._client = client
        self._host = host

    def read(self, path: str) -> bytes:
        """A file's bytes; raises OutputUnavailable where there is no such file."""
        data = self.read_if_there(path)
        if data is None:
            raise OutputUnavailable(
                "there is no such file",
                where=path,
                hint="check the path, and that the run wrote it",
            )
        return data

    def read_if_there(self, path: str) -> bytes | None:
        """A file's bytes, None where there is no such file."""
        from databricks.sdk.errors import InvalidParameterValue, NotFound

        remote = parse_remote_path(path)
        with translate(self._host):
            try:
                if remote.store is Store.DBFS:
                    return self._read_dbfs(remote.path)
                if remote.store is Store.VOLUME:
                    contents = self._client.files.download(remote.path).contents
                    return contents.read() if contents is not None else b""
                return self._client.workspace.download(remote.path).read()
            except (NotFound, InvalidParameterValue):
                return None

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
        from databricks.sdk.errors import NotFound

        remote = parse_remote_path(path)
        with translate(self._host):
            try:
                if remote.store is Store.DBFS:
                    self._client.dbfs.get_status(remote.path)
                elif remote.store is Store.WORKSPACE:
                    self._client.workspace.get_status(remote.path)
                else:
                    try:
                        self._client.files.get_metadata(remote.path)
                    except NotFound:
                        self._client.files.get_directory_metadata(remote.path)
            except NotFound:
                return False
        return True

    def _read_dbfs(self, path: str) -> bytes:
        blocks: list[bytes] = []
        offset = 0
        while True:
            answer = self._client.dbfs.read(path, offset=offset, length=_BLOCK)
            block = base64.b64decode(answer.data or "")
            if not block:
                return b"".join(blocks)
            blocks.append(block)
            offset += len(block)
            if len(block) < _BLOCK:
                return b"".join(blocks)
