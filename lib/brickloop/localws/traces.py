"""What a failed cell says: one line, and a trace of the user's own lines."""

from __future__ import annotations

import linecache
import os
import traceback
from pathlib import Path
from types import TracebackType

from brickloop.localws.layout import StoreLayout

_KERNEL_FOLDER = str(Path(__file__).parent) + os.sep
# the client's own frames say nothing about the notebook
_CLIENT_FOLDERS = tuple(
    os.sep + os.path.join(*parts, "")  # noqa: PTH118 - a part of a path
    for parts in (("pyspark", "sql"), ("pyspark", "errors"), ("site-packages", "grpc"))
)
_SUMMARY_LIMIT = 2_000


def remember_source(filename: str, source: str) -> None:
    """Let traces and ``inspect`` find the lines of a cell, which has no file of its own."""
    lines = source.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    # without a modification time the entry is never checked against the disk
    linecache.cache[filename] = (len(source), None, lines, filename)


def one_line(error: BaseException) -> str:
    """Class and first line of the message."""
    try:
        # the place in the source is said by the trace
        text = str(error.msg if isinstance(error, SyntaxError) else error).strip()
    except Exception:  # noqa: BLE001 - a user's class may have a broken __str__
        text = "(its message cannot be shown)"
    name = type(error).__name__
    first = text.split("\n", 1)[0].rstrip()
    return f"{name}: {first}"[:_SUMMARY_LIMIT] if first else name


def format_trace(error: BaseException, layout: StoreLayout) -> str:
    """The trace as Python prints it: no frames of the kernel, files by their workspace path."""
    shown = traceback.TracebackException.from_exception(
        error.with_traceback(_without_kernel(error.__traceback__))
    )
    for part in _parts(shown):
        part.stack = traceback.StackSummary.from_list(
            [
                _presented(frame, layout)
                for frame in part.stack
                if not frame.filename.startswith(_KERNEL_FOLDER)
                and not any(folder in frame.filename for folder in _CLIENT_FOLDERS)
            ]
        )
    try:
        return "".join(shown.format())
    except Exception:  # noqa: BLE001 - a user's class may have a broken __str__
        return one_line(error)


def _without_kernel(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_KERNEL_FOLDER):
        trace = trace.tb_next
    return trace


def _presented(frame: traceback.FrameSummary, layout: StoreLayout) -> traceback.FrameSummary:
    if frame.filename.startswith(str(layout.root)):
        # the line is read now, under the name that the file really has
        frame.line  # noqa: B018
        frame.filename = layout.virtual(Path(frame.filename)) or frame.filename
    return frame


def _parts(shown: traceback.TracebackException) -> list[traceback.TracebackException]:
    found: list[traceback.TracebackException] = []
    waiting: list[traceback.TracebackException | None] = [shown]
    while waiting:
        part = waiting.pop()
        if part is not None and not any(part is other for other in found):
            found.append(part)
            waiting += [
                part.__cause__,
                part.__context__,
                *(getattr(part, "exceptions", None) or ()),
            ]
    return found
