"""What the terminal shows of a run: the link first, output as it comes, and a failure in full."""

from __future__ import annotations

import re
import time
from dataclasses import replace

from brickloop.display import console, diagnostics
from brickloop.display.code import show_json
from brickloop.display.failure_view import show_failure
from brickloop.display.screen import SCREEN, is_watched
from brickloop.display.section_view import KeepFigure, show_output, show_section
from brickloop.model.document import Section
from brickloop.model.plain import progress_line
from brickloop.model.run import CellOutput, CellResult, RunResult, RunStatus, TextOutput
from brickloop.model.text import cut_to_width, display_width, harmless, one_line, write_duration

_RULE = 78
# from the rule above its name to the last rule
_DOCUMENT = re.compile(r"^={20,}\nNOTEBOOK OUTPUT\n={20,}(?:\n.*\n={20,})?\n?", re.M | re.S)
_WROTE = re.compile(r"^Wrote \d+ bytes\.?$", re.M)
_LONGEST_HEAD = 200
_PROGRESS_STEPS = 4


class RunView:
    """Shows one run; everything remote is made harmless before it is written.

    May be used beside the views of other runs, from several threads: each section is written in
    one piece and names its notebook. ``keep_figure`` saves figures, so that they can be linked.
    """

    def __init__(
        self, name: str, *, sections_shown: int = 0, keep_figure: KeepFigure | None = None
    ) -> None:
        self._name = one_line(name)
        self._begun = time.monotonic()
        self._link_shown = False
        self._sections = sections_shown
        self._keep = keep_figure
        self._state = "starting"
        self._progress = ""
        self._steps: dict[str, int] = {}

    def started(self, name: str, run_id: int, url: str) -> None:
        """Say that the run is there, and where to look at it; once."""
        if not self._link_shown:
            self._link_shown = True
            diagnostics.note(f"{one_line(name)}: run {run_id}  {one_line(url)}".rstrip())

    def status(self, status: RunStatus) -> None:
        """Take in a change of the run's status; the first one shows its link."""
        self.started(self._name, status.run_id, status.page_url)
        self.tick(status, time.monotonic() - self._begun)

    def tick(self, status: RunStatus, seconds: float) -> None:
        """Show on the moving line what the run does, and for how long it has done it.

        Only on a terminal's stderr; nothing is written when piped or in CI.
        """
        self._state = status.life_cycle.value.lower().replace("_", " ")
        if status.life_cycle.is_final:
            SCREEN.forget(self._name)
        else:
            SCREEN.tell(self._name, self._doing(), seconds)

    def close(self) -> None:
        """Take the run off the moving line; may be called more than once."""
        SCREEN.forget(self._name)

    def section(self, section: Section) -> None:
        """Show a section of the output document; a progress moves on the line below."""
        if section.kind == "progress":
            self._show_progress(section)
            return
        self._sections += 1
        with console.block():
            self._write_head(f"{self._name}: {_title(section.title)}")
            show_section(section, self._keep)
            console.write()

    def cells(self, cells: tuple[CellResult, ...]) -> None:
        """Show what each cell gave, beside its first line; cells without output are left out."""
        for cell in cells:
            shown = [
                left
                for output in cell.outputs
                if output is not cell.error and (left := self._without_document(output)) is not None
            ]
            if not shown:
                continue
            first_line = _title(cell.first_line)
            with console.block():
                number = f"{cell.index + 1}, kept" if cell.kept else f"{cell.index + 1}"
                self._write_head(f"{self._name} [{number}] {first_line}", _took(cell))
                for output in shown:
                    show_output(output, first_line, self._keep)
                console.write()

    def kept(self, count: int, why: str, *, network: bool) -> None:
        """Say how many cells are not run again, and why no more are not."""
        words = f"{count} cell{'s' if count > 1 else ''} kept from the last run"
        if network:
            words += ", with what the network answered then"
        head = words if count else "all cells run"
        diagnostics.note(f"{self._name}: {head}" + (f" ({one_line(why)})" if why else ""))

    def failure(self, result: RunResult) -> None:
        """Show the cell that failed with its source, the error, the trace, and what to do."""
        self.close()
        with console.block():
            show_failure(self._name, result)
        if result.cells_missing:
            diagnostics.note(f"{self._name}: {result.cells_missing}")

    def finished(self, result: RunResult, saved: tuple[str, ...]) -> None:
        """Say how long the run took, what it exited with, and where its output is kept."""
        self.close()
        if result.exit_value:
            self._show_exit(result.exit_value)
        took = write_duration(max(result.status.ended_ms - result.status.started_ms, 0))
        paths = ", ".join(saved)
        diagnostics.note(f"{self._name}: {took}" + (f", saved {paths}" if paths else ""))

    def _show_exit(self, value: str) -> None:
        with console.block():
            if console.is_terminal() and value.lstrip()[:1] in {"{", "["}:
                console.write(f"{self._name}: exit value")
                show_json(value)
            else:
                console.write(f"{self._name}: exit value {harmless(value)}")

    def _show_progress(self, section: Section) -> None:
        line = f"{_title(section.title)} {progress_line(section)}"
        done = section.of is not None and (section.done or 0) >= section.of > 0
        self._progress = "" if done else line
        if is_watched():
            SCREEN.tell(self._name, self._doing(), time.monotonic() - self._begun)
            return
        # a log is no place for a line that moves: it gets a line for each quarter
        step = int(_PROGRESS_STEPS * (section.done or 0) / section.of) if section.of else 0
        if step > self._steps.get(section.title, 0):
            self._steps[section.title] = step
            diagnostics.note(f"{self._name}: {line}")

    def _doing(self) -> str:
        return f"{self._state}, {self._progress}" if self._progress else self._state

    def _write_head(self, text: str, took: str = "") -> None:
        if not console.is_terminal():
            console.write(f"── {text} ".ljust(_RULE, "─"))
            return
        from rich.text import Text

        width = console.width()
        end = f" {took} ──" if took else ""
        title = cut_to_width(text, max(width - 4 - len(end), 8))
        rule = "─" * max(width - 4 - display_width(title) - len(end), 0)
        console.show(
            Text.assemble(("── ", "dim"), (title, "bold"), (f" {rule}{end}", "dim"), no_wrap=True)
        )

    def _without_document(self, output: CellOutput) -> CellOutput | None:
        """The output without the document that it printed, if that was shown; None if it was all.

        What was printed before and after it stays, but for the note that a file was written.
        """
        if not self._sections or not isinstance(output, TextOutput):
            return output
        found = _DOCUMENT.search(output.text)
        if found is None:
            return output
        left = output.text[: found.start()] + output.text[found.end() :]
        return replace(output, text=left) if _WROTE.sub("", left).strip() else None


def _title(text: str) -> str:
    return cut_to_width(one_line(text[: 4 * _LONGEST_HEAD]), _LONGEST_HEAD)


def _took(cell: CellResult) -> str:
    if cell.kept:
        return ""
    ms = cell.ended_ms - cell.started_ms
    return write_duration(ms) if cell.ended_ms and ms > 0 else ""
