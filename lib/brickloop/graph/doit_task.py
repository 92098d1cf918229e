"""The form of a task for doit, in which failures are shown once and remembered."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.config.settings import find_root
from brickloop.display import diagnostics
from brickloop.display.fault import report_failure
from brickloop.graph import session
from brickloop.graph.memory import task_name

if TYPE_CHECKING:
    from brickloop.flows.local_outputs import LocalOutputs

_INTERRUPTED = 130


class OutputRemoval:
    """Removes a notebook's outputs for `doit clean`, which shows this as text."""

    def __init__(self, outputs: LocalOutputs, root: Path, name: str) -> None:
        self._outputs = outputs
        self._root = root
        self._name = name

    def __str__(self) -> str:
        # doit leaves the first character out
        return " remove outputs"

    def __call__(self, *, dryrun: bool) -> None:
        for path in self._outputs.present(self._name):
            verb = "would remove" if dryrun else "removed"
            diagnostics.note(f"{verb} {os.path.relpath(path, self._root)}")
        if not dryrun:
            self._outputs.remove(self._name)


def doit_task(
    basename: str, name: str, work: Callable[[], dict[str, Any]], *, uptodate: Any, **more: Any
) -> dict[str, Any]:
    """A task as doit takes it: ``work`` gives what is remembered of it."""
    label = f"{basename}:{task_name(name)}"
    return {
        "basename": basename,
        "name": task_name(name),
        "actions": [(_guarded, [label, work])],
        "uptodate": [uptodate],
        "io": {"capture": False},
        "verbosity": 2,
        **more,
    }


def _guarded(label: str, work: Callable[[], dict[str, Any]]) -> Any:
    """Do a task's work; a failure is shown here and once, and remembered for the exit code."""
    from doit.exceptions import TaskFailed

    try:
        return work()
    except KeyboardInterrupt:
        diagnostics.note(f"{label}: interrupted")
        raise SystemExit(_INTERRUPTED) from None
    except Exception as error:  # noqa: BLE001  doit would show a traceback
        session.record_failure(label, *report_failure(error, find_root(Path.cwd())))
        return TaskFailed(str(error), report=False)
