"""doit's reporter for people: what is done and what failed, no line for what was up to date."""

from __future__ import annotations

from typing import Any

from brickloop.graph import session


class BrickloopReporter:
    """A reporter of doit (its ``doit.REPORTER`` entry point)."""

    desc = "what was done and what failed; nothing to do is said in one line"

    def __init__(self, outstream: Any, options: dict[str, Any]) -> None:
        self._out = outstream
        self._options = options
        self._executed = 0
        self._failed: list[str] = []
        self._up_to_date: set[str] = set()

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Called before the first task."""

    def get_status(self, task: Any) -> None:
        """Called before a task's status is looked up."""

    def execute_task(self, task: Any) -> None:
        """Called before a task is run."""
        if task.actions:
            self._executed += 1

    def add_success(self, task: Any) -> None:
        """Called after a task succeeded."""

    def add_failure(self, task: Any, fail: Any) -> None:
        """Called after a task failed; a failure of ours has been shown where it happened."""
        self._failed.append(task.name)
        if not session.was_shown(task.name):
            for line in fail.get_msg().strip().splitlines():
                self._out.write(f"{task.name}: {line}\n")

    def skip_uptodate(self, task: Any) -> None:
        """Called for a task that is up to date."""
        if task.name.startswith("run:"):
            self._up_to_date.add(task.name)

    def skip_ignore(self, task: Any) -> None:
        """Called for a task that ``doit ignore`` switched off."""
        self._out.write(f"ignored: {task.name}\n")

    def cleanup_error(self, exception: Any) -> None:
        """Called when a teardown fails."""
        self._out.write(f"{exception.get_msg()}\n")

    def runtime_error(self, msg: str) -> None:
        """Called for an error outside tasks."""
        self._out.write(f"error: {msg}\n")

    def teardown_task(self, task: Any) -> None:
        """Called before a task's teardown."""

    def complete_run(self) -> None:
        """Called last: the one line that sums up, and the exit code that doit does not know."""
        if not self._executed and not self._failed:
            count = len(self._up_to_date) + session.up_to_date()
            noun = "notebook is" if count == 1 else "notebooks are"
            self._out.write(f"nothing to do: {count} {noun} up to date\n")
        if not self._failed:
            session.all_done()
        code = session.exit_code()
        if code:
            # doit says 2 where something could not be run because what it needs failed
            raise SystemExit(code)
