"""Reading outputs by their path: texts, copies, and live documents, of any size."""

from __future__ import annotations

import codecs
import datetime
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from brickloop.clients.files import FileStatus, RemoteFiles, write_whole
from brickloop.errors import OutputDamaged, OutputEmpty, OutputMissing, OutputNotOurs, OutputNotText
from brickloop.jobs.document_follower import CLOSED_EARLY, DocumentFollower
from brickloop.model.document import Document, Section

DEFAULT_PATHS = (
    "/Volumes/main/default/brickloop/notebook_output.txt",
    "/tmp/notebook_output.txt",
)
"""Where NotebookOutput writes when it is not told where; the first that is there is meant."""
_CONTINUED = re.compile(rb"\n\[brickloop: continued in ([^\n/]{1,255})\]\n\Z")
_MARK_BYTES = 400
_BLOCK = 1024 * 1024
_PAUSE = 0.5


class OutputReader:
    """Reads outputs by path from any of the workspace's stores.

    A path is a file that NotebookOutput or anything else wrote, or the folder of a live document.
    Each way in which an output can be unavailable is an error of its own (``brickloop.errors``).
    """

    def __init__(self, files: RemoteFiles) -> None:
        self._files = files

    def read_output(self, output_path: str | None = None) -> str:
        """The text at a path, by default where NotebookOutput writes by default."""
        return "".join(self.text_blocks(output_path))

    def text_blocks(self, output_path: str | None = None) -> Iterator[str]:
        """The text at a path in pieces of about 1 MB; raises OutputNotText for other bytes."""
        path, status = self._find(output_path)
        if status.is_folder:
            for block in self._document_blocks(path):
                yield block.decode("utf-8")
            return
        decoder = codecs.getincrementaldecoder("utf-8")()
        read = begun = 0
        try:
            for block in self._file_blocks(path):
                # what is left of a character that began in the block before is decoded again
                begun = read - len(decoder.getstate()[0])
                yield decoder.decode(block)
                read += len(block)
            begun = read - len(decoder.getstate()[0])
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise OutputNotText(
                f"the file is not UTF-8 text: byte {begun + error.start:,} is none",
                where=path,
                hint="copy_output copies it as it is",
            ) from None
        if read == 0:
            raise OutputEmpty("the file is empty", where=path, hint="did the notebook write to it?")

    def is_document(self, path: str) -> bool:
        """Whether a path is a folder, and so a live document's. Raises OutputMissing."""
        return self._find(path)[1].is_folder

    def copy_output(
        self,
        output_path: str,
        local_file: str | Path,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> int:
        """Copy an output to a local file, whole or not at all; its size in bytes.

        Holds a few megabytes however large the output is. A live document becomes its text form.
        """
        path, status = self._find(output_path)

        def blocks() -> Iterator[bytes]:
            size = 0
            for block in self._file_blocks(path):
                size += len(block)
                yield block
                if progress is not None:
                    progress(size, status.size)
            if size == 0:
                raise OutputEmpty("the file is empty", where=path)

        source = self._document_blocks(path) if status.is_folder else blocks()
        return write_whole(Path(local_file), source)

    def read_document(self, folder: str) -> Document:
        """The document below a folder as far as it has come."""
        follower = DocumentFollower(self._files, folder)
        follower.finish(succeeded=None)
        return _settled(follower, folder)

    def follow(
        self,
        folder: str,
        *,
        run_ended: Callable[[], bool] | None = None,
        silence: float = 600.0,
    ) -> Iterator[Section]:
        """Each section of a live document as it comes, until the document is closed.

        Ends too when ``run_ended`` says that no more will come, or when nothing has come for
        ``silence`` seconds; then the last section is a warning that the output is incomplete. A
        file is one section.
        """
        status = self._files.status(folder)
        if status is not None and not status.is_folder:
            yield Section("text", folder, text=self.read_output(folder))
            return
        follower = DocumentFollower(self._files, folder, keep=False)
        heard = time.monotonic()
        while True:
            over = run_ended is not None and run_ended()
            sections = follower.finish(succeeded=None) if over else follower.poll()
            yield from sections
            if sections:
                heard = time.monotonic()
            if follower.ended or follower.error is not None:
                break
            if over or time.monotonic() - heard > silence:
                break
            time.sleep(_PAUSE)
        reason = None
        if follower.error is not None:
            reason = str(follower.error)
        elif not follower.ended:
            reason = CLOSED_EARLY if over else f"nothing has come for {silence:.0f} s"
        if reason is not None:
            yield Section("warning", "Output incomplete", text=reason, at=time.time())

    def _find(self, output_path: str | None) -> tuple[str, FileStatus]:
        paths = (str(output_path),) if output_path else DEFAULT_PATHS
        for path in paths:
            status = self._files.status(path)
            if status is not None:
                return path, status
        hint = "check the path, and that the run wrote it"
        if paths[-1].startswith(("/tmp", "dbfs:")):
            hint += "; where DBFS is switched off, outputs go to /Volumes/..."
        raise OutputMissing("there is no output", where=" or ".join(paths), hint=hint)

    def _document_blocks(self, folder: str) -> Iterator[bytes]:
        """The text form of a live document; its sections go through the disk, not memory."""
        follower = DocumentFollower(self._files, folder, keep=False)
        begun = None
        with tempfile.SpooledTemporaryFile(max_size=_BLOCK) as body:
            for section in follower.stream():
                if section.kind != "progress":
                    begun = begun or section.at
                    body.write(_section_block(section).encode("utf-8"))
            follower.finish(succeeded=None)
            document = _settled(follower, folder)
            yield _head_block(document, begun or time.time()).encode("utf-8")
            body.seek(0)
            while block := body.read(_BLOCK):
                yield block
            yield _last_block(document).encode("utf-8")

    def _file_blocks(self, path: str) -> Iterator[bytes]:
        """A file's blocks, and those of the files that it says it is continued in."""
        folder = path.rpartition("/")[0]
        seen: set[str] = set()
        while True:
            held = b""
            for block in self._files.blocks(path):
                held += block
                if len(held) > _MARK_BYTES:
                    yield held[:-_MARK_BYTES]
                    held = held[-_MARK_BYTES:]
            mark = _CONTINUED.search(held)
            if mark is None:
                if held:
                    yield held
                return
            name = mark.group(1).decode("utf-8", "replace")
            if name in seen:
                raise OutputDamaged("the file is continued in itself", where=path)
            seen.add(name)
            if mark.start():
                yield held[: mark.start()]
            path = f"{folder}/{name}"


def document_text(document: Document) -> str:
    """The text form of a document, as ``write_to_dbfs`` writes it."""
    begun = min((section.at for section in document.sections), default=time.time())
    body = "".join(_section_block(section) for section in document.sections)
    return _head_block(document, begun) + body + _last_block(document)


def _head_block(document: Document, begun: float) -> str:
    from brickloop.runtime.plain_text import head_lines

    generated = datetime.datetime.fromtimestamp(begun).isoformat(timespec="seconds")
    return "".join(f"{line}\n" for line in head_lines(document.metadata, generated))


def _section_block(section: Section) -> str:
    from brickloop.runtime.plain_text import section_text, titled_lines

    # in the words of the wire format
    fields = {**vars(section), "size": len(section.image or b"")}
    return "".join(f"{line}\n" for line in titled_lines(section.title, section_text(fields)))


def _last_block(document: Document) -> str:
    from brickloop.runtime.plain_text import LAST_LINE, titled_lines

    lines = [LAST_LINE]
    if not document.complete:
        reason = document.reason or "the notebook has not closed its output"
        lines = [*titled_lines("Output incomplete", reason), LAST_LINE]
    return "".join(f"{line}\n" for line in lines)


def _settled(follower: DocumentFollower, folder: str) -> Document:
    """The document of a follower that has read all there is; raises what is wrong with it."""
    document = follower.document()
    if follower.error is not None:
        error = follower.error
        raise type(error)(error.message, where=error.where or folder, hint=error.hint)
    if document is None:
        raise OutputNotOurs(
            "the folder holds no output of NotebookOutput",
            where=folder,
            hint="give the folder that the run wrote below, or the path of a file",
        )
    return document
