"""The panel of a failed run: the cell, the marked line, the error, the trace, and what to do."""

from __future__ import annotations

from brickloop.display import console
from brickloop.display.code import show_source
from brickloop.model.failure import Failure, describe_failure
from brickloop.model.plain import failure_lines
from brickloop.model.run import RunResult
from brickloop.model.text import harmless, one_line

_CONTEXT = 7
_RULE = 78


def show_failure(name: str, result: RunResult) -> None:
    """Show why a run did not succeed."""
    failure = describe_failure(result)
    head = f"━━ {one_line(name)}: {failure.state} "
    if not console.is_terminal():
        console.write(head.ljust(_RULE, "━"))
        for line in failure_lines(failure, context=_CONTEXT):
            console.write(line)
        console.write("━" * _RULE)
        return
    from rich.text import Text

    width = console.width()
    console.show(Text(head.ljust(width, "━"), style="bold red", no_wrap=True, overflow="ellipsis"))
    _show_cell(failure)
    message = Text()
    if failure.name:
        message.append(f"{one_line(failure.name)}: ", style="bold red")
    console.show(message.append(harmless(failure.message).rstrip(), style="bold"))
    if failure.trace:
        console.show(Text(harmless(failure.trace).rstrip(), style="dim"))
    if failure.shortened:
        console.show(Text("(the whole trace is in the saved output)", style="dim"))
    if failure.hint:
        console.show(Text.assemble(("hint: ", "bold yellow"), one_line(failure.hint)))
    console.show(Text("━" * width, style="bold red", no_wrap=True))


def _show_cell(failure: Failure) -> None:
    from rich.text import Text

    cell = failure.cell
    if cell is None:
        return
    head = Text(f"cell {cell.index + 1}", style="bold")
    if cell.title:
        head.append(f" ({one_line(cell.title)})")
    if failure.line:
        head.append(f", line {failure.line}", style="bold")
    console.show(head.append(":"))
    show_source(cell.command, failure.line, _CONTEXT)
    console.write()
