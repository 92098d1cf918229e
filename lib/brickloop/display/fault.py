"""A fault of brickloop itself: one line for the person, the trace in a file."""

from __future__ import annotations

import traceback
from pathlib import Path

from brickloop.display import diagnostics


def report_fault(error: Exception, root: Path) -> str:
    """Say that a fault is ours, with its trace kept in ``.brickloop/fault.log``; what was said.

    ``root`` is the project's folder. A trace that cannot be kept is shown.
    """
    text = "".join(traceback.format_exception(error))
    path = root / ".brickloop" / "fault.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text, encoding="utf-8", errors="replace")
        where = f"the trace is in {path}"
    except OSError:
        where = text
    said = f"this is a fault of brickloop: {type(error).__name__}: {error}"
    diagnostics.say_error(said, where)
    return said
