"""The schema that editors know of [tool.brickloop]: it is what is read."""

from __future__ import annotations

import json

import pytest

from brickloop.config.settings import load_settings
from brickloop.config.settings_schema import make_schema, schema_text
from brickloop.errors import SettingsError

TABLE = json.loads(schema_text())["properties"]["tool"]["properties"]["brickloop"]
TARGET = TABLE["properties"]["targets"]["additionalProperties"]


def test_what_is_shipped_is_what_would_be_made():
    assert schema_text() == make_schema(), "run: python -m docs.make schema"


def read(root, lines):
    (root / "pyproject.toml").write_text(lines)
    return load_settings(root, {})


def written(name, fact):
    kind = fact["type"]
    if kind == "object":
        return f"{name} = {{}}\n"
    return f"{name} = true\n" if kind == "boolean" else f"{name} = '1'\n"


def test_every_key_of_the_schema_is_read(tmp_path):
    lines = "[tool.brickloop.targets.1]\n"
    lines += "".join(written(name, fact) for name, fact in TARGET["properties"].items())
    lines += "[tool.brickloop]\n"
    for name, fact in TABLE["properties"].items():
        if "properties" in fact:
            lines += "".join(written(f"{name}.{key}", f) for key, f in fact["properties"].items())
        elif name != "targets":
            lines += written(name, fact)
    settings = read(tmp_path, lines)
    assert settings.target.protected.value == "true"
    assert settings.text("compute") == "1"
    assert settings.text("local.engine") == "1"


@pytest.mark.parametrize(("title", "table"), [("", TABLE), (".targets.x", TARGET)])
def test_no_key_is_read_that_the_schema_does_not_have(tmp_path, title, table):
    assert table["additionalProperties"] is False
    for name in ("force", "nothing", "cache_sizes"):
        assert name not in table["properties"]
        with pytest.raises(SettingsError, match=f"no setting '{name}'"):
            read(tmp_path, f"[tool.brickloop{title}]\n{name} = '1'\n")
