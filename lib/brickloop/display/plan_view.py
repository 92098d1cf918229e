"""What the terminal shows of a sync: a line for each file, progress below them, and a summary."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from brickloop.display import console, diagnostics
from brickloop.display.screen import SCREEN
from brickloop.display.table import show_table
from brickloop.model.text import harmless

_BAR_WIDTH = 20


class PlanView:
    """Shows one pair; ``quiet`` shows progress only, for commands whose stdout is JSON."""

    def __init__(self, name: str, *, quiet: bool = False, dry_run: bool = False) -> None:
        self._name = harmless(name)
        self._quiet = quiet
        self._dry_run = dry_run
        self._begun = time.monotonic()
        self._total = 0
        self._done = 0

    def begin(self, local: str, workspace: str, direction: str, *, looks: bool = True) -> None:
        """Say which folders it is about, and with ``looks`` that they are looked at now."""
        arrow = {"push": "→", "pull": "←"}.get(direction, "↔")
        diagnostics.note(f"{local} {arrow} {workspace}")
        if looks:
            SCREEN.tell(self._name, "looking at both sides", 0.0)

    def planned(self, total: int) -> None:
        """Take in how many changes are to be made."""
        self._total, self._done = total, 0
        self._begun = time.monotonic()
        self._draw()

    def end(self) -> None:
        """Take the progress away; may be called more than once."""
        self._total = 0
        SCREEN.forget(self._name)

    def change(self, arrow: str, path: str, verb: str, note: str, size: int) -> None:
        """Show a change that was made, or with ``dry_run`` would be."""
        self._done += 1
        if not self._quiet:
            would = "would be " if self._dry_run else ""
            folder = "/" if verb.endswith("folder") else ""
            volume = f"  {write_size(size)}" if size else ""
            console.write(f"{arrow} {harmless(path)}{folder}  {would}{note}{volume}")
        self._draw()

    def conflict(self, path: str, reason: str, sidecar: str) -> None:
        """Show a conflict, and where the workspace's version lies."""
        beside = f"; the workspace's version: {harmless(sidecar)}" if sidecar else ""
        self._line(f"✗ {harmless(path)}  in conflict: {harmless(reason)}{beside}")

    def held(self, path: str, reason: str, *, counts: bool) -> None:
        """Show what was not carried over."""
        self._line(f"{'!' if counts else '·'} {harmless(path) or '.'}  {harmless(reason)}")

    def failure(self, path: str, reason: str) -> None:
        """Show a file that failed."""
        self._line(f"✗ {harmless(path)}  failed: {harmless(reason)}")

    def summary(self, text: str) -> None:
        """Show the one line that counts."""
        self._line(text)

    @staticmethod
    def history(rows: Sequence[tuple[int, float, str, str, str, int, str]]) -> None:
        """Show kept versions: number, moment, path, event, side, bytes, hash."""
        columns = [
            ("version", ""), ("when", ""), ("path", ""), ("event", ""), ("side", ""),
            ("bytes", ""), ("content", ""),
        ]  # fmt: skip
        table = [
            (
                number,
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)),
                path,
                event,
                side,
                size,
                sha256[:8],
            )
            for number, at, path, event, side, size, sha256 in rows
        ]
        show_table(columns, table)

    def _line(self, text: str) -> None:
        if not self._quiet:
            console.write(text)

    def _draw(self) -> None:
        if self._dry_run or not self._total:
            return
        if self._done >= self._total:
            self.end()
            return
        SCREEN.tell(
            self._name,
            f"{_bar(self._done / self._total)} {self._done}/{self._total}",
            time.monotonic() - self._begun,
        )


def write_size(count: int) -> str:
    """A number of bytes as people say it."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _bar(part: float) -> str:
    full, empty = "█░" if (sys.stderr.encoding or "").lower().startswith("utf") else "#."
    filled = int(_BAR_WIDTH * min(max(part, 0.0), 1.0))
    return full * filled + empty * (_BAR_WIDTH - filled)
