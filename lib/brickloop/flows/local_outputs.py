"""The output of a project's notebooks on this machine: text, JSON, page and figures of each."""

from __future__ import annotations

import contextlib
from pathlib import Path

SUFFIXES = (".txt", ".json", ".html")
"""What the names of a notebook's output files end in."""


class LocalOutputs:
    """The folder that outputs are saved in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self, notebook: str) -> list[Path]:
        """The files that a notebook's output is saved in, whether they are there or not."""
        return [self.folder / f"{notebook}{suffix}" for suffix in SUFFIXES]

    def are_there(self, notebook: str) -> bool:
        """Whether all of them are there."""
        return all(path.is_file() for path in self.files(notebook))

    def present(self, notebook: str) -> list[Path]:
        """The files that a notebook has, its figures among them."""
        from brickloop.report.figures import FigureFolder

        files = [path for path in self.files(notebook) if path.is_file()]
        return [*files, *FigureFolder(self.folder, notebook).present()]

    def remove(self, notebook: str) -> None:
        """Remove a notebook's files, and the folders that are empty then."""
        from brickloop.report.figures import FigureFolder

        for path in self.files(notebook):
            path.unlink(missing_ok=True)
        FigureFolder(self.folder, notebook).remove_others()
        parent = (self.folder / notebook).parent
        with contextlib.suppress(OSError):
            while parent != self.folder and parent.is_relative_to(self.folder):
                parent.rmdir()
                parent = parent.parent
