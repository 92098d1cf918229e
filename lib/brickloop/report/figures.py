"""Figures as files beside the saved outputs, so that a terminal and a page can link them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from brickloop.model.whole_file import write_whole

_ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "text/html": "html",
}
_LONGEST_NAME = 40
_OURS = re.compile(r"[\w-]{0,40}-[0-9a-f]{10}\.(?:png|jpg|gif|webp|svg|html)$")
# a plot may draw itself with the script that it brings, and can reach nothing
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'\">\n"
)


class FigureFolder:
    """The figures of one notebook's last run, in ``<name>.figures`` beside its other outputs.

    A file is named by its title and content, so that saving it twice is saving it once.
    """

    def __init__(self, outputs: Path, name: str) -> None:
        self.path = outputs / f"{name}.figures"
        self._kept: set[str] = set()

    def keep(self, title: str, mime: str, data: bytes) -> Path | None:
        """The file of a figure, which is written where it is not there; None for another kind."""
        ending = _ENDINGS.get(mime)
        if ending is None or not data:
            return None
        if ending == "html":
            data = _POLICY.encode() + data
        words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:_LONGEST_NAME].strip("-")
        name = f"{words or 'figure'}-{hashlib.sha256(data).hexdigest()[:10]}.{ending}"
        path = self.path / name
        if not path.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        self._kept.add(name)
        return path

    def present(self) -> list[Path]:
        """The figures that are there: files of our naming."""
        if not self.path.is_dir():
            return []
        return sorted(path for path in self.path.iterdir() if _OURS.match(path.name))

    def remove_others(self) -> None:
        """Remove the figures of earlier runs: files of our naming that were not kept."""
        if not self.path.is_dir():
            return
        for path in self.present():
            if path.name not in self._kept:
                path.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()
