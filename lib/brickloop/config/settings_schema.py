"""The JSON schema of ``[tool.brickloop]``, for editors that check and complete a pyproject.toml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from brickloop.config.named_target import NAME_PATTERN
from brickloop.config.settings import DEFAULTS, DESCRIPTIONS, SAID_EACH_TIME
from brickloop.config.tables import PER_PROJECT

SCHEMA_NAME = "settings.schema.json"
"""The schema's file: in the package, and in a project's ``.brickloop``."""
_SCALAR = ["string", "number"]


def schema_text() -> str:
    """The schema as it is shipped."""
    return Path(__file__).with_name(SCHEMA_NAME).read_text(encoding="utf-8")


def make_schema() -> str:
    """The schema as text; what is shipped is made of this."""
    names = [name for name in DEFAULTS if name not in SAID_EACH_TIME]
    plain = [name for name in names if "." not in name]
    properties = {name: _setting(name) for name in plain}
    for name in names:
        table, dot, key = name.partition(".")
        if dot:
            inner = properties.setdefault(table, _table({}))
            inner["properties"][key] = _setting(name)
    own = {name: _setting(name, default=False) for name in plain if name not in PER_PROJECT}
    properties["targets"] = {
        "description": "Workspaces and folders by name: --target NAME, doit target=NAME.",
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
        "additionalProperties": _table({**own, "parameters": _PARAMETERS, "protected": _PROTECTED}),
    }
    tool = {"type": "object", "properties": {"brickloop": _table(properties)}}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "brickloop in pyproject.toml",
        "type": "object",
        "properties": {"tool": tool},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


_PARAMETERS: dict[str, Any] = {
    "description": "Notebooks' parameters: a value is for every notebook, a table for the one that"
    " it is named after.",
    "type": "object",
}
_PROTECTED: dict[str, Any] = {
    "description": "Whether only what is committed in git is sent; true for the target 'prod'.",
    "type": "boolean",
}


def _setting(name: str, *, default: bool = True) -> dict[str, Any]:
    # a job cluster's settings may be written as a table
    kinds = [*_SCALAR, "object"] if name == "compute" else _SCALAR
    found: dict[str, Any] = {"description": DESCRIPTIONS[name], "type": kinds}
    if default and DEFAULTS[name] is not None:
        found["default"] = DEFAULTS[name]
    return found


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}
