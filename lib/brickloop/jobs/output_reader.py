"""Reading what a notebook wrote through NotebookOutput, while it is written or afterwards."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from brickloop.clients.files import RemoteFiles
from brickloop.errors import OutputUnavailable
from brickloop.model.document import Assembler, Document, Section

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


class DocumentFollower:
    """Reads one run's output as far as it has come; call ``finish`` once the run has ended.

    What is wrong with an output never stops the one who follows a run: it is in ``error``, and in
    the document's ``reason``. Errors of the connection come through.
    """

    def __init__(self, files: RemoteFiles, folder: str) -> None:
        self._files = files
        self._folder = folder.rstrip("/")
        self._assembler = Assembler()
        self._next = 1
        self._seen = 0
        self._ended: bool | None = None
        self.error: OutputUnavailable | None = None
        """What is wrong with the output, None as long as nothing is."""

    def poll(self) -> list[Section]:
        """The sections that have come since the last look; one request where none has."""
        found: list[Section] = []
        while True:
            chunk = self._files.read_if_there(f"{self._folder}/c-{self._next:06d}.ndjson")
            if chunk is None:
                return found
            self._next += 1
            for section in self._assembler.feed(chunk):
                found.append(self._with_image(section))

    def finish(self, *, succeeded: bool) -> list[Section]:
        """The last sections, now that the run has ended; never waits for what will not come.

        A notebook that ended without closing its output (its driver was killed, say) leaves an
        incomplete document, unless its run ``succeeded``: then nothing is missing.
        """
        found = self.poll()
        self._ended = succeeded
        return found

    def document(self) -> Document | None:
        """The document as far as it has been read, None where nothing was written."""
        if self._next == 1:
            return None
        document = self._assembler.document()
        if document.complete or self._ended is None:
            return document
        if self._ended:
            return replace(document, status="finished", complete=True)
        return replace(document, reason="the notebook ended before it had closed its output")

    def _with_image(self, section: Section) -> Section:
        index, self._seen = self._seen, self._seen + 1
        if section.blob is None or not section.blob.startswith("blob/") or ".." in section.blob:
            return section
        data = self._files.read_if_there(f"{self._folder}/{section.blob}")
        if data is not None:
            self._assembler.replace_image(index, base64.b64decode(data))
        return self._assembler.document().sections[index]


class NotebookOutputReader:
    """Reads text outputs by path, from any of the workspace's stores."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._files = RemoteFiles(client, client.config.host or "")

    def read_output(self, output_path: str = "/tmp/notebook_output.txt") -> str:
        """The text at a path; raises OutputUnavailable where it is missing, empty or not text."""
        data = self._files.read(output_path)
        if not data:
            raise OutputUnavailable("the file is empty", where=output_path)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise OutputUnavailable(
                f"the file is not text (byte {error.start})", where=output_path
            ) from None
