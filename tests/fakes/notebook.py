"""A notebook's surroundings in miniature, and a reader of what it wrote to a local folder."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

from brickloop.jobs.document_follower import DocumentFollower
from brickloop.runtime import stream
from brickloop.runtime.notebook_output import NotebookOutput


def png(width: int = 1, height: int = 1) -> bytes:
    """A whole PNG image, all black."""

    def block(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = block(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = block(b"IDAT", zlib.compress(b"\0" * (width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + block(b"IEND", b"")


class LocalFiles:
    """A reader's files, taken from a local folder."""

    def read_if_there(self, path: str) -> bytes | None:
        file = Path(path)
        return file.read_bytes() if file.is_file() else None

    def names(self, path: str) -> list[str] | None:
        folder = Path(path)
        return [entry.name for entry in folder.iterdir()] if folder.is_dir() else None


def follower(folder: Path, **options: bool) -> DocumentFollower:
    return DocumentFollower(LocalFiles(), str(folder), **options)


def live(folder: Path, **options: str) -> NotebookOutput:
    """A live document below a folder, outside a notebook."""
    return NotebookOutput(live=str(folder), **options)


def writer_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def chunks(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/c-*.ndjson"))


def begin_attempt() -> None:
    """What a new process would do: the next writer belongs to another attempt."""
    stream._numbers.clear()


class FakeFs:
    """``dbutils.fs`` over a folder: text only, and it says what it wrote."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, contents: str, overwrite: bool = False) -> bool:
        assert path.startswith("dbfs:/")
        assert overwrite
        assert isinstance(contents, str)
        target = self.root / path.removeprefix("dbfs:/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(contents, encoding="utf-8", newline="")
        print(f"Wrote {len(contents)} bytes.")  # noqa: T201 - as a notebook would see it
        return True


def seal(*events: dict[str, Any], number: int = 1) -> bytes:
    """A sealed chunk that holds these events as they are."""
    body = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    digest = hashlib.sha256(body).hexdigest()
    last = {"v": 1, "kind": "seal", "chunk": number, "events": len(events), "sha256": digest}
    return body + json.dumps(last).encode() + b"\n"
