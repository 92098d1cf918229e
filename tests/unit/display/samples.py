"""A run with something of every kind in it, and the terminal that shows it."""

from __future__ import annotations

import os
import pty
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

from brickloop.model.document import Section
from brickloop.model.run import (
    CellResult,
    ErrorOutput,
    HtmlOutput,
    ImageOutput,
    LifeCycle,
    ResultState,
    RunResult,
    RunStatus,
    TableOutput,
    TextOutput,
)

TRACE = """Traceback (most recent call last):
  File "/Workspace/Users/a@b.c/project/02_clean cell 3", line 6, in <module>
    total = share(frame)
            ^^^^^^^^^^^^
  File "/Workspace/Users/a@b.c/project/02_clean cell 3", line 3, in share
    return frame["late"].sum() / frame["flights"].sum()
           ~~~~~^^^^^^^^
  File "/databricks/python/lib/python3.11/site-packages/pandas/core/frame.py", line 4113, in get
    indexer = self.columns.get_loc(key)
              ^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/databricks/python/lib/python3.11/site-packages/pandas/core/base.py", line 38, in get_loc
    raise KeyError(key) from err
KeyError: 'late'
"""
FAILING = """# the share of flights that were late
def share(frame):
    return frame["late"].sum() / frame["flights"].sum()

frame = spark.table("nyc.flights").toPandas()
total = share(frame)
print(total)"""


def png(width: int = 12, height: int = 8) -> bytes:
    """A small image: a gradient."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    rows = b"".join(
        b"\0" + b"".join(bytes((x * 20 % 256, y * 30 % 256, 128)) for x in range(width))
        for y in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


SECTIONS = (
    Section("text", "Rows kept", text="111,595 of 111,595 flights"),
    Section(
        "query",
        "Airlines",
        query="SELECT carrier, count(*) AS flights -- all of them\nFROM nyc.flights\nGROUP BY 1",
        columns=(("carrier", "string"), ("flights", "bigint")),
        rows=(("UA", 58665), ("B6", 54635), ("EV", 54173), (None, 3), ("HA", 342)),
        total=16,
        truncated=True,
        ms=83.2,
    ),
    Section(
        "table",
        "Wide",
        columns=tuple((f"a_column_{n}", "double" if n % 3 else "string") for n in range(12)),
        rows=tuple(
            tuple(round(n * 1.37 + row, 2) if n % 3 else f"text {n} of {row}" for n in range(12))
            for row in range(5)
        ),
    ),
    Section(
        "table",
        "Long text",
        columns=(("name", "string"), ("remark", "string")),
        rows=(("日本", "a remark that goes on and on " * 5), ("short", "line\nbreak")),
    ),
    Section(
        "table",
        "By day",
        columns=(("day", "date"), ("mean_delay", "double")),
        rows=tuple((f"2013-02-{day:02d}", float(abs((day * 7) % 23 - 11))) for day in range(1, 29)),
    ),
    Section(
        "table",
        "One wide row",
        columns=tuple((f"measure_{n}", "decimal(18,2)") for n in range(9)),
        rows=(tuple(f"{n * 1234567}.50" for n in range(9)),),
    ),
    Section(
        "markdown", "Findings", text="# Late\n\n- **83 %** in `calm` weather\n- see [x](http://y)"
    ),
    Section("json", "Settings", text='{"late_minutes": 15, "origins": ["EWR", "JFK"]}'),
    Section("code", "Rule", text="def late(x):\n    return x >= 15", language="python"),
    Section("values", "Model", values=(("rows", 12), ("accuracy", 0.93), ("note", None))),
    Section("metric", "Accuracy", values=(("accuracy", 0.93),), unit="of 1"),
    Section("warning", "Careful", text="three rows were dropped"),
    Section("log", "Log", text="loaded", level="info"),
    Section("error", "Caught", text="ValueError: no", trace="Traceback\nValueError: no"),
    Section("figure", "Curve", mime="image/png", image=png()),
    Section("html", "Map", text="<b>map</b>", notes=("cut at 1 MB",)),
    Section("table", "Empty", columns=(("n", "int"),)),
)
CELLS = (
    CellResult(0, "print('hello')", None, "finished", (TextOutput("hello\n"),), 1000, 1250),
    CellResult(
        1,
        "%sql\nSELECT * FROM t",
        "All rows",
        "finished",
        (TableOutput((("n", "int"), ("t", "string")), ((1, "a"), (None, "b")), True),),
        2000,
        4500,
    ),
    CellResult(
        2, "show()", None, "finished", (ImageOutput("image/png", png()), HtmlOutput("<i>x</i>"))
    ),
)


def status(
    result: ResultState | None = ResultState.SUCCESS,
    life: LifeCycle = LifeCycle.TERMINATED,
    message: str = "",
) -> RunStatus:
    """The status of run 7, from 1 s to 13.5 s."""
    return RunStatus(7, 8, life, result, message, "https://h.example/#job/1/run/7", 1000, 13_500)


def succeeded() -> RunResult:
    """A run that succeeded, with the cells above."""
    return RunResult(status(), exit_value='{"rows": 7}', cells=CELLS)


def failed() -> RunResult:
    """A run whose third cell failed in its third line."""
    error = ErrorOutput("KeyError", "'late'", TRACE)
    cell = CellResult(2, FAILING, "Share", "error", (error,))
    return RunResult(status(ResultState.FAILED), error="KeyError: 'late'", cells=(*CELLS[:2], cell))


def on_terminal(monkeypatch: Any, work: Callable[[], None], columns: int = 80, **env: str) -> str:
    """What ``work`` writes to a pseudo-terminal that is both its stdout and its stderr."""
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "TERM_PROGRAM", "COLORTERM", "VTE_VERSION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": str(columns), **env}.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    seen = bytearray()

    class Terminal:
        """Reads what was written at once: a pseudo-terminal holds but a few kilobytes."""

        encoding = "utf-8"

        def write(self, text: str) -> int:
            data = text.encode()
            for at in range(0, len(data), 1024):
                os.write(theirs, data[at : at + 1024])
                self._read()
            return len(text)

        def _read(self) -> None:
            while True:
                try:
                    seen.extend(os.read(ours, 65536))
                except BlockingIOError:
                    return

        def flush(self) -> None:
            self._read()

        def isatty(self) -> bool:
            return os.isatty(theirs)

        def fileno(self) -> int:
            return theirs

    with monkeypatch.context() as patch:
        terminal = Terminal()
        patch.setattr(sys, "stdout", terminal)
        patch.setattr(sys, "stderr", terminal)
        work()
        terminal.flush()
    os.close(theirs)
    os.close(ours)
    return seen.decode().replace("\r\n", "\n")
