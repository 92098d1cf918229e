"""What would be done and why: decided from contents and the ledger alone, without doing anything.

`doit` and `invoke plan` both stand on this, so what is announced is what happens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from brickloop.flows.project import Project
from brickloop.graph.fingerprint import Fingerprints, changes


class Step(str, Enum):
    """What is to be done with a notebook."""

    RUN = "run"
    PERHAPS = "perhaps run"
    """A notebook before it runs; whether this one has to is known when that has left its data."""
    FETCH = "fetch"
    UPLOAD = "upload"
    NOTHING = "up to date"


@dataclass(frozen=True)
class Decision:
    """What is to be done with one notebook, and why."""

    notebook: str
    step: Step
    uploads: tuple[str, ...] = ()
    """Names of files that are sent for it."""
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON types."""
        return {
            "notebook": self.notebook,
            "step": self.step.value,
            "uploads": list(self.uploads),
            "reasons": list(self.reasons),
        }


class Memory(Protocol):
    """What is remembered of earlier work on one target."""

    def uploaded(self, name: str) -> str | None:
        """Content hash of what was last sent under a name."""

    def done(self, basename: str, notebook: str) -> str | None:
        """Fingerprint with which ``run`` or ``fetch`` of a notebook was done last."""

    def inputs(self, notebook: str) -> tuple[Mapping[str, Any], Mapping[int, str]] | None:
        """What the last run that succeeded was made of, and the hashes of its cells."""

    def last_state(self, notebook: str) -> str | None:
        """State of the run that was asked for last: ``asked``, ``running``, ``failed``, ..."""


def decide(
    project: Project,
    prints: Fingerprints,
    memory: Memory,
    has_output: Callable[[str], bool],
    *,
    strayed: Mapping[str, str] | None = None,
    explain: bool = True,
) -> dict[str, Decision]:
    """The decision for each notebook, in the project's order.

    ``strayed`` says of files in the workspace what became of them there.
    Without ``explain`` reasons are left out, which spares looking earlier runs up.
    """
    found: dict[str, Decision] = {}
    gone = {name: f"{name} {what}" for name, what in (strayed or {}).items()}
    for name, before in project.upstream.items():
        uploads = tuple(
            needed
            for needed in (name, *project.reaches[name])
            if memory.uploaded(needed) != project.files[needed].sha256
        )
        running = [up for up in before if found[up].step in {Step.RUN, Step.PERHAPS}]
        fingerprint = prints.of(name)
        ran = memory.done("run", name) == fingerprint
        step, reasons = Step.NOTHING, []
        if not ran:
            step = Step.RUN
            if running and _only_upstream(project, prints, memory, name, set(running)):
                step = Step.PERHAPS
            if explain:
                reasons = _why_run(project, prints, memory, name, running)
        elif running:
            step, reasons = Step.PERHAPS, [_upstream_runs(found, up) for up in running]
        elif memory.done("fetch", name) != fingerprint:
            step, reasons = Step.FETCH, ["its output was not fetched"]
        elif not has_output(name):
            step, reasons = Step.FETCH, ["its output files are missing"]
        elif uploads:
            step = Step.UPLOAD
            reasons = [gone.get(needed) or _why_upload(memory, needed) for needed in uploads]
        found[name] = Decision(name, step, uploads, tuple(reasons) if explain else ())
    return found


def has_output_files(folder: Path, suffixes: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether all output files of a notebook are there, from one listing of each folder."""
    listings: dict[str, set[str]] = {}

    def check(notebook: str) -> bool:
        parent, _, base = notebook.rpartition("/")
        if parent not in listings:
            try:
                with os.scandir(folder / parent) as entries:
                    listings[parent] = {entry.name for entry in entries}
            except OSError:
                listings[parent] = set()
        return all(f"{base}{suffix}" in listings[parent] for suffix in suffixes)

    return check


def _only_upstream(
    project: Project, prints: Fingerprints, memory: Memory, name: str, running: set[str]
) -> bool:
    """Whether nothing but runs before it, which are to come, speaks for a run."""
    known = memory.inputs(name)
    if known is None or memory.done("run", name) is None:
        return False
    old, now = dict(known[0]), prints.inputs(name)
    old_marks, marks = dict(old.pop("upstream", [])), dict(now.pop("upstream"))
    if old != now or old_marks.keys() != marks.keys():
        return False
    return all(old_marks[up] == mark for up, mark in marks.items() if up not in running)


def _why_run(
    project: Project, prints: Fingerprints, memory: Memory, name: str, running: list[str]
) -> list[str]:
    state = memory.last_state(name)
    reasons = []
    if state in {"asked", "running"}:
        reasons.append("its last run was not seen to end")
    elif state == "failed":
        reasons.append("its last run failed")
    known = memory.inputs(name)
    now = prints.inputs(name)
    cells = dict(project.files[name].facts.cells)
    inputs, old_cells = known if known is not None else (None, {})
    for reason in changes(inputs, now, old_cells, cells, name):
        upstream = reason.removeprefix("upstream ").removesuffix(" changed")
        if upstream in running:
            continue
        reasons.append(reason)
    reasons += [f"upstream {up} runs" for up in running]
    return reasons or ["it was forgotten"]


def _upstream_runs(found: Mapping[str, Decision], name: str) -> str:
    perhaps = "perhaps " if found[name].step is Step.PERHAPS else ""
    return f"upstream {name} {perhaps}runs"


def _why_upload(memory: Memory, name: str) -> str:
    return f"{name} was never sent" if memory.uploaded(name) is None else f"{name} changed"
