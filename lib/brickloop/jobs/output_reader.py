"""Reading what a notebook wrote through NotebookOutput, while it is written or afterwards."""

from __future__ import annotations

import base64
import binascii
import codecs
import datetime
import hashlib
import heapq
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from brickloop.clients.files import FileStatus, RemoteFiles, write_whole
from brickloop.errors import (
    OutputDamaged,
    OutputEmpty,
    OutputMissing,
    OutputNotOurs,
    OutputNotText,
    OutputUnavailable,
)
from brickloop.model.document import (
    Assembler,
    Document,
    Section,
    chunk_hash,
    is_sealed,
    join_documents,
    unsealed_reason,
)

DEFAULT_PATHS = (
    "/Volumes/main/default/brickloop/notebook_output.txt",
    "/tmp/notebook_output.txt",
)
"""Where NotebookOutput writes when it is not told where; the first that is there is meant."""
_WRITER = re.compile(r"(\d{8}T\d{12})-([0-9a-f]{8})\.(\d{1,6})")
_CHUNK = re.compile(r"c-\d{6}\.ndjson")
_CONTINUED = re.compile(rb"\n\[brickloop: continued in ([^\n/]{1,255})\]\n\Z")
_MARK_BYTES = 400
_BLOCK = 1024 * 1024
_AT_ONCE = 12
_LISTED_EVERY = 4
_PAUSE = 0.5
_CLOSED_EARLY = "output incomplete: the notebook ended before it had closed its output"


class Files(Protocol):
    """What is read from: ``RemoteFiles``, or a folder that stands in for it."""

    def read_if_there(self, path: str) -> bytes | None:
        """A file's bytes, None where there is none."""

    def names(self, path: str) -> list[str] | None:
        """The names in a folder, None where there is none."""


@dataclass
class _Writer:
    """How far one writer's chunks have been read."""

    folder: str
    order: int
    assembler: Assembler
    next: int = 1
    hashes: list[str] = field(default_factory=list)
    images: dict[int, bytes] = field(default_factory=dict)
    taken: int = 0
    verified: bool = False


