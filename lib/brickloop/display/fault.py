"""What went wrong: an error in a line with a hint, a fault of ours with its trace in a file."""

from __future__ import annotations

import traceback
from pathlib import Path

from brickloop.clients.failure import known_failure
from brickloop.display import diagnostics

_FAULT_CODE = 1


def report_failure(error: Exception, root: Path) -> tuple[int, str]:
    """Say what went wrong; the exit code that it asks for, and what was said.

    Errors of the SDK, the network, databases and files are named as ours are. Anything else is a
    fault of brickloop, with its trace kept in ``.brickloop/fault.log`` below ``root``, the
    project's folder. A trace that cannot be kept is shown.
    """
    known = known_failure(error)
    if known is not None:
        diagnostics.report_error(known)
        return known.exit_code, known.message
    return _FAULT_CODE, _report_fault(error, root)


def _report_fault(error: Exception, root: Path) -> str:
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
