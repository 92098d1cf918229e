"""Telling the CI system that runs us: annotations at the failing line, a summary, sections.

Sources: GitHub's workflow commands and job summaries, Azure DevOps' logging commands, GitLab's
sections in job logs and its report artifacts: JUnit, code quality, metrics.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from brickloop.graph.reports import (
    as_code_quality,
    as_json,
    as_junit,
    as_markdown,
    as_metrics,
)
from brickloop.graph.summary import State, Summary
from brickloop.model.text import harmless, one_line

_SUMMARY_LIMIT = 1024 * 1024 - 1024
_ANNOTATIONS = 10
"""As many as GitHub shows of one step."""
_FILES = {
    "BRICKLOOP_JUNIT": as_junit,
    "BRICKLOOP_SUMMARY": as_json,
    "BRICKLOOP_CODE_QUALITY": as_code_quality,
    "BRICKLOOP_METRICS": as_metrics,
}
"""What is written to the file that a variable names."""


def write_files(summary: Summary, root: Path, environment: Mapping[str, str]) -> list[Path]:
    """The files that were asked for with BRICKLOOP_JUNIT and its kin, written."""
    written = []
    for variable, render in _FILES.items():
        named = environment.get(variable)
        if named:
            # only here: a doit without them does not wait for what makes pages
            from brickloop.report.saved import write_whole

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


class LogSections:
    """Folds what is said of each notebook in GitLab's job log; says nothing anywhere else.

    Sections must not overlap, so there are none where notebooks run at once.
    https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections
    """

    def __init__(self, environment: Mapping[str, str], *, one_by_one: bool) -> None:
        self._wanted = one_by_one and environment.get("GITLAB_CI") == "true"
        self._open: str | None = None
        self._count = 0

    def begin(self, title: str) -> str:
        """What is written before a notebook's output."""
        if not self._wanted:
            return ""
        ended = self.end()
        self._count += 1
        self._open = f"notebook_{self._count}"
        return f"{ended}{self._mark('start')}{one_line(title)}\n"

    def end(self) -> str:
        """What is written after it, if a section is open."""
        if self._open is None:
            return ""
        text, self._open = f"{self._mark('end')}\n", None
        return text

    def _mark(self, kind: str) -> str:
        return f"\x1b[0Ksection_{kind}:{int(time.time())}:{self._open}\r\x1b[0K"


def _data(text: str) -> str:
    """A text within a workflow command of GitHub."""
    return harmless(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _vso(text: str) -> str:
    """A text within a logging command of Azure DevOps."""
    plain = harmless(text).replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
    return plain.replace(";", "%3B").replace("]", "%5D")
