"""NotebookOutput and its reader: what is written is what is read, at any moment."""

from __future__ import annotations

import base64
import json
import types
from pathlib import Path

import pytest

from brickloop.errors import OutputUnavailable
from brickloop.jobs.output_reader import DocumentFollower, NotebookOutputReader
from brickloop.model.document import Assembler
from brickloop.runtime.notebook_output import NotebookOutput

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


class Files:
    """A reader's files, taken from a local folder."""

    def read_if_there(self, path: str) -> bytes | None:
        file = Path(path)
        return file.read_bytes() if file.is_file() else None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a run; found as in a notebook, through dbutils."""
    place = tmp_path / "run"
    widgets = types.SimpleNamespace(get=lambda name: str(place))
    found = types.SimpleNamespace(widgets=widgets)
    monkeypatch.setattr("brickloop.runtime.notebook_output.find_dbutils", lambda: found)
    monkeypatch.setattr(
        "brickloop.runtime.notebook_output.open_sink",
        lambda path, dbutils: __import__(
            "brickloop.runtime.sinks", fromlist=["FolderSink"]
        ).FolderSink(path),
    )
    return place


def follower(folder):
    return DocumentFollower(Files(), str(folder))


def test_each_section_can_be_read_as_soon_as_it_is_added(folder):
    reader = follower(folder)
    output = NotebookOutput()
    assert reader.poll() == []
    output.add_section("First", "one")
    assert [(section.title, section.text) for section in reader.poll()] == [("First", "one")]
    output.add_query_result("Second", "SELECT 1", [{"a": 1}, {"a": None}])
    (second,) = reader.poll()
    assert (second.query, second.columns, second.rows) == (
        "SELECT 1",
        (("a", ""),),
        ((1,), (None,)),
    )
    assert reader.document().complete is False
    output.metadata["rows"] = 2
    output.close()
    assert reader.poll() == []
    document = reader.document()
    assert (document.complete, document.status, document.metadata) == (
        True,
        "finished",
        {"rows": "2"},
    )
    assert json.loads((folder / "_DONE.json").read_text())["chunks"] == 5


def test_a_large_section_is_split_and_joined_again(folder):
    output = NotebookOutput()
    text = "é" * 1_000_000
    output.add_section("Large", text)
    assert max(path.stat().st_size for path in folder.iterdir()) <= 1024 * 1024
    (section,) = follower(folder).poll()
    assert section.text == text


def test_figures_are_kept_by_content_and_what_is_none_is_refused(folder):
    output = NotebookOutput()
    output.add_figure("Picture", PNG)
    output.add_figure("Drawing", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    first, second = follower(folder).poll()
    assert (first.mime, first.image) == ("image/png", PNG)
    assert (second.mime, second.image[:4]) == ("image/svg+xml", b"<svg")
    for wrong in (b"GIF89a", "text", 7):
        with pytest.raises(ValueError, match=r"no (PNG|SVG|figure)"):
            output.add_figure("Wrong", wrong)


def test_an_error_inside_with_is_recorded_and_comes_through(folder):
    with pytest.raises(ZeroDivisionError), NotebookOutput() as output:
        output.add_section("Before", "kept")
        _ = 1 / 0
    reader = follower(folder)
    sections = reader.poll()
    assert [section.kind for section in sections] == ["text", "error"]
    assert "ZeroDivisionError: division by zero" in sections[1].trace
    assert reader.document().status == "failed"


def test_pandas_and_arrow_tables_are_bounded_and_exact(folder):
    import datetime
    import decimal

    import pandas
    import pyarrow

    output = NotebookOutput()
    output.add_dataframe("Pandas", pandas.DataFrame({"n": range(5), "f": [0.5] * 5}), max_rows=2)
    table = pyarrow.table(
        {
            "big": [2**60],
            "price": [decimal.Decimal("1.50")],
            "day": [datetime.date(9999, 12, 31)],
            "none": pyarrow.array([None], pyarrow.int64()),
        }
    )
    output.add_dataframe("Arrow", table)
    first, second = follower(folder).poll()
    assert (first.rows, first.total, first.truncated) == (((0, 0.5), (1, 0.5)), 5, True)
    assert second.rows == ((str(2**60), "1.50", "9999-12-31", None),)
    with pytest.raises(TypeError, match="is no table"):
        output.add_dataframe("Wrong", 7)
    with pytest.raises(ValueError, match="max_rows"):
        output.add_dataframe("Wrong", table, max_rows=0)


def test_a_token_never_leaves_the_notebook(folder):
    token = "dapi" + "0" * 32
    output = NotebookOutput()
    output.add_section("Secret", f"token={token}")
    assert token not in "".join(path.read_text() for path in folder.glob("*.ndjson"))
    assert token not in output.render()


def test_a_folder_that_takes_nothing_does_not_fail_the_notebook(folder, capsys):
    folder.write_text("a file is in the way")
    output = NotebookOutput()
    output.add_section("One", "1")
    output.add_section("Two", "2")
    output.close()
    assert capsys.readouterr().err.count("output cannot be followed live") == 1


def test_plain_python_writes_text_and_json(tmp_path, capsys):
    output = NotebookOutput(str(tmp_path / "out.txt"))
    output.metadata["who"] = "me"
    output.add_markdown("Title", "# text")
    output.write_to_dbfs()
    output.write_json(str(tmp_path / "out.json"))
    text = (tmp_path / "out.txt").read_text()
    assert text.startswith("=" * 100 + "\nNOTEBOOK OUTPUT\n" + "=" * 100)
    assert "-" * 100 + "\nTitle\n" + "-" * 100 + "\n# text\n" in text
    assert capsys.readouterr().out.strip() == text
    assert json.loads((tmp_path / "out.json").read_text())["sections"][0]["title"] == "Title"


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (b"no json", "not one that NotebookOutput wrote"),
        (b'{"a": 1}', "not one that NotebookOutput wrote"),
        (b'{"v": 99, "kind": "start"}', "has version 99"),
        (b'{"v": 1, "kind": "section", "section": {"kind": "text"}}', "damaged"),
        (
            json.dumps(
                {
                    "v": 1,
                    "kind": "section",
                    "section": {"kind": "figure", "title": "x", "data": "%%%"},
                }
            ).encode(),
            "damaged",
        ),
    ],
)
def test_a_document_that_is_none_or_newer_is_named(chunk, said):
    with pytest.raises(OutputUnavailable, match=said):
        Assembler().feed(chunk)


def test_the_reader_reads_text_from_the_store_and_names_what_is_wrong(client, volume_folder):
    import io

    reader = NotebookOutputReader(client)
    client.files.upload(f"{volume_folder}/a.txt", io.BytesIO(b"h\xc3\xa9llo"))
    client.files.upload(f"{volume_folder}/empty.txt", io.BytesIO(b""))
    client.files.upload(f"{volume_folder}/b.bin", io.BytesIO(b"\xff\xfe"))
    contents = base64.b64encode(b"x" * 700_000).decode()
    client.dbfs.put("/tmp/long.txt", contents=contents, overwrite=True)
    assert reader.read_output(f"{volume_folder}/a.txt") == "héllo"
    assert len(reader.read_output("/tmp/long.txt")) == 700_000
    for path, said in (
        (f"{volume_folder}/none.txt", "no such file"),
        (f"{volume_folder}/empty.txt", "empty"),
        (f"{volume_folder}/b.bin", "not text"),
    ):
        with pytest.raises(OutputUnavailable, match=said):
            reader.read_output(path)
