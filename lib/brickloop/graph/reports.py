"""A summary in the forms that programs and people read: JUnit, JSON, Markdown, metrics, lines."""

from __future__ import annotations

import hashlib
import json
import re
from xml.etree import ElementTree

from brickloop.graph.summary import NotebookOutcome, State, Summary
from brickloop.model.text import harmless, one_line, write_duration

_NUMBERS = re.compile(r"\d+")
_MOST_LINES = 50
_SIGNS = {
    State.SUCCEEDED: "✅",
    State.FAILED: "❌",
    State.SKIPPED: "⏭️",
    State.NOT_REACHED: "⏸️",
    State.UP_TO_DATE: "💤",
}


def as_junit(summary: Summary) -> str:
    """JUnit XML, a test case for each notebook, as CI systems read it."""
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": "brickloop",
            "tests": str(len(summary.outcomes)),
            "failures": str(summary.count(State.FAILED)),
            "skipped": str(sum(_is_skipped(one.state) for one in summary.outcomes)),
            "time": f"{summary.seconds:.3f}",
        },
    )
    for one in summary.outcomes:
        about = {"classname": "notebooks", "name": one.name, "time": f"{one.seconds:.3f}"}
        if one.file:
            about["file"] = one.file
        if one.line:
            about["line"] = str(one.line)
        case = ElementTree.SubElement(suite, "testcase", {k: harmless(v) for k, v in about.items()})
        message = harmless(one.message)
        if one.state is State.FAILED:
            failure = ElementTree.SubElement(case, "failure", {"message": one_line(message)})
            failure.text = message
        elif _is_skipped(one.state):
            ElementTree.SubElement(case, "skipped", {"message": message or one.state.value})
    ElementTree.indent(suite)
    body = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def as_json(summary: Summary) -> str:
    """JSON, for programs."""
    return json.dumps(summary.to_json(), indent=2) + "\n"


def as_code_quality(summary: Summary) -> str:
    """A code quality report, in which GitLab shows failures at their lines in a merge request.

    https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
    """
    found = []
    for one in summary.outcomes:
        if one.state is not State.FAILED:
            continue
        message = one_line(harmless(one.message)) or "the notebook failed"
        # the same failure is the same finding in the next report, whichever line it moves to
        mark = hashlib.sha256(f"{one.name}\0{_NUMBERS.sub('#', message)}".encode()).hexdigest()
        found.append(
            {
                "description": f"{one_line(one.name)}: {message}",
                "check_name": "notebook-failed",
                "fingerprint": mark,
                "severity": "critical",
                "location": {"path": one.file, "lines": {"begin": one.line or 1}},
            }
        )
    return json.dumps(found, indent=2) + "\n"


def as_metrics(summary: Summary) -> str:
    """OpenMetrics text, whose changes GitLab shows in a merge request."""
    lines = [f"brickloop_seconds {summary.seconds:.3f}"]
    for state in State:
        lines.append(f'brickloop_notebooks{{state="{state.value}"}} {summary.count(state)}')
    for one in summary.worked:
        lines.append(
            f'brickloop_notebook_seconds{{notebook="{_label(one.name)}"}} {one.seconds:.3f}'
        )
    return "\n".join([*lines, "# EOF"]) + "\n"


def as_markdown(summary: Summary) -> str:
    """A table in Markdown, for the summary page of a CI run."""
    lines = [
        "### Notebooks",
        "",
        _counts(summary),
        "",
        "| | notebook | state | time | |",
        "|---|---|---|---:|---|",
    ]
    for one in summary.worked:
        spent = write_duration(one.seconds * 1000) if one.seconds else ""
        place = f"{one.file}:{one.line}" if one.line else ""
        said = " ".join(part for part in (_cell(one.message), place) if part)
        lines.append(
            f"| {_SIGNS[one.state]} | {_cell(one.name)} | {one.state.value} | {spent} | {said} |"
        )
    if len(summary.critical_path) > 1:
        path = " → ".join(_cell(name) for name in summary.critical_path)
        lines += ["", f"Critical path: {path} ({write_duration(summary.path_seconds * 1000)})"]
    return "\n".join(lines) + "\n"


def as_lines(summary: Summary) -> list[str]:
    """Lines for the terminal; none where fewer than two notebooks were worked on."""
    worked = summary.worked
    if len(worked) < 2:
        return []
    shown = _told(worked)
    width = max(len(one.name) for one in shown)
    lines = [_counts(summary)]
    for one in shown:
        spent = write_duration(one.seconds * 1000) if one.seconds else ""
        said = one_line(one.message)
        lines.append(f"  {one.state.value:<11} {one.name:<{width}}  {spent:>8}  {said}".rstrip())
    if len(shown) < len(worked):
        lines.append(f"  and {len(worked) - len(shown):,} more")
    if len(summary.critical_path) > 1:
        spent = write_duration(summary.path_seconds * 1000)
        lines.append(f"critical path {spent}: {' > '.join(summary.critical_path)}")
    return lines


def _told(worked: tuple[NotebookOutcome, ...]) -> list[NotebookOutcome]:
    """Of very many notebooks those that failed, and those that took longest, in their order."""
    if len(worked) <= _MOST_LINES:
        return list(worked)
    first = sorted(worked, key=lambda one: (one.state is not State.FAILED, -one.seconds))
    chosen = {one.name for one in first[:_MOST_LINES]}
    return [one for one in worked if one.name in chosen]


def _counts(summary: Summary) -> str:
    parts = [f"{summary.count(state)} {state.value}" for state in State if summary.count(state)]
    return f"{', '.join(parts)} in {write_duration(summary.seconds * 1000)}"


def _is_skipped(state: State) -> bool:
    return state in {State.SKIPPED, State.NOT_REACHED, State.UP_TO_DATE}


def _label(text: str) -> str:
    return one_line(text).replace("\\", "\\\\").replace('"', '\\"')


def _cell(text: str) -> str:
    """A text as a cell of a Markdown table: on one line, nothing of it Markdown or HTML."""
    plain = one_line(text)
    for sign in "\\`*_{}[]<>|~":
        plain = plain.replace(sign, f"&#{ord(sign)};")
    return plain
