"""Local data of plans, held back while the engine is only asked for types.

A DataFrame made from local data carries it in every plan; types need its columns alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import Message

_LARGE = 16_384
"""From how many bytes on data is held back."""


@contextmanager
def held_back(message: Any) -> Iterator[None]:
    """While this is open, the large local relations of a request have no rows.

    They are copied with the plan meanwhile; each copy gets its rows back.
    """
    kept: dict[bytes, bytes] = {}
    for relation in _local_relations(message):
        if len(relation.data) >= _LARGE:
            data = relation.data
            relation.data = _without_rows(data, len(kept))
            kept[relation.data] = data
    try:
        yield
    finally:
        for relation in _local_relations(message) if kept else ():
            if relation.data in kept:
                relation.data = kept[relation.data]


def _without_rows(data: bytes, number: int) -> bytes:
    """An Arrow stream of the same columns; the number tells it from others."""
    import pyarrow as pa

    with pa.ipc.open_stream(data) as reader:
        schema = reader.schema
    marked = schema.with_metadata({**(schema.metadata or {}), b"brickloop.data": b"%d" % number})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, marked):
        pass
    return bytes(sink.getvalue().to_pybytes())


def _local_relations(message: Any) -> Iterator[Any]:
    if message.DESCRIPTOR.full_name == "spark.connect.LocalRelation":
        yield message
        return
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        if isinstance(value, Message):
            yield from _local_relations(value)
        elif not field.message_type.GetOptions().map_entry:
            for item in value:
                yield from _local_relations(item)
