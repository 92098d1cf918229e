"""NotebookOutput: what is added is what is read, as text, as JSON and live."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
from tests.fakes.notebook import chunks, follower, live, png, writer_folders

from brickloop.runtime import notebook_output
from brickloop.runtime.notebook_output import NotebookOutput

RULE = "=" * 100
LINE = "-" * 100


def only_writer(folder):
    (found,) = writer_folders(folder)
    return found


def test_each_section_can_be_read_as_soon_as_it_is_added(folder):
    reader = follower(folder)
    assert reader.poll() == []
    assert reader.document() is None
    output = live(folder)
    assert reader.poll() == []
    output.add_section("First", "one")
    assert [(section.title, section.text) for section in reader.poll()] == [("First", "one")]
    output.add_query_result("Second", "SELECT 1", [{"a": 1}, {"a": None}])
    (second,) = reader.poll()
    assert (second.kind, second.query, second.columns) == ("query", "SELECT 1", (("a", ""),))
    assert (second.rows, second.rows_shown, second.rows_total) == (((1,), (None,)), 2, 2)
    assert second.ms is not None
    assert reader.document().complete is False
    output.metadata["rows"] = 2
    output.close()
    assert reader.poll() == []
    document = reader.document()
    assert (document.complete, document.status, document.reason) == (True, "finished", "")
    assert document.metadata == {"rows": "2"}
    assert document.seconds >= sum(section.seconds for section in document.sections) - 0.001
    done = json.loads((only_writer(folder) / "_DONE.json").read_text())
    assert done["chunks"] == len(done["sha256"]) == len(chunks(folder))


def test_every_kind_of_section_comes_back_as_it_was(folder):
    output = live(folder)
    output.add_markdown("Markdown", "# text")
    output.add_code("Code", "print(1)")
    output.add_section("Statement", "SELECT 1", "sql")
    output.add_json("JSON", {"a": [1, None, float("nan")]})
    output.add_html("HTML", "<b>x</b>")
    output.add_values("Values", {"rows": 3, "when": None})
    output.add_metric("Accuracy", 0.75, "%")
    output.add_warning("Careful", "no index")
    output.add_log("Log", "line 1\nline 2", level="debug")
    output.add_error("Wrong", "as text")
    output.add_section("Other format", "x", "dataframe")
    found = {section.title: section for section in follower(folder).poll()}
    assert {title: section.kind for title, section in found.items()} == {
        "Markdown": "markdown",
        "Code": "code",
        "Statement": "code",
        "JSON": "json",
        "HTML": "html",
        "Values": "values",
        "Accuracy": "metric",
        "Careful": "warning",
        "Log": "log",
        "Wrong": "error",
        "Other format": "text",
    }
    assert (found["Code"].language, found["Statement"].language) == ("python", "sql")
    assert json.loads(found["JSON"].text) == {"a": [1, None, "nan"]}
    assert found["Values"].values == (("rows", 3), ("when", None))
    assert (found["Accuracy"].values, found["Accuracy"].unit) == ((("Accuracy", 0.75),), "%")
    assert (found["Log"].level, found["Log"].text) == ("debug", "line 1\nline 2")
    assert (found["Wrong"].text, found["Wrong"].trace) == ("as text", "")


def test_progress_is_seen_live_and_is_no_section_of_the_document(folder):
    output = live(folder)
    output.add_progress("Loading", 1, 3)
    output.add_progress("Loading", 2, 3)
    output.add_section("After", "x")
    reader = follower(folder)
    assert [(section.kind, section.done) for section in reader.poll()] == [
        ("progress", 1.0),
        ("progress", 2.0),
        ("text", None),
    ]
    document = reader.document()
    assert [section.title for section in document.sections] == ["After"]
    assert [(section.done, section.of) for section in document.progress] == [(2.0, 3.0)]


def test_an_error_inside_with_is_recorded_and_comes_through(folder):
    with pytest.raises(ZeroDivisionError), live(folder) as output:
        output.add_section("Before", "kept")
        _ = 1 / 0
    reader = follower(folder)
    sections = reader.poll()
    assert [section.kind for section in sections] == ["text", "error"]
    assert sections[1].text == "ZeroDivisionError: division by zero"
    assert "_ = 1 / 0" in sections[1].trace
    assert reader.document().status == "failed"
    assert reader.document().complete is True
    assert float(reader.document().metadata["seconds"]) >= 0


@pytest.mark.parametrize(
    "leaving", [SystemExit(), type("NotebookExit", (BaseException,), {})("value")]
)
def test_leaving_the_notebook_inside_with_is_no_error(folder, leaving):
    with pytest.raises(type(leaving)), live(folder) as output:
        output.add_section("Before", "kept")
        raise leaving
    reader = follower(folder)
    assert [section.kind for section in reader.poll()] == ["text"]
    assert reader.document().status == "finished"


def test_an_error_that_ended_the_process_is_recorded_when_it_ends(folder, monkeypatch):
    output = live(folder)
    error = ValueError("at the end")
    monkeypatch.setattr(sys, "last_value", error, raising=False)
    output._close_at_exit()
    reader = follower(folder)
    (section,) = reader.poll()
    assert section.text == "ValueError: at the end"
    assert reader.document().status == "failed"


def test_where_ipython_runs_the_cells_an_error_of_a_cell_is_recorded_once(folder, monkeypatch):
    registered = []
    events = types.SimpleNamespace(register=lambda name, call: registered.append((name, call)))
    shell = types.SimpleNamespace(events=events)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    output = live(folder)
    ((name, after_cell),) = registered
    assert name == "post_run_cell"
    error = KeyError("k")
    after_cell(types.SimpleNamespace(error_in_exec=None))
    after_cell(types.SimpleNamespace(error_in_exec=error))
    after_cell(types.SimpleNamespace(error_in_exec=error))
    output.close()
    after_cell(types.SimpleNamespace(error_in_exec=KeyError("later")))
    assert [section.text for section in follower(folder).poll()] == ["KeyError: 'k'"]


def test_figures_are_kept_by_content_and_what_is_none_is_refused(folder):
    output = live(folder)
    output.add_figure("Picture", png())
    output.add_figure("The same", png())
    output.add_figure("Drawing", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    first, second, third = follower(folder).poll()
    assert (first.mime, first.image) == ("image/png", png())
    assert first.blob == second.blob
    assert (third.mime, third.image[:4]) == ("image/svg+xml", b"<svg")
    assert len(list((only_writer(folder) / "blob").iterdir())) == 2
    before = len(output.sections)
    for wrong in (b"GIF89a", "text", 7, png()[:-20]):
        with pytest.raises(ValueError, match=r"no .*(image|figure)"):
            output.add_figure("Wrong", wrong)
    assert len(output.sections) == before


def test_a_figure_whose_bytes_are_gone_or_others_is_said(folder):
    output = live(folder)
    output.add_figure("Picture", png())
    (blob,) = (only_writer(folder) / "blob").iterdir()
    blob.write_bytes(png(2))
    (section,) = follower(folder).poll()
    assert section.image is None
    assert section.notes == ("The figure's bytes are missing.",)
    blob.unlink()
    reader = follower(folder)
    reader.poll()
    (section,) = reader.document().sections
    assert section.notes == ("The figure's bytes are missing.",)


def test_no_secret_leaves_the_notebook(folder, dbutils, tmp_path, capsys):
    dbutils.parameters["brickloop_output"] = str(folder)
    token = "dapi" + "0" * 32
    output = NotebookOutput("/tmp/o.txt")
    secret = dbutils.secrets.get("scope", "key")
    output.metadata[f"who {secret}"] = token
    output.add_section(f"title {token}", f"token={token} and {secret}")
    output.add_dataframe("t", [{f"c{secret}": secret, "n": 7}])
    output.add_query_result("q", f"SELECT '{secret}'", "https://me:hidden@host/x")
    output.add_error("e", ValueError(secret))
    output.add_figure("f", f"<svg xmlns='http://www.w3.org/2000/svg'><text>{secret}</text></svg>")
    output.write_to_dbfs()
    output.write_json()
    output.close()
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file()) + "".join(
        capsys.readouterr()
    )
    assert "title [REDACTED]" in written
    for hidden in (token, secret, "hidden"):
        assert hidden not in written


def test_a_parameter_of_the_run_names_the_folder_and_the_others_are_kept(dbutils, capsys):
    dbutils.parameters.update(brickloop_output="/runs/key/", day="2026-01-01")
    output = NotebookOutput()
    output.add_section("One", "1")
    output.add_figure("Picture", png())
    output.close()
    place = dbutils.fs.root / "runs" / "key"
    reader = follower(place)
    one, picture = reader.poll()
    assert (one.text, picture.image) == ("1", png())
    assert picture.blob.endswith(".png.b64")
    assert reader.document().params == {"day": "2026-01-01"}
    assert capsys.readouterr().out == ""


def test_a_folder_that_takes_nothing_does_not_fail_the_notebook(folder, capsys):
    folder.write_text("a file is in the way")
    output = live(folder)
    output.add_section("One", "1")
    output.add_figure("Two", png())
    output.close()
    assert capsys.readouterr().err.count("output cannot be followed live") == 1
    assert [section["title"] for section in output.sections] == ["One", "Two"]


def test_a_path_that_takes_nothing_is_said_and_the_text_is_printed(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    output = NotebookOutput(str(tmp_path / "file" / "out.txt"))
    output.add_section("One", "1")
    assert output.write_to_dbfs() is None
    assert output.write_json(str(tmp_path / "file" / "out.json")) is None
    said = capsys.readouterr()
    assert said.err.count("could not be written to") == 2
    assert "📊 One" in said.out


def test_where_dbfs_is_off_a_volume_is_named(dbutils, capsys):
    def refuse(path, contents, overwrite):
        raise PermissionError(f"Public DBFS root is disabled. Access is denied on path: {path}")

    dbutils.fs.put = refuse
    assert NotebookOutput("/tmp/x.txt").write_to_dbfs() is None
    assert "write to a volume: /Volumes/" in capsys.readouterr().err


def test_plain_python_writes_text_and_json_in_the_form_of_the_sketch(tmp_path, capsys):
    path = tmp_path / "out.txt"
    output = NotebookOutput(output_path=str(path))
    output.metadata["who"] = "me"
    output.add_section("Title\nof two lines", "text", format="text")
    output.add_query_result("Data", "SELECT 1", "   a\n0  1")
    output.add_dataframe("Rows", [{"name": "x", "n": 7}, {"name": None, "n": 10}])
    assert output.write_to_dbfs() == str(path)
    assert output.write_json(str(tmp_path / "out.json")) == str(tmp_path / "out.json")
    text = path.read_text()
    lines = text.split("\n")
    assert lines[:3] == [RULE, "NOTEBOOK OUTPUT", RULE]
    assert lines[3].startswith("Generated: 20")
    assert lines[4:10] == ["who: me", "", LINE, "📊 Title of two lines", LINE, "text"]
    assert f"📊 Data\n{LINE}\nQuery: SELECT 1\n\nResults:\n   a\n0  1\n" in text
    assert f"📊 Rows\n{LINE}\nname   n\n----  --\nx      7\nNULL  10\n" in text
    assert lines[-1] == RULE
    assert capsys.readouterr().out == text + "\n"
    saved = json.loads((tmp_path / "out.json").read_text())
    assert saved["metadata"] == {"who": "me"}
    assert [section["format"] for section in saved["sections"]] == ["text", "query", "dataframe"]
    assert {"title", "content", "format", "timestamp"} <= set(saved["sections"][0])
    assert saved["sections"][2]["rows"] == [["x", 7], [None, 10]]


def test_by_default_a_volume_is_written_to_where_there_is_one(tmp_path, monkeypatch):
    assert NotebookOutput().output_path == "/tmp/notebook_output.txt"
    monkeypatch.setattr(notebook_output, "DEFAULT_VOLUME", str(tmp_path))
    assert NotebookOutput().output_path == f"{tmp_path}/notebook_output.txt"
    assert NotebookOutput("/tmp/x").output_path == "/tmp/x"

    def refuse(self):
        raise PermissionError("not yours")

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert NotebookOutput().output_path == "/tmp/notebook_output.txt"


def test_a_long_text_is_printed_in_part_and_written_whole(tmp_path, capsys):
    output = NotebookOutput(str(tmp_path / "out.txt"))
    output.add_section("Long", "x" * 1_500_000)
    output.write_to_dbfs()
    assert len((tmp_path / "out.txt").read_text()) > 1_500_000
    printed = capsys.readouterr().out
    assert len(printed) < 1_000_200
    assert f"more characters in {tmp_path}/out.txt]" in printed


def test_text_that_is_no_text_does_not_stop_the_output(folder, tmp_path):
    output = live(folder, output_path=str(tmp_path / "out.txt"))
    output.add_section("half \ud83d", b"\xff\xfe bytes")
    output.add_dataframe("t", [{"c \udc00": "\ud800"}])
    output.write_to_dbfs()
    output.close()
    first, second = follower(folder).poll()
    assert first.title == "half ?"
    assert first.text == "\ufffd\ufffd bytes"
    assert (second.columns, second.rows) == ((("c ?", ""),), (("?",),))


def test_what_is_added_after_the_end_is_kept_and_not_followed(folder):
    output = live(folder)
    output.close()
    output.close()
    before = len(chunks(folder))
    output.add_section("Late", "x")
    assert len(chunks(folder)) == before
    assert output.sections[-1]["title"] == "Late"


def test_wrong_arguments_are_refused(tmp_path):
    output = NotebookOutput(str(tmp_path / "x"))
    with pytest.raises(ValueError, match="max_rows"):
        output.add_dataframe("Wrong", [{"a": 1}], max_rows=0)
    with pytest.raises(TypeError, match="is no table"):
        output.add_dataframe("Wrong", 7)
    output.add_query_result("Any result will do", "SELECT 1", 7)
    assert output.sections[-1]["content"].endswith("Results:\n7")
