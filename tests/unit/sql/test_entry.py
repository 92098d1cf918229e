from __future__ import annotations

import io

import pyarrow as pa
import pytest

from brickloop.model.query import Number
from brickloop.sql.entry import Damaged, Head, decode_head, decode_table, encode_entry
from brickloop.sql.result import read_stream, write_stream

TABLE = pa.table({"n": [1, 2, 3], "s": ["a", None, "ü😀"]})


def head(**facts):
    rows = ((1, Number("12.50")), (2, None), (3, "ü"))
    known = {
        "statement": "SELECT 1",
        "host": "h",
        "user": "u",
        "created": 1.5,
        "seconds": 0.25,
        "query_id": "q",
        "columns": (("n", "int"), ("d", "decimal(4,2)")),
        "row_count": 3,
        "truncated": False,
        "rows": rows,
        "tables": ("main.a.b",),
        "versions": ("3@x",),
    }
    return Head(**{**known, **facts})


@pytest.mark.parametrize("opened", [bytes, io.BytesIO])
def test_an_entry_comes_back_as_it_went(opened):
    source = opened(encode_entry(head(), write_stream(TABLE)))
    found, place = decode_head(source)
    assert found == head()
    assert str(found.rows[0][1]) == "12.50"
    assert found.complete
    assert read_stream(decode_table(source, place)).equals(TABLE)


def test_every_byte_that_is_another_is_noticed():
    data = encode_entry(head(rows=(), row_count=0, tables=()), write_stream(TABLE.slice(0, 1)))
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x41
        with pytest.raises(Damaged):
            decode_table(bytes(broken), decode_head(bytes(broken))[1])


def test_an_entry_that_is_cut_off_is_noticed():
    data = encode_entry(head(), write_stream(TABLE))
    for length in range(0, len(data), 7):
        with pytest.raises(Damaged):
            decode_table(data[:length], decode_head(data[:length])[1])
