"""Following the output of a run: its sections as they come, and the document that they make."""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import json
import re
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from brickloop.errors import OutputDamaged, OutputUnavailable
from brickloop.model.document import (
    Assembler,
    Document,
    Section,
    chunk_hash,
    is_sealed,
    join_documents,
    unsealed_reason,
)

CLOSED_EARLY = "output incomplete: the notebook ended before it had closed its output"
"""Why a document is incomplete whose notebook ended early."""
_WRITER = re.compile(r"(\d{8}T\d{12})-([0-9a-f]{8})\.(\d{1,6})")
_CHUNK = re.compile(r"c-\d{6}\.ndjson")
_AT_ONCE = 12
_LISTED_EVERY = 4
_PAUSE = 0.5
_NO_BYTES = "The figure's bytes are missing."


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
    waiting: deque[Section] = field(default_factory=deque)
    """Sections that have come and whose figures have not."""
    images: dict[int, bytes] = field(default_factory=dict)
    taken: int = 0
    unsealed: bytes | None = None
    """The next chunk, where it is there and not whole."""
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
        self._fresh: list[Section] = []
        self._over = False
        self._succeeded: bool | None = None
        self.error: OutputUnavailable | None = None
        """What is wrong with the output, None as long as nothing is."""

    def poll(self) -> list[Section]:
        """The sections that have come since the last look, those of kind ``progress`` among them.

        One request where none has, at times two: the folder is listed while nothing is there, and
        now and then for further attempts and writers. Where the connection fails, what had come
        is given by the next call.
        """
        self._read(thoroughly=False)
        return self._taken()

    def finish(self, *, succeeded: bool | None, grace: float = 0.0) -> list[Section]:
        """The last sections, now that the run has ended; never waits for what will not come.

        A notebook that ended without closing its output (its driver was killed, say) is given
        ``grace`` seconds. After that its document is incomplete, unless its run ``succeeded``: then
        nothing is missing. None stands for a run of which nothing is known.
        """
        until = time.monotonic() + grace
        self._read(thoroughly=True)
        while not succeeded and self._is_open() and time.monotonic() < until:
            time.sleep(min(_PAUSE, grace))
            self._read(thoroughly=True)
        for writer in self._writers.values():
            if self.error is None and writer.unsealed is not None:
                reason = unsealed_reason(writer.unsealed)
                # a driver that is killed while it writes leaves half of its last chunk
                if succeeded or writer.next == 1 or not isinstance(reason, OutputDamaged):
                    self.error = reason
        self._over, self._succeeded = True, succeeded
        return self._taken()

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

    def _read(self, *, thoroughly: bool) -> None:
        if self.error is not None:
            return
        try:
            self._looks += 1
            if thoroughly or not self._is_open() or self._looks % _LISTED_EVERY == 0:
                self._find_writers()
            for writer in self._writers.values():
                for section in self._read_chunks(writer):
                    self._fresh.append(section)
        except OutputUnavailable as error:
            self.error = error

    def _taken(self) -> list[Section]:
        taken, self._fresh = self._fresh, []
        return taken

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
        yield from self._with_images(writer)
        for chunk in self._chunks(writer):
            writer.next += 1
            writer.hashes.append(chunk_hash(chunk))
            writer.waiting.extend(writer.assembler.feed(chunk))
            yield from self._with_images(writer)
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
                if chunk is None or writer.assembler.ended:
                    return
                writer.unsealed = None if is_sealed(chunk) else chunk
                if writer.unsealed is not None:
                    return
                yield chunk
            rounds += 1
            if rounds > 2:
                at_once = min(at_once * 2, _AT_ONCE)

    def _verify(self, writer: _Writer) -> None:
        """Compare what was read with the list that the writer left."""
        data = self._files.read_if_there(f"{writer.folder}/_DONE.json")
        try:
            done = json.loads(data or b"")
        except (ValueError, RecursionError):
            # not there, or not whole
            return
        if not isinstance(done, dict) or done.get("sha256") != writer.hashes:
            raise OutputDamaged(
                "the output is not the one that was written: its parts do not match _DONE.json",
                where=writer.folder,
                hint="run the notebook again",
            )
        writer.verified = True

    def _with_images(self, writer: _Writer) -> Iterator[Section]:
        """The writer's waiting sections with the bytes of their figures."""
        while writer.waiting:
            section = writer.waiting[0]
            if section.blob is not None:
                image = self._read_blob(f"{writer.folder}/{section.blob}", section)
                if image is None:
                    section = replace(section, notes=(*section.notes, _NO_BYTES))
                elif self._keep:
                    writer.images[writer.taken] = image
                section = replace(section, image=image)
            writer.waiting.popleft()
            if section.kind != "progress":
                writer.taken += 1
            yield section

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
                notes = (_NO_BYTES,) if image is None else ()
                sections[index] = replace(section, image=image, notes=section.notes + notes)
        document = replace(document, sections=tuple(sections))
        if document.complete or not self._over:
            return document
        if self._succeeded:
            return replace(document, status="finished", complete=True)
        return replace(document, reason=CLOSED_EARLY)


def _chunk_path(writer: _Writer, ahead: int = 0) -> str:
    return f"{writer.folder}/c-{writer.next + ahead:06d}.ndjson"
