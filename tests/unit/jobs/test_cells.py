"""Cells out of an exported page, whatever the page holds."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote

import pytest
import responses
from databricks.sdk import WorkspaceClient

from brickloop.errors import OutputUnavailable
from brickloop.jobs.cells import cells_of_page, export_cells
from brickloop.model.run import ErrorOutput, HtmlOutput, ImageOutput, TableOutput, TextOutput


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


def encoded(text: str) -> str:
    data = base64.b64encode(text.encode()).decode()
    return f"<script>var __DATABRICKS_NOTEBOOK_MODEL = '{data}';</script>"


def test_a_model_that_is_written_otherwise_is_read_too():
    model = json.dumps({"commands": [command(1.0, {"type": "raw", "data": "a=b é"})]})
    as_it_stands = f"<script>var __DATABRICKS_NOTEBOOK_MODEL = {model};</script>"
    twice = f"x __DATABRICKS_NOTEBOOK_MODEL = '{quote(base64.b64encode(quote(model).encode()))}'"
    for text in (as_it_stands, twice, encoded(quote(model, safe="= /")), encoded(quote(model))):
        (cell,) = cells_of_page(text)
        assert cell.outputs == (TextOutput("a=b é"),)


def test_results_of_every_older_kind():
    png = base64.b64encode(b"\x89PNG").decode()
    (cell,) = cells_of_page(
        page(
            command(
                1.0,
                {"type": "image", "data": png},
                {"type": "html", "data": '<div class="ansiout">a &lt; b\n</div>'},
                {"type": "html", "data": "<b>x</b>"},
                {"type": "html", "data": " "},
                {"type": "error", "summary": "ValueError: no", "cause": "Trace"},
                {"type": "of next year", "data": 1},
            )
        )
    )
    assert cell.outputs == (
        ImageOutput("image/png", b"\x89PNG"),
        TextOutput("a < b\n"),
        HtmlOutput("<b>x</b>"),
        ErrorOutput("ValueError", "no", "Trace"),
    )


@pytest.mark.parametrize(
    "damaged",
    [
        {"type": "image", "data": "no base64!"},
        {"type": "mimeBundle", "data": {"image/png": 7}},
        {"type": "table", "data": [[1, 2]], "schema": [{"name": "n"}]},
        {"type": "table", "data": [1], "schema": [{"name": "n"}]},
        {"type": "table", "data": [[1]], "schema": ["n"]},
    ],
)
def test_a_damaged_result_costs_no_other(damaged):
    (cell,) = cells_of_page(page(command(1.0, {"type": "ansi", "data": "before"}, damaged)))
    assert cell.outputs[0] == TextOutput("before")
    assert "cannot be read" in cell.outputs[1].text


def test_bytes_that_are_no_text_and_halves_of_characters_can_be_written():
    model = json.dumps({"commands": [command(1.0, {"type": "ansi", "data": "a\ud800b"})]})
    (cell,) = cells_of_page(encoded(quote(model).replace("a%5Cud800b", "a%FF%5Cud800b")))
    assert cell.outputs[0].text == "a\ufffd\ufffdb"
    cell.outputs[0].text.encode()


def test_a_cell_of_50_mb_is_read_whole():
    text = "a line of output, é\n" * 2_600_000
    made = page(command(1.0, {"type": "ansi", "data": text}))
    (cell,) = cells_of_page(made)
    assert len(cell.outputs[0].text) == len(text) > 50_000_000


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "PERMISSION_DENIED", "User x does not have View permission"),
        (400, "MAX_READ_SIZE_EXCEEDED", "The page is larger than 10 MB"),
        (501, "NOT_IMPLEMENTED", "not here"),
    ],
)
def test_an_export_that_is_refused_says_so(status, code, message):
    host = "https://workspace.test"
    with responses.RequestsMock(assert_all_requests_are_fired=False) as edge:
        edge.add(responses.GET, f"{host}/.well-known/databricks-config", status=404)
        edge.add(
            responses.GET,
            re.compile(rf"{host}/api/2\.\d/jobs/runs/export"),
            json={"error_code": code, "message": message},
            status=status,
        )
        client = WorkspaceClient(host=host, token="dapi-secret", auth_type="pat")
        with pytest.raises(OutputUnavailable, match="cannot be exported") as caught:
            export_cells(client, 7)
    assert message in str(caught.value)
    assert "dapi-secret" not in str(caught.value)
