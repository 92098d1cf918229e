"""What of a notebook's last run may be kept in the next: the cells up to a copy of its kernel.

A copy is good for a run whose first cells are the same, in the same surroundings, as long as all
that those cells used is as they left it.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brickloop.localws.input_state import (
    GONE,
    data_state,
    file_state,
    folder_state,
    table_state,
)
from brickloop.localws.layout import StoreLayout
from brickloop.localws.plain_root import plain_layout
from brickloop.localws.registry import Registry, TableName
from brickloop.model.notebook import Cell

_MOST_COPIES = 8


@dataclass(frozen=True)
class Copy:
    """A copy of a kernel after ``count`` cells."""

    count: int
    line: socket.socket
    state: dict[str, dict[str, str]]
    network: bool
    at: float

    def close(self) -> None:
        """End the copy."""
        with contextlib.suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)


@dataclass
class Chain:
    """The last run of one notebook, and the copies that its kernels have left."""

    surroundings: tuple[Any, ...]
    """What all cells share: parameters, files, server, wheel."""
    output: str
    """The folder of the output document, which later runs keep: cells may have read it."""
    cells: tuple[Cell, ...] = ()
    copies: list[Copy] = field(default_factory=list)
    commands: dict[float, dict[str, Any]] = field(default_factory=dict)
    """What each cell gave, as the notebook model has it, by position."""
    why_not: str = ""
    """Why nothing is kept further on; empty where nothing speaks against it."""
    busy: bool = False

    def add(self, copy: Copy) -> None:
        """Take a copy in; where there are too many, that which lies closest to others goes."""
        self.copies.append(copy)
        if len(self.copies) > _MOST_COPIES:
            inner = range(1, len(self.copies) - 1)
            gaps = {n: self.copies[n + 1].at - self.copies[n - 1].at for n in inner}
            self.copies.pop(min(gaps, key=gaps.__getitem__)).close()

    def close(self) -> None:
        """End all copies."""
        for copy in self.copies:
            copy.close()
        self.copies.clear()


@dataclass(frozen=True)
class Kept:
    """What a run begins with."""

    copy: Copy | None
    why: str
    """What ends the part that is kept, in words; empty where all cells are kept."""


def choose(chain: Chain, cells: Sequence[Cell], layout: StoreLayout) -> Kept:
    """The last copy that a run of ``cells`` may go on from; those of no use any more end."""
    same = _common(chain.cells, cells)
    why = f"cell {same + 1} is another" if same < len(cells) else ""
    registry = Registry(plain_layout(layout))
    for copy in reversed(list(chain.copies)):
        if copy.count <= same:
            changed = _changed(copy, registry, layout)
            if not changed:
                # the cells between it and the first change are quick, or not to be kept
                return Kept(copy, chain.why_not if copy.count < same and chain.why_not else why)
            why = changed
        chain.copies.remove(copy)
        copy.close()
    return Kept(None, chain.why_not if same and not chain.copies and chain.why_not else why)


def _common(old: Sequence[Cell], new: Sequence[Cell]) -> int:
    count = 0
    for before, after in zip(old, new, strict=False):
        if (before.kind, before.command) != (after.kind, after.command):
            break
        count += 1
    return count


def _changed(copy: Copy, registry: Registry, layout: StoreLayout) -> str:
    """What the cells before a copy used and is not as it was; empty where all is."""
    looks = {"files": file_state, "folders": folder_state, "data": data_state}
    for kind, look in looks.items():
        for path, state in copy.state[kind].items():
            if look(path) != state:
                return f"{_shown(path, layout)} {_what(state)}"
    for name, state in copy.state["tables"].items():
        if table_state(registry, TableName(*name.split(".", 2))) != state:
            return f"the table {name} {_what(state)}"
    return ""


def _what(before: str) -> str:
    return "is there now" if before == GONE else "has changed"


def _shown(path: str, layout: StoreLayout) -> str:
    return layout.virtual(Path(path)) or path


def now() -> float:
    """The moment, for copies."""
    return time.monotonic()
