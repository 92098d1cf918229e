"""What docs/output-format.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

from brickloop import NotebookOutput, NotebookOutputReader, errors
from brickloop.jobs.output_reader import DEFAULT_PATHS
from brickloop.runtime import frames, notebook_output, stream

TEXT = (Path(__file__).parents[3] / "docs" / "output-format.md").read_text(encoding="utf-8")


def test_every_method_class_and_limit_that_is_named_is_there():
    methods = set(re.findall(r"\b((?:add|write)_\w+)", TEXT))
    assert len(methods) > 14
    assert all(hasattr(NotebookOutput, name) for name in methods)
    public = {name for name in vars(NotebookOutput) if not name.startswith("_")}
    assert public - methods == {"close", "render"}
    for name in re.findall(r"reader\.(\w+)\(", TEXT):
        assert hasattr(NotebookOutputReader, name)
    for name in re.findall(r"`(Output[A-Z]\w+)`", TEXT):
        assert issubclass(getattr(errors, name), errors.OutputUnavailable)
    assert "1,000 columns and 1 MB; a value at most 1,000" in TEXT
    assert (frames.TABLE_COLUMNS, frames.TABLE_BYTES, frames.CELL_CHARACTERS) == (1000, 2**20, 1000)
    assert f"{stream.CHUNK_BYTES // 1024} KB" in TEXT


def test_writer_and_reader_agree_on_where_outputs_go_by_default():
    assert (
        f"{notebook_output.DEFAULT_VOLUME}/{notebook_output._TEXT_NAME}",
        f"{notebook_output._DEFAULT_FOLDER}/{notebook_output._TEXT_NAME}",
    ) == DEFAULT_PATHS
