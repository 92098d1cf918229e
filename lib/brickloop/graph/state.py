"""doit's memory of its tasks, kept in the ledger: each task is durable as soon as it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brickloop.display import diagnostics
from brickloop.graph.memory import notebook_name
from brickloop.sync.ledger import Ledger

_LAST_KEY = "deps:"
_SEPARATOR = "?"


def state_name(path: Path, target: str) -> str:
    """The name by which doit's ``dep_file`` setting says which ledger and which target."""
    return f"{path}{_SEPARATOR}{target}"


def open_ledger(path: Path) -> Ledger:
    """The ledger at a path; one that could not be read is spoken of, kept aside and begun anew."""
    ledger = Ledger(path)
    if ledger.set_aside is not None:
        diagnostics.warn(
            f"the ledger could not be read; it is kept as {ledger.set_aside.name}",
            "a new one is begun, and what was done before is done once more",
        )
    return ledger


class LedgerBackend:
    """A backend of doit (its ``doit.BACKEND`` entry point) on the ledger."""

    desc = "the ledger of brickloop"

    def __init__(self, name: str, codec: object, *, module_name: str | None = None) -> None:
        self.name = name
        path, _, target = name.partition(_SEPARATOR)
        self._target = target
        self._ledger = open_ledger(Path(path))
        self._tasks: dict[str, dict[str, Any]] = {}
        """The tasks that were asked for; a large project has many that are not."""
        self._changed: set[str] = set()

    def get(self, task_id: str, dependency: str) -> Any:
        """What is remembered under a key, None where nothing is."""
        return self._task(task_id).get(dependency)

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        """Remember a value; doit's last key of a task makes the whole task durable."""
        self._task(task_id)[dependency] = value
        self._changed.add(task_id)
        if dependency == _LAST_KEY:
            self._flush(task_id)

    def in_(self, task_id: str) -> bool:
        """Whether anything is remembered of a task."""
        return bool(self._task(task_id))

    def remove(self, task_id: str) -> None:
        """Forget a task."""
        self._tasks[task_id] = {}
        self._changed.discard(task_id)
        self._ledger.forget_task_state(self._target, task_id)
        if task_id.startswith("run:"):
            self._ledger.forget_success(self._target, notebook_name(task_id))

    def remove_all(self) -> None:
        """Forget all tasks of this target."""
        self._tasks.clear()
        self._changed.clear()
        self._ledger.forget_task_state(self._target)
        self._ledger.forget_success(self._target)

    def dump(self) -> None:
        """Make what is left durable, and close."""
        for task_id in list(self._changed):
            self._flush(task_id)
        self._ledger.close()

    def _task(self, task_id: str) -> dict[str, Any]:
        if task_id not in self._tasks:
            self._tasks[task_id] = self._ledger.task_state(self._target, task_id)
        return self._tasks[task_id]

    def _flush(self, task_id: str) -> None:
        self._ledger.record_task_state(self._target, task_id, self._tasks[task_id])
        self._changed.discard(task_id)
