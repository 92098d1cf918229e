"""Telling the CI system that runs us: annotations at the failing line, and a summary page.

Sources: GitHub's workflow commands and job summaries, Azure DevOps' logging commands. GitLab reads
the JUnit file (``BRICKLOOP_JUNIT``) as an artifact.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from brickloop.graph.reports import as_json, as_junit, as_markdown
from brickloop.graph.summary import State, Summary
from brickloop.model.text import harmless

_SUMMARY_LIMIT = 1024 * 1024 - 1024
_ANNOTATIONS = 10
"""As many as GitHub shows of one step."""


def write_files(summary: Summary, root: Path, environment: Mapping[str, str]) -> list[Path]:
    """The files that were asked for with BRICKLOOP_JUNIT and BRICKLOOP_SUMMARY, written."""
    from brickloop.report.saved import write_whole

    written = []
    for variable, render in (("BRICKLOOP_JUNIT", as_junit), ("BRICKLOOP_SUMMARY", as_json)):
        named = environment.get(variable)
        if named:
            written.append(write_whole(root / named, render(summary)))
    return written


def annotate(summary: Summary, environment: Mapping[str, str]) -> list[str]:
    """Lines by which the CI system that runs us marks failures; none outside of one."""
    failed = [one for one in summary.outcomes if one.state is State.FAILED]
    if environment.get("GITHUB_ACTIONS") == "true":
        return [
            f"::error file={_property(one.file)},line={one.line or 1},"
            f"title={_property(one.name)}::{_data(one.message)}"
            for one in failed[:_ANNOTATIONS]
        ]
    if environment.get("TF_BUILD"):
        return [
            f"##vso[task.logissue type=error;sourcepath={_vso(one.file)};"
            f"linenumber={one.line or 1}]{_vso(one.name)}: {_vso(one.message)}"
            for one in failed[:_ANNOTATIONS]
        ]
    return []


def write_step_summary(summary: Summary, root: Path, environment: Mapping[str, str]) -> str | None:
    """Write the summary page; a line that tells the CI system of it, where it wants one."""
    text = as_markdown(summary)
    encoded = text.encode("utf-8")
    if len(encoded) > _SUMMARY_LIMIT:
        cut = encoded[:_SUMMARY_LIMIT].decode("utf-8", "ignore").rsplit("\n", 1)[0]
        text = f"{cut}\n\n(the rest is left out: a summary holds 1 MiB)\n"
    github = environment.get("GITHUB_STEP_SUMMARY")
    if github:
        with Path(github).open("a", encoding="utf-8") as file:
            file.write(text)
        return None
    if environment.get("TF_BUILD"):
        path = root / ".brickloop" / "summary.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return f"##vso[task.uploadsummary]{path}"
    return None


def _data(text: str) -> str:
    """A text within a workflow command of GitHub."""
    return harmless(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _vso(text: str) -> str:
    """A text within a logging command of Azure DevOps."""
    plain = harmless(text).replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
    return plain.replace(";", "%3B").replace("]", "%5D")
