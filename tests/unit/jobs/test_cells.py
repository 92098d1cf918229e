"""Cells out of an exported page, whatever the page holds."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from brickloop.errors import OutputUnavailable
from brickloop.jobs.cells import cells_of_page
from brickloop.model.run import HtmlOutput, ImageOutput, TableOutput, TextOutput


def page(*commands):
    model = json.dumps({"name": "n", "language": "python", "commands": list(commands)})
    encoded = base64.b64encode(quote(model).encode()).decode()
    return f"<html><script>var __DATABRICKS_NOTEBOOK_MODEL = '{encoded}';</script></html>"


def command(position, *items, **more):
    results = {"type": "listResults", "data": list(items)} if items else None
    return {"position": position, "command": f"c{position}", "results": results, **more}


def test_cells_come_in_their_order_with_every_kind_of_output():
    png = base64.b64encode(b"\x89PNG").decode()
    cells = cells_of_page(
        page(
            command(2.0, {"type": "htmlSandbox", "data": "<b>x</b>"}),
            command(
                1.0,
                {"type": "ansi", "data": "a\x1b[31mred\x1b[0m\x07", "name": "stdout"},
                {
                    "type": "table",
                    "data": [[1, None]],
                    "schema": [{"name": "n", "type": '"long"'}, {"name": "s", "type": '"string"'}],
                    "overflow": True,
                },
                {"type": "mimeBundle", "data": {"image/png": png}},
                commandTitle="Title",
                startTime=5,
                finishTime=7,
            ),
        )
    )
    first, second = cells
    assert (first.first_line, second.first_line) == ("Title", "c2.0")
    assert first.outputs == (
        TextOutput("ared\\x07", "stdout"),
        TableOutput((("n", "long"), ("s", "string")), ((1, None),), True),
        ImageOutput("image/png", b"\x89PNG"),
    )
    assert second.outputs == (HtmlOutput("<b>x</b>"),)


def test_a_failed_cell_has_its_error_in_plain_text():
    (cell,) = cells_of_page(
        page(
            command(
                1.0,
                state="error",
                errorSummary='<span class="ansi-red-fg">ValueError</span>: a &lt; b',
                error='<div class="ansiout">Traceback\n  line 3</div>',
            )
        )
    )
    assert cell.error is not None
    assert (cell.error.name, cell.error.message) == ("ValueError", "a < b")
    assert cell.error.trace == "Traceback\n  line 3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>no model</html>",
        "__DATABRICKS_NOTEBOOK_MODEL = 'AAAA'",
        "__DATABRICKS_NOTEBOOK_MODEL = '" + base64.b64encode(b"[]").decode() + "'",
        "__DATABRICKS_NOTEBOOK_MODEL = '" + base64.b64encode(b'{"commands": [1]}').decode() + "'",
    ],
)
def test_a_page_without_a_notebook_is_named(text):
    with pytest.raises(OutputUnavailable, match="page"):
        cells_of_page(text)
