"""A cached result as bytes: a head to show at once, and the Arrow table behind it.

    8 bytes   magic with the version        4 bytes  length of the head
    4 bytes   CRC-32 of the head            head: JSON (what is known, and the first rows)
    8 bytes   length of the table           4 bytes  CRC-32 of the table
    table: an Arrow IPC stream

The head is read without pyarrow. A length or a sum that does not fit raises Damaged.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from typing import IO, Any

from brickloop.model.query import Number, encode_value

_MAGIC = b"BLRESULT"
_HEAD = struct.Struct("<8sII")
_TABLE = struct.Struct("<QI")


class Damaged(Exception):
    """An entry is not what was written."""


@dataclass(frozen=True)
class Head:
    """What is known of a result without its table."""

    statement: str
    """The statement's beginning, for a list."""
    host: str
    user: str
    created: float
    """When the statement was sent, in seconds since 1970."""
    seconds: float
    """How long it took."""
    query_id: str
    columns: tuple[tuple[str, str], ...]
    row_count: int
    truncated: bool
    """Whether a limit cut the result."""
    rows: tuple[tuple[Any, ...], ...]
    """The first rows in plain values, as they are shown."""
    tables: tuple[str, ...]
    """The tables that the statement reads, with catalog and schema."""
    versions: tuple[str, ...] | None = None
    """One for each table, from before the statement was sent; None where they were not asked."""

    @property
    def complete(self) -> bool:
        """Whether the first rows are all."""
        return len(self.rows) == self.row_count


def encode_entry(head: Head, table: bytes) -> bytes:
    """The entry's bytes."""
    facts = {
        name: getattr(head, name)
        for name in Head.__dataclass_fields__
        if name not in {"rows", "columns"}
    }
    fields = json.dumps(facts, ensure_ascii=False)
    text = (
        f'{fields[:-1]}, "columns": {json.dumps(head.columns, ensure_ascii=False)},'
        f' "rows": {encode_value(head.rows)}}}'
    )
    data = text.encode("utf-8", "surrogatepass")
    return b"".join(
        (
            _HEAD.pack(_MAGIC, len(data), zlib.crc32(data)),
            data,
            _TABLE.pack(len(table), zlib.crc32(table)),
            table,
        )
    )


def decode_head(source: bytes | IO[bytes]) -> tuple[Head, int]:
    """The head, and the place where the table's part begins; raises Damaged."""
    start = _read(source, 0, _HEAD.size)
    if len(start) < _HEAD.size:
        raise Damaged("the entry is cut off")
    magic, length, checksum = _HEAD.unpack(start)
    if magic != _MAGIC or length > 1 << 28:
        raise Damaged("the entry has another format")
    data = _read(source, _HEAD.size, length)
    if len(data) != length or zlib.crc32(data) != checksum:
        raise Damaged("the entry's head is damaged")
    try:
        facts = json.loads(data.decode("utf-8", "surrogatepass"), parse_float=Number)
        head = Head(
            statement=str(facts["statement"]),
            host=str(facts["host"]),
            user=str(facts["user"]),
            created=float(facts["created"]),
            seconds=float(facts["seconds"]),
            query_id=str(facts["query_id"]),
            columns=tuple((str(name), str(kind)) for name, kind in facts["columns"]),
            row_count=int(facts["row_count"]),
            truncated=bool(facts["truncated"]),
            rows=tuple(map(tuple, facts["rows"])),
            tables=tuple(facts["tables"]),
            versions=None if facts["versions"] is None else tuple(facts["versions"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"the entry's head cannot be understood: {error}") from None
    return head, _HEAD.size + length


def decode_table(source: bytes | IO[bytes], place: int) -> memoryview:
    """The Arrow IPC stream of an entry; raises Damaged."""
    start = _read(source, place, _TABLE.size)
    if len(start) < _TABLE.size:
        raise Damaged("the entry is cut off")
    length, checksum = _TABLE.unpack(start)
    if isinstance(source, bytes):
        data = memoryview(source)[place + _TABLE.size :]
    else:
        data = _rest(source, length)
    if len(data) != length or zlib.crc32(data) != checksum:
        raise Damaged("the entry's table is damaged")
    return data


def _rest(source: IO[bytes], length: int) -> memoryview:
    """What follows in a file, read straight into its place; nothing where it is not ``length``."""
    place = source.tell()
    if source.seek(0, os.SEEK_END) - place != length:
        return memoryview(b"")
    source.seek(place)
    data = bytearray(length)
    source.readinto(data)  # type: ignore[attr-defined]
    return memoryview(data)


def _read(source: bytes | IO[bytes], place: int, length: int) -> bytes:
    if isinstance(source, bytes):
        return source[place : place + length]
    source.seek(place)
    return source.read(length)
