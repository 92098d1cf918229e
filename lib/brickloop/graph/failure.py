"""Where in a notebook's file a run failed, from the output that was saved of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from brickloop.errors import NotebookError
from brickloop.model.notebook import parse_notebook

_FRAME = re.compile(r'cell (\d+)"?, line (\d+)')


def failing_line(notebook: Path, saved: Path) -> int:
    """The line of the notebook's file, counted from 1; 0 where that cannot be told.

    ``saved`` is the JSON that was kept of the run. The deepest frame in a cell decides.
    """
    try:
        cells = json.loads(saved.read_text(encoding="utf-8")).get("cells") or []
        parsed = parse_notebook(notebook.read_bytes(), notebook.suffix.lower())
    except (OSError, ValueError, AttributeError, NotebookError):
        return 0
    lines = {cell.index: cell.line for cell in parsed.cells}
    for cell in cells:
        error = next((one for one in cell.get("outputs", []) if "trace" in one), None)
        if error is None:
            continue
        index, line = cell.get("index", -1), 1
        frames = _FRAME.findall(str(error.get("trace") or ""))
        if frames:
            index, line = int(frames[-1][0]) - 1, int(frames[-1][1])
        first = lines.get(index, 0)
        return first + line - 1 if first else 0
    return 0
