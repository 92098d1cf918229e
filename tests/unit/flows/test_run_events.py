"""events.jsonl and result.json: by their schema, once each, without secrets, whatever dies."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from brickloop import flows
from brickloop.flows.run_events import RunEvents
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
    TaskStatus,
    TextOutput,
)

SCHEMA = json.loads((Path(flows.__file__).parent / "run_events.schema.json").read_text())
KINDS = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
    "boolean": bool, "null": type(None),
}  # fmt: skip
TOKEN = "dapi" + "0123456789abcdef" * 2
REQUEST = {
    "run_key": "k1",
    "host": "https://h",
    "output": "/Volumes/o",
    "parameters": {"day": "1", "db_password": "hush", "API_TOKEN": "hush"},
}
DONE = RunStatus(
    7, 8, LifeCycle.TERMINATED, ResultState.FAILED, "no luck", "https://page", 1000, 3500,
    name="a run", creator="me",
    tasks=(TaskStatus("main", 8, "notebook", "/n", 1, LifeCycle.TERMINATED, ResultState.FAILED),),
)  # fmt: skip
CELLS = (
    CellResult(
        0, "print(1)", "Title", "finished",
        (
            TextOutput(f"hello {TOKEN}"),
            TableOutput((("n", "long"),), ((1,), (None,)), True),
            ImageOutput("image/png", b"\x89PNG"),
            HtmlOutput("<b>x</b>"),
        ),
        1, 2,
    ),
    CellResult(1, "1/0", None, "error", (ErrorOutput("ZeroDivisionError", "no", "Trace"),)),
)  # fmt: skip
SECTIONS = (
    Section("text", "one", text="said", at=1.0),
    Section("table", "two", columns=(("n", "long"),), rows=((1,),), total=5, truncated=True),
    Section("figure", "three", mime="image/png", image=b"\x89PNG"),
    Section("metric", "four", values=(("loss", 0.5),)),
)


def problems(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """Why a value does not fit; for the words of JSON schema that ours uses."""
    if "$ref" in schema:
        schema = {**SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]}
    if "oneOf" in schema:
        tries = [problems(value, one, where) for one in schema["oneOf"]]
        fitting = [one for one in tries if not one]
        return [] if len(fitting) == 1 else [f"{where} fits {len(fitting)} forms: {tries}"]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, KINDS[kind]) for kind in kinds):
        return [f"{where} is {value!r}, no {kinds}"]
    found = []
    if "const" in schema and value != schema["const"]:
        found.append(f"{where} is {value!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r}, none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where} is {value!r}")
    if isinstance(value, list):
        for item in value:
            found += problems(item, schema.get("items", {}), f"{where}[]")
    if isinstance(value, dict):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{where}.{name} is missing" for name in schema.get("required", ())
                  if name not in value]  # fmt: skip
        for name, item in value.items():
            if name in known:
                found += problems(item, known[name], f"{where}.{name}")
            elif rest is False:
                found.append(f"{where}.{name} is not known")
            elif isinstance(rest, dict):
                found += problems(item, rest, f"{where}.{name}")
    return found


def read(root: Path, run_id: int = 7) -> list[dict[str, Any]]:
    lines = (root / str(run_id) / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def tell(events: RunEvents) -> None:
    events.started("nb", 7, "https://page")
    events.status(DONE)
    for section in SECTIONS:
        events.section(section)
    events.note("connection_lost", "no answer")
    events.cells(CELLS)


def test_every_event_and_the_result_fit_the_schema(tmp_path):
    events = RunEvents(tmp_path, 7, REQUEST)
    tell(events)
    result = RunResult(
        DONE, error="ZeroDivisionError: no", error_trace="Trace", cells=CELLS,
        document=Document(SECTIONS, {"k": "v"}),
    )  # fmt: skip
    events.failure(result)
    events.finished(result, ("outputs/nb.txt",))
    found = read(tmp_path)
    assert [problems(event, SCHEMA) for event in found] == [[]] * len(found)
    kinds = "started status section section section section note cell cell failure finished"
    assert [event["kind"] for event in found] == kinds.split()
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
    saved = json.loads((tmp_path / "7" / "result.json").read_text())
    assert problems(saved, {"$ref": "#/$defs/result"}) == []
    assert (saved["success"], saved["exit_code"], saved["seconds"]) == (False, 1, 2.5)
    assert saved["failed_cell"]["command"] == "1/0"
    assert [section["title"] for section in saved["sections"]] == ["one", "two", "three", "four"]


def test_the_schema_refuses_what_is_no_event():
    assert problems({"v": 1, "seq": 1, "at": 1.0, "kind": "other"}, SCHEMA)
    assert problems({"v": 2, "seq": 1, "at": 1.0, "kind": "note", "code": "", "text": ""}, SCHEMA)


def test_figures_are_beside_the_events_and_equal_ones_once(tmp_path):
    events = RunEvents(tmp_path, 7, REQUEST)
    tell(events)
    found = read(tmp_path)
    figure = next(event["section"] for event in found if event.get("section", {}).get("file"))
    output = next(event["cell"] for event in found if event["kind"] == "cell")["outputs"][2]
    assert output["file"] == figure["file"]
    assert (tmp_path / "7" / figure["file"]).read_bytes() == b"\x89PNG"
    assert len(list((tmp_path / "7" / "figures").iterdir())) == 1


def test_no_secret_is_in_any_file_and_nobody_else_reads_them(tmp_path):
    events = RunEvents(tmp_path, 7, REQUEST)
    tell(events)
    events.finished(RunResult(DONE, exit_value=TOKEN), ())
    for path in (tmp_path / "7").glob("*.json*"):
        text = path.read_text()
        assert "hush" not in text and TOKEN not in text
        assert '"day": "1"' in text or path.suffix == ".jsonl"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "7").stat().st_mode) == 0o700


def test_who_takes_a_run_up_again_writes_nothing_twice(tmp_path):
    tell(RunEvents(tmp_path, 7, REQUEST))
    before = len(read(tmp_path))
    again = RunEvents(tmp_path, 7, REQUEST)
    tell(again)
    twin = Section("text", "one", text="said", at=1.0)
    again.section(twin)
    found = read(tmp_path)
    # started, the status and the note are told again; of the sections only the one that is more
    assert [event["kind"] for event in found[before:]] == ["started", "status", "note", "section"]
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))


def test_a_torn_line_spoils_no_other(tmp_path):
    events = RunEvents(tmp_path, 7, REQUEST)
    events.started("nb", 7, "https://page")
    with (tmp_path / "7" / "events.jsonl").open("ab") as file:
        file.write(b'{"v": 1, "seq": 2, "ki')
    again = RunEvents(tmp_path, 7, REQUEST)
    again.note("a", "b")
    lines = (tmp_path / "7" / "events.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["kind"] == "note"


def test_the_record_of_another_run_with_that_id_is_kept_aside(tmp_path):
    RunEvents(tmp_path, 7, REQUEST).started("nb", 7, "https://page")
    RunEvents(tmp_path, 7, {**REQUEST, "run_key": "k2"}).started("nb", 7, "https://page")
    assert [event["run_key"] for event in read(tmp_path)] == ["k2"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_record_is_reopened_where_there_is_one(tmp_path):
    assert RunEvents.reopened(tmp_path, 7) is None
    RunEvents(tmp_path, 7, REQUEST).started("nb", 7, "https://page")
    again = RunEvents.reopened(tmp_path, 7)
    assert again is not None
    again.note("a", "b")
    assert [event["kind"] for event in read(tmp_path)] == ["started", "note"]


def test_a_disk_that_refuses_is_said_once_and_stops_nothing(tmp_path, capsys):
    (tmp_path / "runs").write_text("no folder")
    events = RunEvents(tmp_path / "runs", 7, REQUEST)
    tell(events)
    events.finished(RunResult(DONE), ())
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_old_records_are_removed_and_new_ones_stay(tmp_path):
    import os
    import time

    old, new = tmp_path / "1", tmp_path / "2"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, time.time() - 61 * 24 * 3600))
    RunEvents(tmp_path, 7, REQUEST).started("nb", 7, "https://page")
    assert not old.exists() and new.exists()


@pytest.mark.parametrize("text", ["\ud800", "a\x1b[31m", "é" * 10])
def test_any_text_can_be_written(tmp_path, text):
    events = RunEvents(tmp_path, 7, REQUEST)
    events.section(Section("text", "t", text=text))
    assert read(tmp_path)[0]["kind"] == "section"
