"""What tests of the runtime share: a run's folder, and a ``dbutils`` that is found."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.notebook import FakeFs

from brickloop.runtime import notebook_output, redaction


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run."""
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    """No secret of one test is redacted in another."""
    redaction._seen.clear()
    yield
    redaction._seen.clear()


@pytest.fixture
def dbutils(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A notebook's ``dbutils`` that NotebookOutput finds; ``parameters`` are the run's."""
    parameters: dict[str, str] = {}

    def get(name: str) -> str:
        return parameters[name]

    found = types.SimpleNamespace(
        fs=FakeFs(tmp_path / "dbfs"),
        widgets=types.SimpleNamespace(get=get, getAll=lambda: dict(parameters)),
        secrets=types.SimpleNamespace(get=lambda scope, key: f"secret of {scope}/{key}"),
        parameters=parameters,
    )
    monkeypatch.setattr(notebook_output, "find_dbutils", lambda: found)
    return found
