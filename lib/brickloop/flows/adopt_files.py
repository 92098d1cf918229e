"""The files of a project around adopted notebooks: a new one's, with what is known put in."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

from brickloop.config.profile import LOCAL_PROFILE, Target
from brickloop.config.sync_file import FILE_NAME as SYNC_FILE
from brickloop.config.sync_file import SCHEMA_NAME, Direction, parse_sync_file
from brickloop.flows.scaffold import NewFile, plan_project
from brickloop.flows.scaffold_names import ProjectName

NOTEBOOKS = "notebooks"
"""The local folder that adopted notebooks are in, below the project's."""
_PYPROJECT = "pyproject.toml"
_HEADER = re.compile(r"\[+\s*([^]\s]+)")
_OURS = "tool.brickloop"


def project_files(
    name: ProjectName, workspace: str, target: Target, direction: Direction
) -> list[NewFile]:
    """The files of a project whose notebooks come from a workspace folder, in order of path."""
    found = {file.relative: file.data for file in plan_project(name, None)}
    text = found[_PYPROJECT].decode("utf-8")
    found[_PYPROJECT] = _with_settings(text, _settings(workspace, target)).encode()
    found[SYNC_FILE] = _sync_file(workspace, direction)
    return [NewFile(relative, found[relative]) for relative in sorted(found)]


def write_missing(folder: Path, files: list[NewFile]) -> tuple[list[str], list[str]]:
    """Names of the files that were written, and of those that were there and stay as they are."""
    written: list[str] = []
    kept: list[str] = []
    for file in files:
        path = folder.joinpath(*PurePosixPath(file.relative).parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as opened:
                opened.write(file.data)
        except FileExistsError:
            kept.append(file.relative)
        else:
            written.append(file.relative)
    return written, kept


def _settings(workspace: str, target: Target) -> str:
    where = f"profile = {_toml(target.profile or LOCAL_PROFILE)}"
    if not target.is_local and target.profile is None:
        where = f"host = {_toml(target.host or '')}"
    return f"""[tool.brickloop]
target = "dev" # where no other one is named: --target prod

# `doit` sends to a folder of your own; the folder that was adopted is left alone.
[tool.brickloop.targets.dev]
{where}

# Into the folder that was adopted, and only what is committed: doit target=prod
[tool.brickloop.targets.prod]
{where}
folder = {_toml(workspace)}
"""


def _sync_file(workspace: str, direction: Direction) -> bytes:
    content = {
        "$schema": f"./.brickloop/{SCHEMA_NAME}",
        "sync_pairs": [
            {
                "local": NOTEBOOKS,
                "workspace": workspace,
                "auto_sync": direction is not Direction.PULL,
                "direction": direction.value,
            }
        ],
        "exclude_patterns": ["**/__pycache__/**", "**/*.pyc"],
        "sync_on_save": True,
    }
    data = (json.dumps(content, indent=4, ensure_ascii=False) + "\n").encode()
    parse_sync_file(Path(SYNC_FILE).absolute(), data)
    return data


def _with_settings(pyproject: str, settings: str) -> str:
    """A pyproject.toml with its tables of brickloop replaced."""
    kept: list[str] = []
    place: int | None = None
    ours = False
    for line in pyproject.splitlines(keepends=True):
        header = _HEADER.match(line)
        if header is not None:
            name = header[1]
            ours = name == _OURS or name.startswith(f"{_OURS}.")
            if ours and place is None:
                place = len(kept)
        if not ours:
            kept.append(line)
    place = len(kept) if place is None else place
    return "".join([*kept[:place], settings, "\n", *kept[place:]])


def _toml(text: str) -> str:
    # a basic string of TOML has the escapes of JSON, but for the one of DEL
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
