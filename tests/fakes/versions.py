"""Where every version that somebody wrote has gone: each has a mark of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from brickloop.model.notebook import Language, NotebookFormat, header_line
from brickloop.sync.content import canonical_hash, slot_of
from brickloop.sync.remote import Kind
from brickloop.sync.selection import is_sidecar
from brickloop.sync.tree import is_staged

_MARK = re.compile(rb"v\d{6}")
LANGUAGES = {".py": Language.PYTHON, ".sql": Language.SQL}


@dataclass(frozen=True)
class Leaf:
    """What one side holds in a slot, as far as the two sides can be compared."""

    kind: Kind
    canonical: str = ""
    language: Language | None = None
    format: NotebookFormat | None = None


FOLDER = Leaf(Kind.DIRECTORY)


def mark_of(data: bytes | None) -> str:
    """The version that a content is, empty for none."""
    found = _MARK.search(data or b"")
    return found.group().decode() if found else ""


def content(mark: str, suffix: str, *, notebook: bool) -> bytes:
    """A content with this mark, as a file with this suffix would hold it."""
    if suffix == ".ipynb":
        cell = {"cell_type": "code", "metadata": {}, "source": mark, "outputs": []}
        whole = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        return json.dumps(whole).encode() if notebook else f'{{"cells": "{mark}'.encode()
    if notebook and suffix in LANGUAGES:
        return f"{header_line(LANGUAGES[suffix])}\n{mark}\n".encode()
    return mark.encode()


@cache
def slot_at(path: str, data: bytes) -> str:
    """The slot of a local file."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{slot_of(name, data[:64]).name}"


@cache
def local_leaf(path: str, data: bytes) -> Leaf:
    """A local file, as it can be compared."""
    slot = slot_of(path.rpartition("/")[2], data[:64])
    return Leaf(slot.kind, canonical_hash(slot.kind, slot.format, data), slot.language, slot.format)


def takes_part(path: str) -> bool:
    """Whether a local path is no staged version and not one laid beside a conflict."""
    name = path.rsplit("/", 1)[-1]
    return not is_staged(name) and not is_sidecar(name)


@dataclass
class Provenance:
    """Every version written, and what became of it by the hands of users."""

    number: int = 0
    written: dict[str, str] = field(default_factory=dict)
    """Each version, and where it was written."""
    superseded: set[str] = field(default_factory=set)
    """Versions that a user replaced or deleted on a side where they stood."""
    put_away: set[tuple[str, str]] = field(default_factory=set)
    """Slots and the versions that a user removed from them."""
    exempt: set[str] = field(default_factory=set)
    """Slots in which a write without an answer met a user's: what was meant is not known."""

    def new(self, where: str) -> str:
        """The mark of a new version."""
        self.number += 1
        mark = f"v{self.number:06}"
        self.written[mark] = where
        return mark

    def remove(self, slot: str, data: bytes | None) -> None:
        """A user replaces or deletes what stands in a slot."""
        mark = mark_of(data)
        if mark:
            self.superseded.add(mark)
            self.put_away.add((slot, mark))

    def move(self, slot: str, new: str, data: bytes | None) -> None:
        """A user moves a version from one slot to another."""
        if mark_of(data):
            self.put_away.add((slot, mark_of(data)))
            self.bring(new, data)
            if slot == new:
                # another kind of thing with the same content: a change that is not told by it
                self.exempt.add(slot)

    def bring(self, slot: str, data: bytes | None) -> None:
        """A user puts a version into a slot."""
        self.put_away.discard((slot, mark_of(data)))

    def lost(self, live: set[str]) -> list[str]:
        """Versions that are nowhere, and that nobody put away."""
        return [
            f"{mark} of {where}"
            for mark, where in self.written.items()
            if mark not in live and mark not in self.superseded
        ]

    def risen(self, standing: Iterator[tuple[str, bytes]]) -> list[str]:
        """Versions that stand where a user removed them."""
        return [
            f"{mark_of(data)} in {slot}"
            for slot, data in standing
            if (slot, mark_of(data)) in self.put_away and slot not in self.exempt
        ]
