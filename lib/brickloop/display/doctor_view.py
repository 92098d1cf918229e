"""What the terminal shows of a doctor's look: what holds, by sections, then what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from brickloop.display import console
from brickloop.model.finding import Checked, Finding, Severity
from brickloop.model.text import display_width, one_line

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
_WORDS = {True: "yes", False: "no", None: "-"}
_LABEL = 11


class Diagnosed(Protocol):
    """What of a diagnosis is shown."""

    @property
    def checks(self) -> Mapping[str, Checked]:
        """What each check gave."""

    @property
    def findings(self) -> Sequence[tuple[str, Finding]]:
        """What is wrong, with the check that says so."""


def show_diagnosis(diagnosis: Diagnosed) -> None:
    """Show a diagnosis for people."""
    with console.block():
        for name, checked in diagnosis.checks.items():
            if name == "settings":
                _show_settings(checked.facts)
            elif name == "workspace":
                _show_workspace(checked.facts)
            elif name == "versions":
                _show_versions(checked.facts)
            elif checked.facts:
                _show_facts(name, checked.facts)
        _show_findings(diagnosis)


def _show_settings(facts: Mapping[str, Any]) -> None:
    console.write(_bold("settings"))
    names = max(map(len, facts), default=0)
    values = [_plain(one["value"]) for one in facts.values()]
    wide = min(max(map(display_width, values), default=0), 40)
    for (name, one), value in zip(facts.items(), values, strict=True):
        padding = " " * max(wide - display_width(value), 0)
        console.write(f"  {name:<{names}}  {value}{padding}  {one_line(one['source'])}")


def _show_workspace(facts: Mapping[str, Any]) -> None:
    console.write(_bold("workspace"))
    if facts.get("kind"):
        host = facts.get("host") or "the local workspace"
        console.write(f"  {one_line(host)}, because {one_line(facts['why'])}")
    console.write("  what may name it, in this order:")
    width = max(len(one["place"]) for one in facts["candidates"])
    for one in facts["candidates"]:
        mark = "> " if one["decides"] else "  "
        console.write(f"  {mark}{one['place']:<{width}}  {_plain(one['says'])}".rstrip())


def _show_versions(facts: Mapping[str, Any]) -> None:
    console.write(_bold("versions"))
    console.write(
        f"  brickloop {facts['brickloop']}, Python {facts['python']} on {facts['platform']}"
    )
    console.write(f"  {facts['python_path']}")
    names = max(map(len, facts["packages"]), default=0)
    for name, one in facts["packages"].items():
        mark = "  <- does not fit" if one["ok"] is False else ""
        version = one["version"] or "not installed"
        console.write(f"  {name:<{names}}  {version:<14}  {one['wanted']}{mark}".rstrip())


def _show_facts(name: str, facts: Mapping[str, Any]) -> None:
    console.write(_bold(name))
    width = max(map(len, facts))
    for key, value in facts.items():
        label = f"  {key.replace('_', ' '):<{width}}  "
        for line in _lines(value):
            console.write(f"{label}{line}".rstrip())
            label = " " * len(label)


def _show_findings(diagnosis: Diagnosed) -> None:
    console.write(_bold("findings"))
    if not diagnosis.findings:
        console.write("  none: all is well")
    for name, one in diagnosis.findings:
        word = _coloured(f"{one.severity.value:<7}", _COLOURS[one.severity])
        console.write(f"  {word}  {name:<{_LABEL}}  {one_line(one.what)}")
        if one.do:
            console.write(f"  {'':<7}  {'':<{_LABEL}}  {one_line(one.do)}")


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}: {_plain(each)}" for key, each in value.items()] or ["-"]
    if isinstance(value, list):
        return [
            ", ".join(f"{key} {_plain(each)}" for key, each in one.items())
            if isinstance(one, Mapping)
            else _plain(one)
            for one in value
        ] or ["-"]
    return [_plain(value)]


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    return one_line(str(value))


def _bold(text: str) -> str:
    return _coloured(text, "1")


def _coloured(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if console.has_colour() else text
