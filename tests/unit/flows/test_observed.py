"""What a run was seen to do, as the local workspace writes it beside the output."""

from __future__ import annotations

import json

import pytest

from brickloop.flows.edges import Observed
from brickloop.flows.observed import read_observed

FOLDER = "/Workspace/Users/u/p"
SEEN = {
    "version": 1,
    "tables_read": ["main.S.T", "main.s.t"],
    "tables_written": ["main.s.u"],
    "paths_read": [f"file:{FOLDER}/data/a.csv", "/Volumes/main/x/y", f"{FOLDER}/../secret"],
    "paths_written": [],
    "files": [f"{FOLDER}/mod.py", "/Workspace/Users/other/mod.py", FOLDER],
}


def test_tables_and_files_of_the_project_are_taken():
    assert read_observed(json.dumps(SEEN).encode(), FOLDER) == Observed(
        ("main.s.t",), ("main.s.u",), ("data/a.csv", "mod.py")
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{}", b'{"version": 2}', json.dumps({**SEEN, "files": "x"}).encode(),
     json.dumps({**SEEN, "tables_read": [1]}).encode()],
)  # fmt: skip
def test_what_cannot_be_understood_is_passed_over(data):
    assert read_observed(data, FOLDER) is None
