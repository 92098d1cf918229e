"""What the terminal shows of the tool's description: a page to read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from brickloop.display import console
from brickloop.model.text import one_line

_NARROWEST = 30


def show_info(facts: Mapping[str, Any]) -> None:
    """Show the description of the tool in one project; its form is ``info.schema.json``."""
    with console.block():
        console.write(f"brickloop {facts['version']}, Python {facts['python']}")
        console.write(f"project {one_line(facts['root'])}")
        for problem in facts["problems"]:
            console.write(f"problem: {one_line(problem)}")
        _section(
            "commands (invoke --help NAME explains one)",
            ((one["name"], f"{one['summary']}{_marks(one)}") for one in facts["commands"]),
        )
        _section("notebooks", ((one["name"], _notebook(one)) for one in facts["notebooks"]))
        _section("sync pairs", ((one["name"], _pair(one)) for one in facts["sync_pairs"]))
        _section(
            "targets",
            (
                (one["name"], "takes only what is committed" if one["protected"] else "")
                for one in facts["targets"]
            ),
        )
        _section(
            "settings, in pyproject.toml [tool.brickloop] or as variables BRICKLOOP_NAME",
            ((one["name"], _setting(one)) for one in facts["settings"]),
        )
        _section("variables", ((one["name"], one["description"]) for one in facts["environment"]))
        _section("exit codes", facts["exit_codes"].items())
        _section("files", facts["files"].items())
        _section("JSON schemas", facts["schemas"].items())


def _section(title: str, rows: Iterable[tuple[str, str]]) -> None:
    found = [(name, one_line(text)) for name, text in rows]
    if not found:
        return
    console.write()
    console.write(f"\x1b[1m{title}\x1b[0m" if console.has_colour() else title)
    width = max(len(name) for name, _ in found)
    room = max(console.width() - width - 4, _NARROWEST)
    for name, text in found:
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        console.write(f"  {name:<{width}}  {lines[0]}".rstrip())
        for line in lines[1:]:
            console.write(f"  {'':<{width}}  {line}")


def _marks(command: Mapping[str, Any]) -> str:
    marks = [flag for flag, has in (("--json", "json"), ("--dry-run", "dry_run")) if command[has]]
    return f" [{' '.join(marks)}]" if marks else ""


def _notebook(notebook: Mapping[str, Any]) -> str:
    after = f", after {', '.join(notebook['after'])}" if notebook["after"] else ""
    return f"{notebook['path']} (doit {notebook['tasks']['run']}){after}"


def _pair(pair: Mapping[str, Any]) -> str:
    arrow = {"push": "->", "pull": "<-"}.get(pair["direction"], "<->")
    return f"{pair['local']} {arrow} {pair['workspace']}"


def _setting(setting: Mapping[str, Any]) -> str:
    default = f" (default: {setting['default']})" if setting["default"] else ""
    return f"{setting['description']}{default}"
