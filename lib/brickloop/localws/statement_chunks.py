"""A statement's result on disk, in chunks of the form in which the client asked for it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import lz4.frame
import pyarrow as pa

from brickloop.localws.arrow_results import ResultShape
from brickloop.localws.result_text import text_rows, write_csv, write_json

MIB = 1024 * 1024
CHUNK_BYTES = 16 * MIB
_CHUNK_ROWS = 500_000


@dataclass(frozen=True)
class Chunk:
    """One part of a result."""

    index: int
    row_offset: int
    row_count: int
    byte_count: int
    path: Path


class ChunkWriter:
    """Writes batches into chunks; memory holds one chunk at most."""

    def __init__(
        self, folder: Path, shape: ResultShape, form: str, *, lz4_compressed: bool
    ) -> None:
        """``form`` is JSON_ARRAY, ARROW_STREAM or CSV."""
        self._folder = folder
        self._shape = shape
        self._form = form
        self._lz4 = lz4_compressed
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self.chunks: list[Chunk] = []
        self.row_count = 0
        self.byte_count = 0
        """Bytes of all chunks as they are on disk, without the compression on the way."""
        folder.mkdir(parents=True, mode=0o700)

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        self.row_count += batch.num_rows
        if self._held_bytes >= CHUNK_BYTES or self._held_rows >= _CHUNK_ROWS:
            self._flush()

    def finish(self) -> list[Chunk]:
        """All chunks, the last one written."""
        if self._held:
            self._flush()
        return self.chunks

    def discard(self) -> None:
        """Remove what was written."""
        self._held.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _held_rows(self) -> int:
        return sum(batch.num_rows for batch in self._held)

    def _flush(self) -> None:
        count = self._held_rows
        content = self._encode()
        index = len(self.chunks)
        path = self._folder / str(index)
        size = len(content)
        if self._lz4:
            content = lz4.frame.compress(content)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        self.chunks.append(Chunk(index, self.row_count - count, count, size, path))
        self.byte_count += size
        self._held.clear()
        self._held_bytes = 0

    def _encode(self) -> bytes:
        if self._form == "ARROW_STREAM":
            return arrow_stream(self._shape, self._held)
        schema = self._shape.schema
        rows = [row for batch in self._held for row in text_rows(batch, schema)]
        if self._form == "CSV":
            names = None if self.chunks else [field.name for field in schema.fields]
            return write_csv(rows, names)
        return write_json(rows)


def arrow_stream(shape: ResultShape, batches: list[pa.RecordBatch]) -> bytes:
    """Batches as an Arrow IPC stream, which has its schema even where there are no rows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, shape.arrow_schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content
