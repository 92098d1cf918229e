"""Saved outputs: text, JSON and a page that runs nothing foreign."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from tests.unit.report.samples import everything

from brickloop.errors import OutputUnavailable
from brickloop.model.document import Document, Section
from brickloop.model.run import (
    CellResult,
    ErrorOutput,
    HtmlOutput,
    ImageOutput,
    LifeCycle,
    ResultState,
    RunResult,
    RunStatus,
    TableOutput,
    TextOutput,
)
from brickloop.report import markup
from brickloop.report.figures import FigureFolder
from brickloop.report.html import render_page
from brickloop.report.saved import VERSION, read_saved, save_outputs

EVIL = '</pre><script>alert("x")</script>'


def result(state=ResultState.SUCCESS):
    status = RunStatus(1, 2, LifeCycle.TERMINATED, state, "", "http://h/1", 1000, 3500)
    cells = (
        CellResult(0, f"print({EVIL!r})", EVIL, "finished", (TextOutput(EVIL + "\x1b[2J"),)),
        CellResult(1, "frame", None, "finished", (TableOutput((("n", "int"),), ((1,), (None,))),)),
        CellResult(2, "html", None, "finished", (HtmlOutput(EVIL), ImageOutput("image/png", b"p"))),
        CellResult(3, "1/0", None, "error", (ErrorOutput("ZeroDivisionError", EVIL, "trace"),)),
    )
    sections = (
        Section("query", EVIL, query="SELECT 1", columns=(("a", "int"),), rows=((7,),), total=7,
                truncated=True),
        Section("figure", "Figure", mime="image/svg+xml", image=b"<svg onload='x'/>"),
    )  # fmt: skip
    document = Document(sections, {"who": EVIL}, "finished", True)
    return RunResult(status, exit_value="done", cells=cells, document=document)


def test_all_three_files_hold_the_run(tmp_path):
    text, data, page = (
        path.read_text() for path in save_outputs(result(), tmp_path, "folder/notebook")
    )
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == [
        "notebook.figures", "notebook.html", "notebook.json", "notebook.txt",
    ]  # fmt: skip
    assert "(1 of 7 rows)" in text
    assert "Exit value: done" in text
    assert "\x1b" not in text
    saved = json.loads(data)
    assert [cell["state"] for cell in saved["cells"]] == ["finished"] * 3 + ["error"]
    assert saved["sections"][0]["rows"] == [[7]]
    assert "Content-Security-Policy" in page


def test_the_page_has_no_script_but_its_own_and_asks_no_network(tmp_path):
    page = save_outputs(result(ResultState.FAILED), tmp_path, "n")[2].read_text()
    assert page.count("<script") == 1
    assert "alert(&quot;x&quot;)" in page
    assert not re.search(r"src=.(https?:)?//", page)
    # one may go to the run; nothing is fetched for that
    assert re.findall(r'href="(https?://[^"]*)"', page) == ["http://h/1"]
    assert "<iframe sandbox " in page
    assert '<section class="card failure"' in page


def test_the_json_is_the_whole_of_a_run(tmp_path):
    path = save_outputs(everything(), tmp_path, "a/n")[1]
    assert read_saved(path) == ("a/n", everything())


def test_an_output_of_version_1_is_read(tmp_path):
    path = save_outputs(result(), tmp_path, "n")[1]
    data = json.loads(path.read_text())
    data["version"] = 1
    del data["document"], data["progress"]
    path.write_text(json.dumps(data))
    assert read_saved(path) == ("n", result())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[1]", "is no output that brickloop saved"),
        ('{"version": "x"}', "is no output that brickloop saved"),
        ('{"version": 99}', "has version 99, this brickloop reads up to 2"),
        ('{"version": 2, "notebook": "n", "run": {}}', "is no output that brickloop saved"),
    ],
)
def test_what_is_no_output_of_ours_is_said(tmp_path, text, said):
    path = tmp_path / "n.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OutputUnavailable, match=said):
        read_saved(path)


def schema_faults(value, schema, path="$"):
    """Where a value is not as a schema says, for the parts of JSON Schema that ours uses."""
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    allowed = schema.get("type", [])
    allowed = [allowed] if isinstance(allowed, str) else allowed
    fits = [
        isinstance(value, int | float) and not isinstance(value, bool)
        if kind in {"integer", "number"}
        else isinstance(value, types[kind])
        for kind in allowed
    ]
    if allowed and not any(fits):
        return [f"{path} is no {allowed}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path} is none of {schema['enum']}"]
    found = []
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [
            f"{path} lacks {name}" for name in schema.get("required", []) if name not in value
        ]
        more = schema.get("additionalProperties", True)
        found += [f"{path} has {name}" for name in value if name not in known and more is False]
        for name, each in value.items():
            part = known.get(name, more if isinstance(more, dict) else {})
            found += schema_faults(each, part, f"{path}.{name}")
    if isinstance(value, list):
        for at, each in enumerate(value):
            found += schema_faults(each, schema.get("items", {}), f"{path}[{at}]")
    return found


def test_the_json_is_as_its_schema_says(tmp_path):
    schema = json.loads(files("brickloop.report").joinpath("output.schema.json").read_text())
    for each in (everything(), result(ResultState.FAILED)):
        data = json.loads(save_outputs(each, tmp_path, "n")[1].read_text())
        assert schema_faults(data, schema) == []
    assert schema["properties"]["version"]["enum"] == [1, VERSION]
    data["cells"][0]["more"] = 1
    data["run"]["run_id"] = "1"
    del data["sections"]
    assert schema_faults(data, schema) == [
        "$ lacks sections", "$.run.run_id is no ['integer']", "$.cells[0] has more",
    ]  # fmt: skip


def test_the_text_reads_as_the_pipe_shows_it(tmp_path, capsys):
    from brickloop.display.run_view import RunView

    text = save_outputs(everything(), tmp_path, "n")[0].read_text()
    figures = tmp_path / "n.figures"
    for section in everything().document.sections:
        RunView("n", keep_figure=lambda *_: None).section(section)
        body = capsys.readouterr().out.split("\n", 1)[1].rstrip("\n")
        assert body in text
    assert "The output is incomplete. the driver ended" in text
    # the failure comes last, as on the terminal, with the whole trace
    end = text[text.index("\nFAILED\n") :]
    assert "cell 3 (Share), line 3:" in end
    assert '>   3 │     return frame["late"].sum()' in end
    assert "site-packages/pandas/core/frame.py" in end
    assert text.count("site-packages/pandas/core/frame.py") == 1
    assert f"{figures.name}/curve-" in text


def test_figures_of_earlier_runs_go_and_files_of_others_stay(tmp_path):
    save_outputs(result(), tmp_path, "n")
    folder = tmp_path / "n.figures"
    (folder / "mine.png").write_bytes(b"x")
    first = {path.name for path in folder.iterdir()}
    assert len(first) == 3
    plain = replace(result(), document=None, cells=())
    save_outputs(plain, tmp_path, "n")
    assert [path.name for path in folder.iterdir()] == ["mine.png"]
    (folder / "mine.png").unlink()
    save_outputs(plain, tmp_path, "n")
    assert not folder.exists()


def test_a_title_does_not_say_where_a_figure_is_written(tmp_path):
    kept = FigureFolder(tmp_path, "n").keep("../../x\0\n\x1b/é", "image/png", b"x")
    assert kept.parent == tmp_path / "n.figures"
    assert kept.name.startswith("x-")
    assert FigureFolder(tmp_path, "n").keep("t", "image/tiff", b"x") is None
    html = FigureFolder(tmp_path, "n").keep("t", "text/html", b"<b>")
    assert html.read_bytes().startswith(b'<meta http-equiv="Content-Security-Policy"')


def test_markdown_runs_nothing_and_keeps_its_place():
    page = markup.markdown("# One\n<b onclick=x>raw</b> ![p](http://h/i.png) [j](javascript:x)")
    assert "<h3>One</h3>" in page
    assert "<b " not in page
    assert "<img" not in page
    assert 'href="http://h/i.png"' in page
    assert 'href="javascript' not in page


def test_halves_of_characters_and_numbers_that_are_none_are_written(tmp_path):
    table = Section("table", "\ud800", columns=(("x", "double"),), rows=((float("nan"),),))
    odd = RunResult(result().status, document=Document((table,), complete=True))
    for path in save_outputs(odd, tmp_path, "n"):
        assert path.read_text(encoding="utf-8")

    def refuse(name):
        raise AssertionError(name)

    json.loads((tmp_path / "n.json").read_text(), parse_constant=refuse)


def test_figures_that_there_is_no_room_for_leave_room_for_the_rest():
    large = Section("figure", "large", mime="image/png", image=b"x" * 8_000_000)
    sections = (large, replace(large, title="second"), replace(large, title="third"))
    last = Section("text", "last", text="the last word")
    page = render_page(
        RunResult(result().status, document=Document((*sections, last), complete=True)), "n"
    )
    assert len(page) < 25 * 1024 * 1024
    assert page.count("data:image/png;base64,") == 2
    assert "With 11 MB this is too large for the page." in page
    assert "the last word" in page