class DocumentFollower:
    """Reads one run's output as far as it has come; call ``finish`` once the run has ended.

    ``folder`` is the one that the run was told to write below. A retry of the run begins a new
    document, and the earlier one is left out. What is wrong with an output never stops the one who
    follows a run: it is in ``error``, and in the document's ``reason``. Errors of the connection
    come through.
    """

    def __init__(self, files: Files, folder: str, *, keep: bool = True) -> None:
        self._files = files
        self._folder = folder.rstrip("/")
        self._keep = keep
        self._writers: dict[str, _Writer] = {}
        self._attempt = ""
        self._attempts = 0
        self._looks = 0
        self._over = False
        self._succeeded: bool | None = None
        self.error: OutputUnavailable | None = None
        """What is wrong with the output, None as long as nothing is."""

    def poll(self) -> list[Section]:
        """The sections that have come since the last look, those of kind ``progress`` among them.

        One request where none has, at times two: the folder is listed while nothing is there, and
        now and then for further attempts and writers.
        """
        return self._read(thoroughly=False)

    def finish(self, *, succeeded: bool | None, grace: float = 0.0) -> list[Section]:
        """The last sections, now that the run has ended; never waits for what will not come.

        A notebook that ended without closing its output (its driver was killed, say) is given
        ``grace`` seconds. After that its document is incomplete, unless its run ``succeeded``: then
        nothing is missing. None stands for a run of which nothing is known.
        """
        found = self._read(thoroughly=True)
        until = time.monotonic() + grace
        while not succeeded and self._is_open() and time.monotonic() < until:
            time.sleep(min(_PAUSE, grace))
            found += self._read(thoroughly=True)
        self._over, self._succeeded = True, succeeded
        for writer in self._writers.values():
            if self.error is None and not writer.assembler.ended:
                unsealed = self._files.read_if_there(_chunk_path(writer))
                self.error = None if unsealed is None else unsealed_reason(unsealed)
        return found

    def document(self) -> Document | None:
        """The document as far as it has been read, None where nothing was written."""
        if not any(writer.next > 1 for writer in self._writers.values()):
            if self.error is None:
                return None
            return Document(reason=str(self.error), attempt=max(self._attempts, 1))
        documents = [self._document_of(each) for each in self._writers.values() if each.next > 1]
        document = replace(join_documents(documents), attempt=max(self._attempts, 1))
        if self._over and self._succeeded is False:
            document = replace(document, status="failed")
        if self.error is not None:
            return replace(document, complete=False, reason=str(self.error))
        return document

    def stream(self) -> Iterator[Section]:
        """Every section that is there, by time, held one at a time; then ``finish`` the rest.

        For outputs that may be larger than memory, with ``keep=False``.
        """
        try:
            self._find_writers()
            streams = [self._read_chunks(writer) for writer in self._writers.values()]
            yield from heapq.merge(*streams, key=lambda section: section.at)
        except OutputUnavailable as error:
            self.error = error

    @property
    def ended(self) -> bool:
        """Whether every writer that has been seen has closed its output."""
        return bool(self._writers) and not self._is_open()

    def _read(self, *, thoroughly: bool) -> list[Section]:
        found: list[Section] = []
        if self.error is not None:
            return found
        try:
            self._looks += 1
            if thoroughly or not self._is_open() or self._looks % _LISTED_EVERY == 0:
                self._find_writers()
            for writer in self._writers.values():
                found += self._read_chunks(writer)
        except OutputUnavailable as error:
            self.error = error
        return found

    def _is_open(self) -> bool:
        return any(not writer.assembler.ended for writer in self._writers.values())

    def _find_writers(self) -> None:
        names = self._files.names(self._folder) or []
        if any(_CHUNK.fullmatch(name) for name in names):
            # the folder of one writer was named, or of one whose names are not ours
            self._add_writer(self._folder, 1)
            return
        found = [match for match in map(_WRITER.fullmatch, names) if match]
        if not found:
            return
        found.sort(key=lambda match: (match[1], int(match[3])))
        attempt = found[-1][2]
        self._attempts = len({match[2] for match in found})
        if attempt != self._attempt:
            self._attempt = attempt
            self._writers.clear()
        for order, match in enumerate(found):
            if match[2] == attempt:
                self._add_writer(f"{self._folder}/{match[0]}", order)

    def _add_writer(self, folder: str, order: int) -> None:
        if folder not in self._writers:
            self._writers[folder] = _Writer(folder, order, Assembler(keep=self._keep))
            self._writers = dict(sorted(self._writers.items(), key=lambda item: item[1].order))

    def _read_chunks(self, writer: _Writer) -> Iterator[Section]:
        for chunk in self._chunks(writer):
            writer.next += 1
            writer.hashes.append(chunk_hash(chunk))
            for section in writer.assembler.feed(chunk):
                yield self._with_image(writer, section)
        if writer.assembler.ended and not writer.verified:
            self._verify(writer)

    def _chunks(self, writer: _Writer) -> Iterator[bytes]:
        """The sealed chunks from the writer's next one on; the more come, the more at a time."""
        at_once = rounds = 1
        while not writer.assembler.ended:
            paths = [_chunk_path(writer, ahead) for ahead in range(at_once)]
            if at_once == 1:
                found = [self._files.read_if_there(paths[0])]
            else:
                with ThreadPoolExecutor(at_once) as pool:
                    found = list(pool.map(self._files.read_if_there, paths))
            for chunk in found:
                if chunk is None or not is_sealed(chunk) or writer.assembler.ended:
                    return
                yield chunk
            rounds += 1
            if rounds > 2:
                at_once = min(at_once * 2, _AT_ONCE)

    def _verify(self, writer: _Writer) -> None:
        """Compare what was read with the list that the writer left."""
        data = self._files.read_if_there(f"{writer.folder}/_DONE.json")
        if data is None:
            return
        try:
            done = json.loads(data)
            if done["sha256"] != writer.hashes or done["chunks"] != len(writer.hashes):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise OutputDamaged(
                "the output is not the one that was written: its parts do not match _DONE.json",
                where=writer.folder,
            ) from None
        writer.verified = True

    def _with_image(self, writer: _Writer, section: Section) -> Section:
        index = writer.taken
        if section.kind != "progress":
            writer.taken += 1
        if section.blob is None:
            return section
        image = self._read_blob(f"{writer.folder}/{section.blob}", section)
        if image is None:
            return replace(section, notes=(*section.notes, "The figure's bytes are missing."))
        if self._keep:
            writer.images[index] = image
        return replace(section, image=image)

    def _read_blob(self, path: str, section: Section) -> bytes | None:
        names = [path]
        if section.pieces > 1:
            names = [f"{path}.{number}" for number in range(1, section.pieces + 1)]
        pieces = [self._files.read_if_there(name) for name in names]
        data = b"".join(piece for piece in pieces if piece is not None)
        if path.endswith(".b64"):
            try:
                data = base64.b64decode(data, validate=True)
            except binascii.Error:
                return None
        name = path.rsplit("/", 1)[-1].split(".", 1)[0]
        return data if hashlib.sha256(data).hexdigest() == name else None

    def _document_of(self, writer: _Writer) -> Document:
        document = writer.assembler.document()
        sections = list(document.sections)
        for index, section in enumerate(sections):
            if section.blob is not None:
                image = writer.images.get(index)
                notes = ("The figure's bytes are missing.",) if image is None else ()
                sections[index] = replace(section, image=image, notes=section.notes + notes)
        document = replace(document, sections=tuple(sections))
        if document.complete or not self._over:
            return document
        if self._succeeded:
            return replace(document, status="finished", complete=True)
        return replace(document, reason=_CLOSED_EARLY)


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
            reason = _CLOSED_EARLY if over else f"nothing has come for {silence:.0f} s"
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


def _chunk_path(writer: _Writer, ahead: int = 0) -> str:
    return f"{writer.folder}/c-{writer.next + ahead:06d}.ndjson"
