"""What the terminal shows of a run: the link first, output as it comes, and a failure in full."""

from __future__ import annotations

import time

from brickloop.display import console, diagnostics
from brickloop.display.screen import SCREEN
from brickloop.display.table import show_table
from brickloop.model.document import Section
from brickloop.model.run import (
    CellResult,
    HtmlOutput,
    ImageOutput,
    RunResult,
    RunStatus,
    TableOutput,
    TextOutput,
)
from brickloop.model.text import harmless

_RULE = 78


class RunView:
    """Shows one run; everything remote is made harmless before it is written."""

    def __init__(self, name: str, *, sections_shown: int = 0) -> None:
        self._name = name
        self._begun = time.monotonic()
        self._link_shown = False
        self._sections = sections_shown

    def started(self, name: str, run_id: int, url: str) -> None:
        """Say that the run is there, and where to look at it; once."""
        if not self._link_shown:
            self._link_shown = True
            diagnostics.note(f"{name}: run {run_id}  {url}")

    def status(self, status: RunStatus) -> None:
        """Take in a change of the run's status; the first one shows its link."""
        self.started(self._name, status.run_id, status.page_url)
        self.tick(status, time.monotonic() - self._begun)

    def tick(self, status: RunStatus, seconds: float) -> None:
        """Show on the moving line what the run does, and for how long it has done it.

        Only on a terminal's stderr; nothing is written when piped or in CI.
        """
        if status.life_cycle.is_final:
            SCREEN.forget(harmless(self._name))
        else:
            doing = status.life_cycle.value.lower().replace("_", " ")
            SCREEN.tell(harmless(self._name), doing, seconds)

    def close(self) -> None:
        """Take the run off the moving line; may be called more than once."""
        SCREEN.forget(harmless(self._name))

    def section(self, section: Section) -> None:
        """Show a section of the output document."""
        with console.block():
            self._show_section(section)

    def _show_section(self, section: Section) -> None:
        self._sections += 1
        console.write(f"── {self._name}: {harmless(section.title)} ".ljust(_RULE, "─"))
        if section.query:
            self._show_sql(section.query)
        if section.columns:
            show_table(
                section.columns, section.rows, total=section.total, truncated=section.truncated
            )
        elif section.kind == "figure":
            size = len(section.image or b"")
            console.write(f"[figure, {section.mime}, {size:,} bytes]")
        elif section.kind == "error":
            console.write(harmless(section.trace or section.text).rstrip())
        elif section.text:
            self._show_text(section)
        console.write()

    def cells(self, cells: tuple[CellResult, ...]) -> None:
        """Show what each cell gave, beside its first line; cells without output are left out."""
        for cell in cells:
            shown = [
                output
                for output in cell.outputs
                if output is not cell.error and not self._is_document(output)
            ]
            if not shown:
                continue
            with console.block():
                head = f"── {self._name} [{cell.index + 1}] {harmless(cell.first_line)} "
                console.write(head.ljust(_RULE, "─"))
                for output in shown:
                    self._show_output(output)
                console.write()

    def failure(self, result: RunResult) -> None:
        """Show the cell that failed with its source, the error, and the trace."""
        with console.block():
            self._show_failure(result)
        if result.cells_missing:
            diagnostics.note(f"{self._name}: {result.cells_missing}")

    def _show_failure(self, result: RunResult) -> None:
        status = result.status
        state = status.result.value if status.result else status.life_cycle.value
        console.write(f"━━ {self._name}: {state} ".ljust(_RULE, "━"))
        failed = next((cell for cell in result.cells if cell.error is not None), None)
        if failed is not None and failed.error is not None:
            title = f" ({harmless(failed.title)})" if failed.title else ""
            console.write(f"cell {failed.index + 1}{title}:")
            for number, line in enumerate(harmless(failed.command).split("\n"), start=1):
                console.write(f"  {number:>3} │ {line}")
            console.write(f"{failed.error.name}: {harmless(failed.error.message)}")
            console.write(harmless(failed.error.trace).rstrip())
        else:
            console.write(harmless(result.error or status.message or "the run gave no reason"))
            if result.error_trace:
                console.write(harmless(result.error_trace).rstrip())
        console.write("━" * _RULE)

    def finished(self, result: RunResult, saved: tuple[str, ...]) -> None:
        """Say how long the run took, what it exited with, and where its output is kept."""
        if result.exit_value:
            console.write(f"{self._name}: exit value {harmless(result.exit_value)}")
        seconds = max(result.status.ended_ms - result.status.started_ms, 0) / 1000
        diagnostics.note(f"{self._name}: {seconds:.1f} s, saved {', '.join(saved)}")

    def _is_document(self, output: object) -> bool:
        """Whether a cell printed the document whose sections have been shown."""
        return (
            self._sections > 0
            and isinstance(output, TextOutput)
            and output.text.lstrip("=\n").startswith("NOTEBOOK OUTPUT\n")
        )

    def _show_output(self, output: object) -> None:
        if isinstance(output, TextOutput):
            console.write(harmless(output.text).rstrip("\n"))
        elif isinstance(output, TableOutput):
            show_table(output.columns, output.rows, truncated=output.truncated)
        elif isinstance(output, ImageOutput):
            console.write(f"[figure, {output.mime}, {len(output.data):,} bytes]")
        elif isinstance(output, HtmlOutput):
            console.write(f"[HTML, {len(output.html):,} characters, in the report]")

    def _show_sql(self, query: str) -> None:
        if console.is_terminal():
            from rich.syntax import Syntax

            console.rich_console().print(
                Syntax(harmless(query), "sql", background_color="default", word_wrap=True)
            )
        else:
            console.write(harmless(query))

    def _show_text(self, section: Section) -> None:
        if section.kind == "markdown" and console.is_terminal():
            from rich.markdown import Markdown

            console.rich_console().print(Markdown(harmless(section.text)))
        else:
            console.write(harmless(section.text).rstrip("\n"))
