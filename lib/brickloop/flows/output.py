"""NotebookOutputReader: outputs by their path, read, shown, followed and copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from brickloop.config.settings import find_root, load_settings
from brickloop.display import console, diagnostics
from brickloop.errors import OutputUnavailable
from brickloop.model.text import harmless

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from brickloop.jobs.output_reader import OutputReader
    from brickloop.model.document import Document, Section

_NAME = "output"


class NotebookOutputReader:
    """Reads outputs from DBFS, volumes and workspace files.

    A path is that of a text that ``NotebookOutput.write_to_dbfs`` wrote, of any other text, or the
    folder of a live document. The workspace is the one that the project's settings name, unless a
    ``client`` is given; it is opened when the first output is read. What cannot be read raises
    OutputUnavailable, as the one of its classes that says why (``brickloop.errors``).
    """

    def __init__(
        self,
        client: WorkspaceClient | None = None,
        *,
        profile: str | None = None,
        target: str | None = None,
    ) -> None:
        self._client = client
        self._profile = profile
        self._target = target
        self._opened: OutputReader | None = None

    def read_output(self, output_path: str | None = None) -> str:
        """The text at a path, by default where NotebookOutput writes by default."""
        return self._reader().read_output(output_path)

    def read_document(self, folder: str) -> Document:
        """The document below a folder, as far as it has come."""
        return self._reader().read_document(folder)

    def display_output(self, output_path: str | None = None) -> bool:
        """Show an output in the terminal; False, and the reason on stderr, where there is none."""
        try:
            if output_path is not None and self._reader().is_document(output_path):
                self._show_document(self.read_document(output_path))
            else:
                for text in _whole_lines(self._reader().text_blocks(output_path)):
                    console.write(harmless(text))
        except OutputUnavailable as error:
            diagnostics.warn(str(error), error.hint)
            return False
        return True

    def follow(
        self,
        folder: str,
        *,
        run_ended: Callable[[], bool] | None = None,
        silence: float = 600.0,
    ) -> Iterator[Section]:
        """Each section of a live document as it comes; never waits for what will not come.

        Ends with the document, when ``run_ended`` says so, or after ``silence`` seconds without
        anything new; the last section says when the output is incomplete.
        """
        return self._reader().follow(folder, run_ended=run_ended, silence=silence)

    def copy_output(
        self,
        output_path: str,
        local_file: str | Path,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> int:
        """Copy an output of any size to a local file, whole or not at all; its size in bytes."""
        return self._reader().copy_output(output_path, local_file, progress)

    def _show_document(self, document: Document) -> None:
        from brickloop.display.run_view import RunView

        view = RunView(_NAME)
        for section in document.sections:
            view.section(section)
        if not document.complete:
            diagnostics.warn(document.reason or "the output is not complete")

    def _reader(self) -> OutputReader:
        if self._opened is None:
            from brickloop.clients.files import RemoteFiles
            from brickloop.jobs.output_reader import OutputReader

            if self._client is not None:
                files = RemoteFiles(self._client, self._client.config.host or "")
            else:
                from brickloop.flows.target import open_target

                words = {"profile": self._profile, "target": self._target}
                settings = load_settings(find_root(Path.cwd()), overrides=words)
                opened = open_target(settings)
                diagnostics.note(opened.announcement)
                files = RemoteFiles(opened.client, opened.host)
            self._opened = OutputReader(files)
        return self._opened


def _whole_lines(blocks: Iterator[str]) -> Iterator[str]:
    """The text in pieces that end where a line ends, without that end."""
    held = ""
    for block in blocks:
        text, end, rest = (held + block).rpartition("\n")
        held = rest
        if end:
            yield text
    if held:
        yield held
