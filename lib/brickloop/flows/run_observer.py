"""What hears of a run while it goes on and when it has ended: the terminal, and its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brickloop.display import diagnostics
from brickloop.jobs.follow import Note
from brickloop.model.document import Section
from brickloop.model.run import RunResult

if TYPE_CHECKING:
    from brickloop.display.run_view import RunView
    from brickloop.flows.run_events import RunEvents
    from brickloop.model.run import RunStatus


class RunObserver:
    """What hears of a run: the terminal's view, and the events on disk.

    Not shown, a run leaves its link, its state and its notes on stderr and nothing on stdout.
    """

    def __init__(
        self, name: str, view: RunView, events: RunEvents | None, *, shown: bool = True
    ) -> None:
        self._name = name
        self._view = view
        self._events = events
        self._shown = shown

    def started(self, run_id: int, url: str) -> None:
        """The run is there."""
        self._view.started(self._name, run_id, url)
        if self._events is not None:
            self._events.started(self._name, run_id, url)

    def status(self, status: RunStatus) -> None:
        """Its status has changed."""
        self._view.status(status)
        if self._events is not None:
            self._events.status(status)

    def tick(self, status: RunStatus, seconds: float) -> None:
        """It goes on."""
        self._view.tick(status, seconds)

    def section(self, section: Section) -> None:
        """A section of its output has come."""
        if self._shown:
            self._view.section(section)
        if self._events is not None:
            self._events.section(section)

    def note(self, note: Note) -> None:
        """Something that a person should know."""
        diagnostics.warn(f"{self._name}: {note.text}")
        if self._events is not None:
            self._events.note(note.code, note.text)

    def retried(self, status: RunStatus) -> None:
        """A task that failed is tried again; what it put out before is not its output any more."""
        self.say(
            "retried", f"{self._name}: failed and is tried again, attempt {status.attempt + 1}"
        )

    def say(self, code: str, text: str) -> None:
        """What is no warning: the person asked for it."""
        diagnostics.note(text)
        if self._events is not None:
            self._events.note(code, text)

    def result(self, result: RunResult) -> None:
        """All that is known of it has been fetched: cells, logs, and each task's own."""
        if self._shown:
            self._view.cells(result.cells)
        if self._events is not None:
            for task in result.tasks or (None,):
                cells = task.cells if task else result.cells
                self._events.cells(cells, task.status.key if task else "")
        if result.cells_missing and (result.status.succeeded or result.tasks):
            # of a failed run the view of the failure says it
            self.note(Note("cells_missing", result.cells_missing))
        if result.exit_value_truncated:
            self.note(Note("exit_value_cut", "the exit value was cut at 5 MB by the workspace"))
        if result.logs_truncated:
            self.note(Note("logs_cut", "the workspace gives the last 5 MB of the log only"))

    def failure(self, result: RunResult) -> None:
        """It has not succeeded."""
        if self._shown:
            self._view.failure(result)
        if self._events is not None:
            self._events.failure(result)

    def finished(self, result: RunResult, saved: tuple[str, ...]) -> None:
        """It has ended and its output is saved."""
        if self._shown:
            self._view.finished(result, saved)
        else:
            diagnostics.note(f"{self._name}: {result.status.state.lower().replace('_', ' ')}")
        if self._events is not None:
            self._events.finished(result, saved)

    def close(self) -> None:
        """Nothing more will come."""
        self._view.close()
