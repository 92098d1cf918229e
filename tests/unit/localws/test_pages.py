from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from brickloop.localws.command_log import CommandLog, read_commands
from brickloop.localws.disk import Disk
from brickloop.localws.pages.cells_html import cells_html
from brickloop.localws.pages.notebook_page import render_notebook_page

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"


def command(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"position": 1.0, "command": "print(1)", "state": "finished"}
    return {**base, "results": {"type": "listResults", "data": list(results)}, **more}


@pytest.mark.parametrize(
    "made",
    [
        command(command=EVIL),
        command(commandTitle=EVIL),
        command(state=EVIL),
        command(errorSummary=EVIL, error=EVIL),
        command({"type": "ansi", "data": EVIL}),
        command({"type": EVIL, "data": EVIL}),
        command({"type": "htmlSandbox", "data": EVIL}),
        command({"type": "table", "data": [[EVIL, None]], "schema": [{"name": EVIL}]}),
        command({"type": "mimeBundle", "data": {EVIL: EVIL}}),
        command({"type": "mimeBundle", "data": {"image/png": f'x" {EVIL}'}}),
        command({"type": "mimeBundle", "data": {"image/svg+xml": EVIL, "text/html": EVIL}}),
        {"command": None, "results": EVIL},
        {"results": {"type": "table", "data": EVIL}},
    ],
)
def test_nothing_that_a_notebook_made_becomes_markup(made: dict[str, Any]) -> None:
    html = cells_html([made])
    assert "<script" not in html
    assert "<img src=x" not in html


def test_terminal_codes_do_not_reach_a_page() -> None:
    html = cells_html([command({"type": "ansi", "data": "\x1b[31mred\x1b[0m \x1b]0;t\x07end\x00"})])
    assert "<pre>red end</pre>" in html


def test_figures_tables_and_errors_are_shown() -> None:
    html = cells_html(
        [
            command(
                {"type": "mimeBundle", "data": {"image/png": "aGk="}},
                {
                    "type": "table",
                    "data": [[1, "a"], [2, None]],
                    "schema": [{"name": "n"}, {"name": "s"}],
                    "overflow": True,
                },
                commandTitle="The title",
                startTime=1000,
                finishTime=2500,
            )
        ]
    )
    assert 'src="data:image/png;base64,aGk="' in html
    assert "<tr><td>2</td><td>null</td></tr>" in html
    assert "More rows were left out" in html
    assert "The title · finished · 1.50 s" in html


def test_the_exported_page_holds_the_model_and_only_one_script() -> None:
    page = render_notebook_page(EVIL, "python", [command({"type": "ansi", "data": EVIL})])
    assert page.count("<script>") == 1
    found = re.search(r"__DATABRICKS_NOTEBOOK_MODEL = '([A-Za-z0-9+/=]+)'", page)
    assert found is not None
    model = json.loads(unquote(base64.b64decode(found.group(1)).decode()))
    assert model["name"] == EVIL
    assert model["commands"][0]["results"]["data"][0]["data"] == EVIL


def test_commands_are_kept_in_order_and_replaced_by_position(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    log = CommandLog(folder, Disk(tmp_path / "tmp"))
    assert read_commands(folder) == []
    for position, state in ((2.0, "running"), (1.0, "running"), (1.0, "finished")):
        log.record({"kind": "command", "command": {"position": position, "state": state}})
    log.record({"kind": "other"})
    log.finish()
    assert read_commands(folder) == [
        {"position": 1.0, "state": "finished"},
        {"position": 2.0, "state": "canceled"},
    ]
    assert list((tmp_path / "tmp").iterdir()) == []
