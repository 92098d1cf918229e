"""The published schema: every line that is written fits it, and what is another thing does not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.notebook import chunks, live, png

from brickloop import runtime
from brickloop.model.document import Assembler

SCHEMA = json.loads(
    (Path(runtime.__file__).parent / "output.schema.json").read_text(encoding="utf-8")
)
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def problems(value: Any, schema: dict[str, Any]) -> list[str]:
    """Why a value does not fit a schema, for the words of JSON schema that ours uses."""
    if "$ref" in schema:
        return problems(value, SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    if "oneOf" in schema:
        fitting = [each for each in schema["oneOf"] if not problems(value, each)]
        return [] if len(fitting) == 1 else [f"{value!r} fits {len(fitting)} forms"]
    found = []
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(
        isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
        for kind in kinds
    ):
        return [f"{value!r} is no {kinds}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{value!r} is none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{value!r} has another form")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{value!r} is too small")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{value!r} has another length")
        found += [text for item in value for text in problems(item, schema.get("items", {}))]
    if isinstance(value, dict):
        known = schema.get("properties", {})
        rest = schema.get("additionalProperties", {})
        found += [f"{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name not in known and rest is False:
                found.append(f"{name} is not known")
            else:
                found += problems(item, known.get(name, rest or {}))
    return found


def write_everything(folder: Path) -> None:
    with pytest.raises(ValueError, match="end"), live(folder) as output:
        output.metadata["who"] = "me"
        for kind in ("text", "markdown", "code", "json", "html", "warning", "sql", "other"):
            output.add_section(kind, "text", kind)
        output.add_log("log", "line")
        output.add_dataframe("table", [{"a": 1, "b": None}, {"a": "x" * 2000}], max_rows=1)
        output.add_query_result("rows", "SELECT 1", [{"a": 1}])
        output.add_query_result("text", "SELECT 1", "1")
        output.add_figure("png", png())
        output.add_figure("svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
        output.add_error("error", ValueError("x"))
        output.add_error("error", "text")
        output.add_values("values", {"a": 1})
        output.add_metric("metric", 1.5)
        output.add_progress("progress", 1)
        output.add_progress("progress", 1, 2)
        output.add_section("large", "x" * 600_000)
        raise ValueError("end")


def test_every_line_that_is_written_fits_the_schema(folder):
    write_everything(folder)
    kinds = set()
    for path in chunks(folder):
        for line in path.read_bytes().splitlines():
            event = json.loads(line)
            assert problems(event, SCHEMA) == []
            kinds.add(event["kind"])
    (done,) = folder.glob("*/_DONE.json")
    assert problems(json.loads(done.read_text()), SCHEMA["$defs"]["done"]) == []
    named = {
        kind
        for form in SCHEMA["oneOf"]
        for schema in [SCHEMA["$defs"][form["$ref"].rsplit("/", 1)[1]]["properties"]["kind"]]
        for kind in schema.get("enum", [schema.get("const")])
    }
    assert kinds == named


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"v": 2, "seq": 1, "t": 1.0, "kind": "start"},
        {"v": 1, "seq": 0, "t": 1.0, "kind": "start"},
        {"v": 1, "seq": 1, "t": 1.0, "kind": "text", "title": 7, "text": "", "seconds": 0},
        {"v": 1, "seq": 1, "t": 1.0, "kind": "end", "status": "lost", "seconds": 0},
        {"v": 1, "kind": "seal", "chunk": 1, "events": 1, "sha256": "abc"},
    ],
)
def test_what_is_another_thing_does_not_fit(wrong):
    assert problems(wrong, SCHEMA)


def test_what_is_written_is_what_the_reader_takes(folder):
    write_everything(folder)
    assembler = Assembler()
    for path in chunks(folder):
        assembler.feed(path.read_bytes())
    document = assembler.document()
    assert len(document.sections) == 20
    assert document.complete
