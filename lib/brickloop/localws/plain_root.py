"""The store under a path without special characters, by which the engine is told of it.

The engine writes tables of a path with a space, or any other character that a URL escapes, into
another folder (``a%20store``). A link in the user's cache leads to the store by a plain path.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

from brickloop.errors import PathError
from brickloop.localws.layout import StoreLayout

_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]+")


def plain_layout(layout: StoreLayout) -> StoreLayout:
    """The same store by a plain path; the same layout where its path is plain.

    Raises PathError where there is no place for the link.
    """
    root = str(layout.root)
    if _PLAIN.fullmatch(root):
        return layout
    name = hashlib.sha256(root.encode()).hexdigest()[:16]
    for folder in _places():
        link = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if folder.stat().st_uid != os.getuid():
                continue
            _link(link, root)
        except OSError:
            continue
        return replace(layout, root=link)
    raise PathError(f"tables cannot be kept in '{root}': move the project to a path without spaces")


def _link(link: Path, root: str) -> None:
    if link.is_symlink() and str(link.readlink()) == root:
        return
    draft = link.with_name(f"{link.name}.{uuid.uuid4().hex[:8]}")
    draft.symlink_to(root)
    draft.replace(link)


def _places() -> list[Path]:
    found = [
        Path.home() / ".cache" / "brickloop" / "stores",
        Path(tempfile.gettempdir()) / f"brickloop-{os.getuid()}",
    ]
    return [folder for folder in found if _PLAIN.fullmatch(str(folder))]
