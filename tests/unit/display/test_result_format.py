from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

from brickloop.display.result_format import (
    format_of_file,
    text_chunks,
    unique_names,
    write_file,
)
from brickloop.errors import UsageError
from brickloop.model.query import Number


class Rows:
    """A result of given rows."""

    truncated = False

    def __init__(self, columns, rows):
        self.columns = tuple(columns)
        self.rows = rows

    def plain_rows(self, limit=None):
        return iter(self.rows[:limit])

    def to_arrow(self):
        names = [name for name, _ in self.columns]
        arrays = [pa.array([row[at] for row in self.rows]) for at in range(len(names))]
        return pa.Table.from_arrays(arrays, names=names)


AWKWARD = Rows(
    [("n", "int"), ("d", "decimal(20,2)"), ("s", "string"), ("a", "array<int>"), ("b", "boolean")],
    [
        (1, Number("123456789012345678.10"), 'a "b", c\n| d', [1, None], True),
        (None, None, None, None, None),
    ],
)


def text(result, form):
    return "".join(text_chunks(result, form))


def test_csv_is_read_back_as_it_was():
    rows = list(csv.reader(io.StringIO(text(AWKWARD, "csv"))))
    assert rows == [
        ["n", "d", "s", "a", "b"],
        ["1", "123456789012345678.10", 'a "b", c\n| d', "[1, null]", "true"],
        ["", "", "", "", ""],
    ]


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_json_keeps_every_digit(form):
    written = text(AWKWARD, form)
    assert '"d": 123456789012345678.10' in written
    read = json.loads(written) if form == "json" else list(map(json.loads, written.splitlines()))
    assert read[0]["s"] == 'a "b", c\n| d'
    assert read[0]["a"] == [1, None]
    assert read[1] == dict.fromkeys("ndsab")


def test_json_of_no_rows_and_of_columns_of_one_name():
    assert text(Rows([("n", "int")], []), "json") == "[]\n"
    assert text(Rows([("n", "int")] * 2, [(1, 2)]), "jsonl") == '{"n": 1, "n_1": 2}\n'
    assert unique_names(["n", "n", "n_1", "n"]) == ["n", "n_2", "n_1", "n_3"]


def test_markdown_keeps_its_cells():
    lines = text(AWKWARD, "markdown").splitlines()
    assert lines[1] == "| ---: | ---: | --- | --- | --- |"
    assert lines[2] == r'| 1 | 123456789012345678.10 | a "b", c<br>\| d | [1, null] | true |'
    assert lines[3] == "| NULL | NULL | NULL | NULL | NULL |"


def test_vertical_shows_a_row_as_a_list():
    lines = text(AWKWARD, "vertical").splitlines()
    assert lines[1:4] == ["n  1", "d  123456789012345678.10", 's  a "b", c⏎| d']


def test_many_rows_come_in_pieces():
    many = Rows([("n", "int")], [(number,) for number in range(5000)])
    chunks = list(text_chunks(many, "csv"))
    assert len(chunks) > 1
    assert "".join(chunks).splitlines()[1:] == [str(number) for number in range(5000)]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("before")

    class Failing(Rows):
        def plain_rows(self, limit=None):
            yield (1,)
            raise RuntimeError("lost")

    with pytest.raises(RuntimeError):
        write_file(Failing([("n", "int")], []), "csv", path)
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]
    assert write_file(Rows([("n", "int")], [(1,)]), "csv", path) == 4
    assert path.read_text() == "n\n1\n"


def test_parquet_takes_columns_of_one_name_and_refuses_what_it_cannot_hold(tmp_path):
    import pyarrow.parquet as pq

    write_file(Rows([("n", "int")] * 2, [(1, 2)]), "parquet", tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").column_names == ["n", "n_1"]


def test_a_suffix_says_the_format():
    assert format_of_file(Path("a.PARQUET")) == "parquet"
    assert format_of_file(Path("a.ndjson")) == "jsonl"
    with pytest.raises(UsageError, match=r"suffix '\.xls'"):
        format_of_file(Path("a.xls"))
