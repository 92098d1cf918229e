"""Saved outputs: text, JSON and a page that runs nothing foreign."""

from __future__ import annotations

import json
import re

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
from brickloop.report.saved import save_outputs

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
        "notebook.html", "notebook.json", "notebook.txt",
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
    assert not re.search(r"(src|href)=.(https?:)?//", page)
    assert 'iframe sandbox srcdoc="' in page
    assert '<section class="error">' in page
