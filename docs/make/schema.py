"""Writes the JSON schema of the settings, which the package ships."""

from __future__ import annotations

from pathlib import Path

from brickloop.config import settings_schema


def main() -> None:
    """Write the file."""
    path = Path(settings_schema.__file__).with_name(settings_schema.SCHEMA_NAME)
    path.write_text(settings_schema.make_schema(), encoding="utf-8")
