"""A failed run with a section and a cell of every kind."""

from __future__ import annotations

from tests.unit.display.samples import CELLS, SECTIONS, failed, status

from brickloop.model.document import Document, Section
from brickloop.model.run import CellResult, ResultState, RunResult

NUMBERS = (10, 9, None, 100, -1, 2, 33, 4, 5, 6, 7, 8, 11, 12)
SORTED = Section(
    "table",
    "Numbers",
    columns=(("n", "int"), ("price", "decimal(10,2)"), ("name", "string")),
    rows=tuple(
        (n, None if n is None else f"{n}.50", None if n == 9 else f"item {n}") for n in NUMBERS
    ),
)


def everything() -> RunResult:
    """The run."""
    html = "<table style='color:navy'><tr><td>styled</td></tr></table>"
    cells = (*CELLS, CellResult(3, "%md\n# Notes\n- *one*", None, "finished"), failed().cells[2])
    sections = (*SECTIONS, SORTED, Section("html", "Styled", text=html))
    document = Document(sections, {"rows": "12"}, reason="the driver ended", params={"day": "1"})
    return RunResult(
        status(ResultState.FAILED), exit_value='{"a": 1}', cells=cells, document=document
    )
